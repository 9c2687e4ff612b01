"""Where a session does its work: a folder of its own, a worktree of a repository where one is wanted.

    WORK_DIR/<workspace>/<session>        the working folder
    WORK_DIR/<workspace>/<session>.side   what belongs to it and is no work of its own

Everything is private to its user.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from agents.git import run_git, text_of
from audit.entries import RunFacts

__all__ = [
    "Prepared",
    "RepositoryRefused",
    "forget_folder",
    "forget_folders",
    "git_places",
    "is_itself",
    "prepare_folder",
    "run_worktree_git",
    "session_folder",
    "side_folder",
]

logger = logging.getLogger(__name__)

_READY = "ready.json"


class RepositoryRefused(Exception):
    """A run gets no worktree of that repository; says what to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A folder to work in. `is_fresh`: nothing of earlier steps is in it."""

    path: Path
    is_fresh: bool
    facts: RunFacts


@dataclass(frozen=True, slots=True)
class _Repository:
    """A workspace's repository, and the folder in which it keeps itself."""

    path: Path
    common: Path

    def run(self, *arguments: str, beside: Path | None = None) -> subprocess.CompletedProcess[bytes]:
        places = [self.common] if beside is None else [self.common, beside]
        return run_git(self.path, *arguments, beside=places)


def session_folder(tenant_id: uuid.UUID, session_id: uuid.UUID) -> Path:
    """Where the session's working folder is, or will be."""
    return Path(settings.WORK_DIR) / str(tenant_id) / str(session_id)


def side_folder(folder: Path) -> Path:
    """The folder beside a working folder."""
    return folder.with_name(f"{folder.name}.side")


def is_itself(path: Path) -> bool:
    """Whether the working folder is there, and no link that work has put in its place."""
    return path.is_dir() and not path.is_symlink() and not path.parent.is_symlink()


def prepare_folder(path: Path, repo_path: str = "", revision: str = "", *, workspace: str = "") -> Prepared:
    """The folder as it is, or made where it is not, or not whole.

    With `repo_path` it is a worktree of that repository of the workspace, whose slug is given, at `revision`
    (its current commit if empty), on the branch `sessions/<name of the folder>`, which is gone on with if it
    is there. Raises RepositoryRefused.
    """
    repository = _find_repository(repo_path, workspace) if repo_path else None
    is_fresh = not _is_ready(path, repository)
    if is_fresh:
        _clear(path)
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        side = side_folder(path)
        side.mkdir(mode=0o700)
        path.mkdir(mode=0o700)
        if repository is not None:
            _add_worktree(repository, path, revision)
        (side / _READY).write_text(json.dumps(_note_of(path, repository)), encoding="utf-8")
    os.utime(side_folder(path) / _READY)
    return Prepared(path=path, is_fresh=is_fresh, facts=_facts(path, repository))


def forget_folder(path: Path) -> None:
    """Remove a session's folder with all that belongs to it; a branch with commits of its own stays."""
    note = _read_note(path)
    _clear(path)
    if note.get("common") and Path(note["repository"]).is_dir() and Path(note["common"]).is_dir():
        repository = _Repository(Path(note["repository"]), Path(note["common"]))
        branch = f"sessions/{path.name}"
        others = ("--not", f"--exclude=refs/heads/{branch}", "--all")
        own = repository.run("rev-list", "--max-count=1", branch, *others)
        if own.returncode == 0 and not own.stdout.strip():
            repository.run("branch", "--delete", "--force", "--", branch)


def forget_folders(before: datetime, has_ended: Callable[[uuid.UUID, uuid.UUID], bool]) -> int:
    """Remove the folders that nobody has worked in since `before`, of sessions that have ended; how many.

    `has_ended` is asked with workspace and session. One that cannot be removed keeps none of the others.
    """
    removed = 0
    for path in list(_all_folders()):
        used = side_folder(path) / _READY
        used_at = (used if used.exists() else path).stat().st_mtime
        if used_at < before.timestamp() and has_ended(uuid.UUID(path.parent.name), uuid.UUID(path.name)):
            try:
                forget_folder(path)
                removed += 1
            except OSError as error:
                logger.warning("%s", error)
    return removed


