"""What a command leaves for git to find leads our own git to no program and no other folder."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

import pytest

from agents import sandbox
from agents.file_changes import FolderWatch
from agents.folders import RepositoryRefused, forget_folder, prepare_folder, session_folder, side_folder
from agents.git import run_git
from agents.runtimes import get_runtime
from tests.agents.work import make_work, perform

SHELL = get_runtime("shell")
TENANT = uuid.UUID(int=1)
AUTHOR = "-c user.name=Ada -c user.email=ada@example.com"
needs_bubblewrap = pytest.mark.skipif(bool(sandbox.probe()), reason=f"no sandbox here: {sandbox.probe()}")


@pytest.fixture
def repository(settings, tmp_path: Path) -> Path:
    """The workspace acme's repository; there is another workspace, theirs, with one of its own."""
    settings.DATA_DIR = tmp_path / "data"
    settings.WORK_DIR = settings.DATA_DIR / "work"
    settings.REPO_ROOTS = [tmp_path / "repos"]
    for name in ("acme", "theirs"):
        path = tmp_path / "repos" / name / "demo"
        path.mkdir(parents=True)
        (path / "a.txt").write_text(f"of {name}\n")
        for arguments in ("init -q -b main", "add .", f"{AUTHOR} commit -q -m first"):
            subprocess.run(["git", *arguments.split()], cwd=path, check=True)
    return tmp_path / "repos" / "acme" / "demo"


def fresh() -> Path:
    folder = session_folder(TENANT, uuid.uuid4())
    return prepare_folder(folder, "demo", workspace="acme").path


def run(folder: Path, body: str, sandbox: str = "bubblewrap") -> str:
    seen = perform(SHELL, make_work(folder, body, sandbox=sandbox))
    assert seen.outcome.is_ok, seen.output
    return seen.output


def plant_a_submodule(mark: Path) -> str:
    """A repository inside of the folder, whose settings name a filter that leaves a mark."""
    return f"""
mkdir sub; cd sub; git init -q
echo 'x filter=trap' > .gitattributes; echo hi > x; git add .; git {AUTHOR} commit -qm x
git config filter.trap.clean 'touch {mark}; cat'; echo ho > x
commit=$(git rev-parse HEAD); cd ..
git update-index --add --cacheinfo "160000,$commit,sub"
"""


@pytest.mark.parametrize("sandbox", ["none", pytest.param("bubblewrap", marks=needs_bubblewrap)])
def test_a_repository_inside_of_the_folder_is_not_looked_into(repository, tmp_path, sandbox):
    folder = fresh()
    run(folder, plant_a_submodule(tmp_path / "ran"), sandbox)
    (folder / "later").write_text("nobody has seen it")
    FolderWatch(folder, side_folder(folder) / "seen").begin()
    assert not (tmp_path / "ran").exists()
    subprocess.run(["git", "diff-files"], cwd=folder, check=True, capture_output=True)
    assert (tmp_path / "ran").exists()  # the trap works


@needs_bubblewrap
@pytest.mark.parametrize(
    "body",
    [
        "git config filter.trap.smudge x",
        "echo . > $COMMON/commondir",
        "echo > $COMMON/config.worktree",
        "echo > $COMMON/info/attributes",
        "echo $COMMON > $COMMON/objects/info/alternates",
        "touch $COMMON/hooks/post-checkout",
        "mv $COMMON/config $COMMON/x",
        "rm $COMMON/HEAD",
        "mkdir $COMMON/worktrees/x",
        "mkdir -p $COMMON/modules/x",
    ],
)
def test_what_leads_git_elsewhere_is_not_a_commands_to_write(repository, body):
    folder = fresh()
    before = {path: path.read_bytes() for path in (repository / ".git").rglob("*") if path.is_file()}
    seen = perform(
        SHELL,
        make_work(folder, f"COMMON=$(git rev-parse --git-common-dir)\n{body}", sandbox="bubblewrap"),
    )
    assert not seen.outcome.is_ok
    assert "Read-only file system" in seen.output or "busy" in seen.output, seen.output
    assert {path: path.read_bytes() for path in (repository / ".git").rglob("*") if path.is_file()} == before


@needs_bubblewrap
def test_links_in_a_repository_lead_to_no_other_workspace(repository):
    theirs = repository.parents[1] / "theirs" / "demo" / ".git"
    run(
        fresh(),
        f"""
common=$(git rev-parse --git-common-dir)
rm -r "$common/objects/pack"; ln -s {theirs}/objects/pack "$common/objects/pack"
ln -sf {theirs}/refs/heads/main "$common/refs/heads/main"
for folder in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do
  for other in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do
    [ -e "$common/objects/$folder$other" ] || ln -s {theirs}/objects/$folder$other "$common/objects/"
  done
done
""",
    )
    assert run_git(theirs, "rev-parse", "HEAD").returncode == 0
    with pytest.raises(RepositoryRefused, match="no commit yet"):
        fresh()


@needs_bubblewrap
def test_a_program_that_a_repository_names_has_what_a_command_has(repository, tmp_path, settings):
    """The operator's own settings may name filters; what they are given came from a run."""
    (settings.DATA_DIR / "keys").mkdir(parents=True)
    (settings.DATA_DIR / "keys" / "secret_key").write_text("precious")
    look = f"cat {settings.DATA_DIR}/keys/secret_key; touch {tmp_path}/ran; cat"
    subprocess.run(["git", "config", "filter.x.smudge", look], cwd=repository, check=True)
    (repository / ".gitattributes").write_text("* filter=x\n")
    for arguments in ("add .gitattributes", f"{AUTHOR} commit -qm second"):
        subprocess.run(["git", *arguments.split()], cwd=repository, check=True)
    assert "precious" not in (fresh() / "a.txt").read_text()
    assert not (tmp_path / "ran").exists()


@needs_bubblewrap
def test_repositories_of_others_are_not_to_be_seen(repository):
    assert run(fresh(), f"ls {repository.parents[1]}; ls {repository.parent}") == "acme\ndemo\n"
    assert run(fresh(), f"ls -A {repository}; cat {repository}/a.txt || true").startswith(".git\n")


@needs_bubblewrap
def test_commands_commit_branch_and_tag_and_their_folder_is_forgotten(repository):
    folder = fresh()
    other = fresh()
    run(
        folder,
        f"echo b > b; git add b; git {AUTHOR} commit -qm second; git branch kept; git tag v1; git stash list",
    )
    forget_folder(folder)
    assert not (repository / ".git" / "worktrees" / folder.name).exists()
    assert run(other, "git log --format=%s -1 kept; git log --format=%s -1 v1") == "second\nsecond\n"


@needs_bubblewrap
def test_in_a_worktree_of_a_bare_repository_commands_commit(repository):
    subprocess.run(["git", "clone", "-q", "--bare", "demo", "bare.git"], cwd=repository.parent, check=True)
    folder = session_folder(TENANT, uuid.uuid4())
    prepare_folder(folder, "bare.git", workspace="acme")
    assert (
        run(folder, f"git {AUTHOR} commit -q --allow-empty -m more; git log --format=%s") == "more\nfirst\n"
    )
