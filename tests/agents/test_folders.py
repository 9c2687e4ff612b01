"""Where sessions work: private folders, worktrees of allowed repositories only, and their end."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.file_changes import FolderWatch
from agents.folders import (
    Prepared,
    RepositoryRefused,
    forget_folder,
    forget_folders,
    git_places,
    prepare_folder,
    session_folder,
    side_folder,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def places(settings, tmp_path: Path) -> None:
    settings.WORK_DIR = tmp_path / "work"
    settings.REPO_ROOTS = [tmp_path / "repos"]
    (tmp_path / "repos" / "acme").mkdir(parents=True)


def prepare(folder: Path, named: str = "demo", revision: str = "") -> Prepared:
    return prepare_folder(folder, named, revision, workspace="acme")


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *names, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repos" / "acme" / "demo"
    path.mkdir()
    git(path, "init")
    (path / "a.txt").write_text("one\n")
    git(path, "add", ".")
    git(path, "commit", "-m", "first")
    return path


@pytest.fixture
def folder() -> Path:
    return session_folder(uuid.uuid4(), uuid.uuid4())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_is_made_once_and_private(folder):
    prepared = prepare_folder(folder)
    assert (prepared.path, prepared.is_fresh, prepared.facts.cwd) == (folder, True, str(folder))
    (folder / "kept").write_text("x")
    assert not prepare_folder(folder).is_fresh
    assert (folder / "kept").exists()
    assert {mode(path) for path in (folder, side_folder(folder), folder.parent, folder.parent.parent)} == {
        0o700
    }


def test_a_folder_that_is_gone_or_was_not_finished_is_made_fresh(folder):
    prepare_folder(folder)
    (folder / "half").write_text("x")
    (side_folder(folder) / "ready.json").unlink()  # as after a death in the middle of it
    assert prepare_folder(folder).is_fresh
    assert os.listdir(folder) == []
    folder.rmdir()
    assert prepare_folder(folder).is_fresh


def test_a_link_in_the_place_of_a_folder_is_not_followed(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("x")
    prepare_folder(folder)
    folder.rmdir()
    folder.symlink_to(elsewhere)
    assert prepare_folder(folder).is_fresh
    assert not folder.is_symlink()
    (folder / "way out").symlink_to(elsewhere)
    forget_folder(folder)
    assert not folder.exists()
    assert (elsewhere / "precious").exists()


@pytest.mark.parametrize("named", ["demo", "{root}/demo"])
def test_a_worktree_is_on_a_branch_of_its_own(folder, repository, named):
    prepared = prepare(folder, named.format(root=repository.parent))
    assert (folder / "a.txt").read_text() == "one\n"
    facts = prepared.facts
    assert (facts.repo, facts.branch) == ("demo", f"sessions/{folder.name}")
    assert facts.commit == git(repository, "rev-parse", "HEAD")
    assert git(repository, "status", "--porcelain") == ""
    assert mode(folder) == 0o700
    assert not prepare(folder).is_fresh


def test_a_worktree_is_at_the_revision_that_is_wanted(folder, repository):
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "commit", "--allow-empty", "-m", "second")
    assert prepare(folder, revision=first[:10]).facts.commit == first
    with pytest.raises(RepositoryRefused, match="no revision nowhere"):
        prepare(session_folder(uuid.uuid4(), uuid.uuid4()), revision="nowhere")
    with pytest.raises(RepositoryRefused, match="no revision --help"):
        prepare(session_folder(uuid.uuid4(), uuid.uuid4()), revision="--help")


def test_commits_of_a_worktree_that_is_gone_are_gone_on_with(folder, repository):
    prepare(folder)
    (folder / "new.txt").write_text("x")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "work")
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    prepared = prepare(folder)
    assert prepared.is_fresh
    assert (folder / "new.txt").exists()


def test_hooks_of_a_repository_are_not_run(folder, repository):
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch /tmp/should-not-be\nexit 1\n")
    hook.chmod(0o755)
    git(repository, "config", "core.fsmonitor", "touch ran-a-monitor; false")
    prepare(folder)
    assert not Path("/tmp/should-not-be").exists()
    assert not (folder / "ran-a-monitor").exists()


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """What is no repository of the workspace acme: one of another workspace, and ways to it."""
    roots = tmp_path / "repos"
    theirs = roots / "theirs" / "secret"
    theirs.mkdir(parents=True)
    git(theirs, "init")
    git(theirs, "commit", "--allow-empty", "-m", "first")
    (roots / "acme" / "link").symlink_to(theirs)
    (roots / "acme" / "plain").mkdir()
    (roots / "acme" / "fake").mkdir()
    (roots / "acme" / "fake" / ".git").write_text(f"gitdir: {theirs}/.git\n")
    return roots


@pytest.mark.parametrize(
    "named",
    ["../theirs/secret", "{roots}/theirs/secret", "link", "none", "/", ".", "{roots}/acme", "plain", "fake"],
)
def test_a_repository_that_is_not_the_workspaces_is_refused(folder, others, named):
    with pytest.raises(RepositoryRefused, match=r"REPO_ROOTS|is no git repository"):
        prepare(folder, named.format(roots=others))
    assert not folder.exists()


def test_nobody_learns_what_else_is_there(folder, others):
    told = set()
    for named in ("../theirs/secret", "../theirs/none", "/usr", "/none"):
        with pytest.raises(RepositoryRefused) as refused:
            prepare(folder, named)
        told.add(str(refused.value).replace(named, "X"))
    assert told == {
        f"This workspace has no repository X: its repositories lie in {others}/acme (REPO_ROOTS). "
        "Have one put there, or correct the flow."
    }


def test_a_workspace_called_like_a_repository_does_not_get_it(folder, tmp_path):
    git(tmp_path, "init", "repos/legacy")
    (tmp_path / "repos" / "legacy" / "part").mkdir()
    for named in (".", "part", ".git", ""):
        with pytest.raises(RepositoryRefused):
            prepare_folder(folder, named or str(tmp_path / "repos" / "legacy"), workspace="legacy")


def test_without_a_workspace_there_is_no_repository(folder, repository):
    for named in ("acme/demo", str(repository)):
        with pytest.raises(RepositoryRefused):
            prepare_folder(folder, named)


def test_a_repository_without_a_commit_is_refused(folder, tmp_path):
    git(tmp_path, "init", "repos/acme/empty")
    with pytest.raises(RepositoryRefused, match="no commit yet"):
        prepare(folder, "empty")


def test_a_folder_is_forgotten_with_its_worktree_and_a_branch_without_work(folder, repository):
    prepare(folder)
    (folder / "locked").mkdir(mode=0o500)
    forget_folder(folder)
    assert not folder.exists()
    assert not side_folder(folder).exists()
    assert git(repository, "worktree", "list", "--porcelain").count("worktree ") == 1
    assert git(repository, "branch", "--list", "sessions/*") == ""


def test_a_branch_with_commits_of_its_own_outlives_its_folder(folder, repository):
    prepare(folder)
    git(folder, "commit", "--allow-empty", "-m", "work")
    forget_folder(folder)
    assert git(repository, "branch", "--list", "sessions/*") == f"sessions/{folder.name}"


def test_a_tree_that_is_deeper_than_a_path_may_be_long_is_forgotten(folder, tmp_path):
    prepare_folder(folder)
    dig = "import os\nfor _ in range(900): os.mkdir('abcdef'); os.chdir('abcdef'); os.chmod('..', 0o500)"
    subprocess.run([sys.executable, "-c", dig], cwd=folder, check=True)
    forget_folder(folder)
    assert not folder.exists()


def test_a_folder_that_cannot_be_removed_keeps_no_other(monkeypatch, tmp_path, caplog):
    tenant = uuid.uuid4()
    (programs := tmp_path / "bin").mkdir()
    stuck, other = sorted(prepare_folder(session_folder(tenant, uuid.uuid4())).path for _ in range(2))
    refuse = f'case "$*" in *{stuck.name}*) echo stuck >&2; exit 1;; esac'
    (programs / "rm").write_text(f'#!/bin/sh\n{refuse}\n/bin/rm "$@"\n')
    (programs / "rm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    assert forget_folders(datetime.now(UTC) + timedelta(days=1), lambda *_: True) == 1
    assert (stuck.exists(), other.exists()) == (True, False)
    assert f"{stuck} cannot be removed: stuck" in caplog.text


def test_only_old_folders_of_ended_sessions_are_forgotten(tmp_path):
    tenant = uuid.uuid4()
    old_ended, old_open, new_ended = (session_folder(tenant, uuid.uuid4()) for _ in range(3))
    for path, days in ((old_ended, 15), (old_open, 15), (new_ended, 13)):
        prepare_folder(path)
        then = (NOW - timedelta(days=days)).timestamp()
        os.utime(side_folder(path) / "ready.json", (then, then))
    (tmp_path / "work" / "notes").mkdir()

    def has_ended(tenant_id: uuid.UUID, session_id: uuid.UUID) -> bool:
        assert tenant_id == tenant
        return str(session_id) != old_open.name

    assert forget_folders(NOW - timedelta(days=14), has_ended) == 1
    assert [path.exists() for path in (old_ended, old_open, new_ended)] == [False, True, True]
    assert (tmp_path / "work" / "notes").exists()


@pytest.mark.parametrize("named", ["", "demo"], ids=["folder", "worktree"])
def test_what_work_puts_there_as_git_starts_no_program(folder, repository, tmp_path, named):
    """To see whether a file has changed git may start a filter, a program that settings name."""
    prepare(folder, named)
    (folder / ".git").unlink(missing_ok=True)
    git(folder, "init")
    (folder / ".gitattributes").write_text("* filter=trap\n")
    git(folder, "add", ".")
    git(folder, "config", "filter.trap.clean", f"touch {tmp_path}/ran; cat")
    os.utime(folder / ".git" / "index", (1, 1))
    FolderWatch(folder, side_folder(folder) / "seen").begin()
    assert not (tmp_path / "ran").exists()
    git(folder, "diff-files")
    assert (tmp_path / "ran").exists()  # the trap works


def test_work_cannot_lead_to_another_repository(folder, repository, tmp_path):
    git(tmp_path, "clone", str(repository), "repos/acme/other")
    prepare(folder)
    (folder / ".git").write_text(f"gitdir: {tmp_path}/repos/acme/other/.git\n")
    prepared = prepare(folder)
    assert not prepared.is_fresh
    assert prepared.facts.branch == f"sessions/{folder.name}"
    assert git_places(folder)[1][0] == repository / ".git"


def test_a_worktree_leaves_those_of_other_sessions_alone(folder, repository):
    other = session_folder(uuid.uuid4(), uuid.uuid4())
    prepare(other)
    prepare(folder)
    forget_folder(folder)
    assert not prepare(other).is_fresh
    assert git(repository, "branch", "--list", "sessions/*") == f"+ sessions/{other.name}"


def test_what_a_repository_knows_of_a_folder_that_is_gone_is_no_hindrance(folder, repository):
    prepare(folder)
    (Path(git_places(folder)[0][0]) / "locked").touch()
    subprocess.run(["rm", "-rf", str(folder), str(side_folder(folder))], check=True)
    assert prepare(folder).is_fresh
    assert (folder / "a.txt").exists()


def test_a_bare_repository_will_do(folder, repository):
    git(repository.parent, "clone", "--bare", "demo", "bare.git")
    assert prepare(folder, "bare.git").facts.repo == "bare.git"
    assert (folder / "a.txt").read_text() == "one\n"