def run_worktree_git(path: Path, *arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    """Run git in a session's worktree; None where the folder is none.

    It goes by what was noted when the worktree was made. What a command has put there as `.git` since, with
    settings of its own or as a way to another repository, is not looked at.
    """
    note = _read_note(path)
    if not note.get("git") or not (path / ".git").exists():
        return None
    places = {"GIT_DIR": note["git"], "GIT_COMMON_DIR": note["common"], "GIT_WORK_TREE": str(path)}
    return run_git(path, *arguments, beside=[Path(note["common"])], environment=places)


def git_places(path: Path) -> tuple[list[Path], list[Path]]:
    """What commands in a worktree may write of its repository, and what only read; nothing of another folder.

    They can commit and keep branches. Settings, hooks and whatever else leads git to programs and other
    folders is not theirs: people and other runs use the same repository.
    """
    note = _read_note(path)
    if not note.get("git") or not Path(note["git"]).is_dir():
        return [], []
    common = Path(note["common"])
    (common / "logs").mkdir(exist_ok=True)  # a bare repository has none before the first commit of a worktree
    kept = (common / name for name in ("objects", "refs", "logs", "reftable"))
    writable = [Path(note["git"]), *(place for place in kept if place.is_dir())]
    return writable, [common, *(place for place in [common / "objects" / "info"] if place.is_dir())]


def _find_repository(repo_path: str, workspace: str) -> _Repository:
    """The repository, in a folder of the workspace whatever links say. Raises RepositoryRefused.

    What it says is the same whether there is something else of that name on the machine or not.
    """
    roots = [Path(root).resolve() / workspace for root in settings.REPO_ROOTS] if workspace else []
    # An absolute path stays itself.
    found = [path.resolve() for path in (root / repo_path for root in roots) if path.is_dir()]
    own = [(path, root) for path in found for root in roots if path != root and path.is_relative_to(root)]
    allowed = " or ".join(map(str, roots))
    if not own:
        raise RepositoryRefused(
            f"This workspace has no repository {repo_path}: its repositories lie in {allowed} (REPO_ROOTS). "
            "Have one put there, or correct the flow."
        )
    if shutil.which("git") is None:
        raise RepositoryRefused("There is no git on the worker's machine: install it.")
    path, root = own[0]
    wanted = ("--path-format=absolute", "--git-common-dir", "--show-prefix")
    common, prefix = (*text_of(run_git(path, "rev-parse", *wanted, beside=[root])).splitlines(), "", "")[:2]
    kept = Path(common).resolve()
    is_whole = bool(common) and not prefix and ".git" not in path.relative_to(root).parts
    if not is_whole or kept == root or not kept.is_relative_to(root):
        raise RepositoryRefused(f"{repo_path} is no git repository of its own: make one there (git init).")
    return _Repository(path, kept)


def _is_ready(path: Path, repository: _Repository | None) -> bool:
    """Whether the folder was made to its end, of what is wanted, and is still there."""
    if not is_itself(path) or not (side_folder(path) / _READY).is_file():
        return False
    if repository is None:
        return True
    head = run_worktree_git(path, "rev-parse", "--verify", "--quiet", "HEAD")
    is_same = _read_note(path).get("repository") == str(repository.path)
    return is_same and head is not None and head.returncode == 0


def _note_of(path: Path, repository: _Repository | None) -> dict[str, str]:
    """What is kept of a folder that was made just now, and in which nobody has worked yet."""
    if repository is None:
        return {"repository": ""}
    git = run_git(path, "rev-parse", "--path-format=absolute", "--git-dir", beside=[repository.common])
    return {"repository": str(repository.path), "git": text_of(git), "common": str(repository.common)}


def _read_note(path: Path) -> dict[str, str]:
    """That, {} where there is none."""
    try:
        note = json.loads((side_folder(path) / _READY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _add_worktree(repository: _Repository, path: Path, revision: str) -> None:
    branch = f"sessions/{path.name}"
    # Twice: also where one of that place was locked and is gone.
    add = ("worktree", "add", "--force", "--force")
    if repository.run("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}").returncode == 0:
        done = repository.run(*add, str(path), branch, beside=path)
    else:
        wanted = f"{revision or 'HEAD'}^{{commit}}"
        commit = repository.run("rev-parse", "--verify", "--quiet", "--end-of-options", wanted)
        if commit.returncode != 0:
            where = f"no revision {revision}" if revision else "no commit yet"
            raise RepositoryRefused(f"The repository {repository.path} has {where}.")
        done = repository.run(*add, "-b", branch, str(path), text_of(commit), beside=path)
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise RepositoryRefused(f"git made no worktree of {repository.path}: {said}")
    path.chmod(0o700)


def _facts(path: Path, repository: _Repository | None) -> RunFacts:
    if repository is None:
        return RunFacts(cwd=str(path))
    commit = run_worktree_git(path, "rev-parse", "HEAD")
    branch = run_worktree_git(path, "rev-parse", "--abbrev-ref", "HEAD")
    return RunFacts(cwd=str(path), repo=repository.path.name, branch=text_of(branch), commit=text_of(commit))


def _clear(path: Path) -> None:
    """Remove what is there of a folder, and what its repository knows of it.

    Never by `git worktree prune`: what it cannot see it takes for gone, in the sandbox that is all others.
    """
    note = _read_note(path)
    places = [path, side_folder(path)]
    if note.get("git") and Path(note["git"]).parent == Path(note["common"]) / "worktrees":
        places.append(Path(note["git"]))
    for one in places:
        if one.is_symlink() or one.is_file():
            one.unlink()
        elif one.exists():
            _remove_tree(one)


def _remove_tree(folder: Path) -> None:
    """Remove a tree, folders that were made unwritable included; links are removed, never followed.

    By programs that walk down one folder after the other: a command can make a tree that is deeper than a
    path may be long. Raises OSError.
    """
    subprocess.run(["chmod", "-R", "u+rwX", "--", folder], capture_output=True, check=False)
    done = subprocess.run(["rm", "-rf", "--", folder], capture_output=True, check=False)
    if folder.exists():
        raise OSError(f"{folder} cannot be removed: {done.stderr.decode('utf-8', 'replace').strip()[-300:]}")


def _all_folders() -> Iterator[Path]:
    for tenant in _folders_in(Path(settings.WORK_DIR)):
        yield from _folders_in(tenant)


def _folders_in(folder: Path) -> Iterator[Path]:
    """The folders in it that are named like rows of ours."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in {name.removesuffix(".side") for name in names}:
        try:
            uuid.UUID(name)
        except ValueError:
            continue
        yield folder / name
