"""Where a session does its work: a folder of its own, a worktree of a repository where one is wanted.

    WORK_DIR/<workspace>/<session>        the working folder
    WORK_DIR/<workspace>/<session>.side   what belongs to it and is no work of its own

Everything is private to its user.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from audit.entries import RunFacts

__all__ = [
    "Prepared",
    "RepositoryRefused",
    "forget_folder",
    "forget_folders",
    "git_folder_of",
    "prepare_folder",
    "run_git",
    "run_worktree_git",
    "session_folder",
    "side_folder",
]

_READY = "ready.json"
_GIT_SECONDS = 300
#: No hook, helper or setting of anybody but the repository's owner takes part, and nothing is fetched.
_GIT_OPTIONS = tuple(
    part
    for option in (
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "protocol.allow=never",
        "gc.auto=0",
        "branch.autoSetupMerge=false",
        "safe.directory=*",
        "submodule.recurse=false",
        "advice.detachedHead=false",
    )
    for part in ("-c", option)
)
_GIT_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    # Stronger than the option: a repository's own settings can allow one protocol by its name.
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "HOME": os.devnull,
    "LANG": "C.UTF-8",
}


class RepositoryRefused(Exception):
    """A run gets no worktree of that repository; says what to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A folder to work in. `is_fresh`: nothing of earlier steps is in it."""

    path: Path
    is_fresh: bool
    facts: RunFacts


def session_folder(tenant_id: uuid.UUID, session_id: uuid.UUID) -> Path:
    """Where the session's working folder is, or will be."""
    return Path(settings.WORK_DIR) / str(tenant_id) / str(session_id)


def side_folder(folder: Path) -> Path:
    """The folder beside a working folder."""
    return folder.with_name(f"{folder.name}.side")


def prepare_folder(path: Path, repo_path: str = "", revision: str = "") -> Prepared:
    """The folder as it is, or made where it is not, or not whole.

    With `repo_path` it is a worktree of that repository at `revision` (its current commit if empty), on the
    branch `sessions/<name of the folder>`, which is gone on with if it is there. Raises RepositoryRefused.
    """
    repository = _find_repository(repo_path) if repo_path else None
    is_fresh = not _is_ready(path, repository)
    if is_fresh:
        _clear(path)
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        side = side_folder(path)
        side.mkdir(mode=0o700)
        if repository is None:
            path.mkdir(mode=0o700)
        else:
            _add_worktree(repository, path, revision)
        (side / _READY).write_text(json.dumps(_note_of(path, repository)), encoding="utf-8")
    os.utime(side_folder(path) / _READY)
    return Prepared(path=path, is_fresh=is_fresh, facts=_facts(path, repository))


def forget_folder(path: Path) -> None:
    """Remove a session's folder with all that belongs to it; a branch with commits of its own stays."""
    repository = _repository_of(path)
    _clear(path)
    if repository is not None and repository.is_dir():
        branch = f"sessions/{path.name}"
        others = run_git(
            repository,
            "rev-list",
            "--max-count=1",
            branch,
            "--not",
            f"--exclude=refs/heads/{branch}",
            "--all",
        )
        if others.returncode == 0 and not others.stdout.strip():
            run_git(repository, "branch", "--delete", "--force", "--", branch)


def forget_folders(before: datetime, has_ended: Callable[[uuid.UUID, uuid.UUID], bool]) -> int:
    """Remove the folders that nobody has worked in since `before`, of sessions that have ended; how many.

    `has_ended` is asked with workspace and session.
    """
    removed = 0
    for path in list(_all_folders()):
        used = side_folder(path) / _READY
        used_at = (used if used.exists() else path).stat().st_mtime
        if used_at < before.timestamp() and has_ended(uuid.UUID(path.parent.name), uuid.UUID(path.name)):
            forget_folder(path)
            removed += 1
    return removed


def run_git(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run git there without hooks, helpers, users' settings and questions; look at how it ended.

    Only where no session's work can have written what git goes by: settings name programs that it starts.
    That git is not there, or takes too long, is an end like others.
    """
    argv = ["git", *_GIT_OPTIONS, "-C", str(folder), *arguments]
    try:
        return subprocess.run(
            argv,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env={**_GIT_ENVIRONMENT, **(environment or {}), "PATH": os.environ.get("PATH", os.defpath)},
            timeout=_GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(argv, 127, b"", b"there is no git on this machine")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 124, b"", f"it took over {_GIT_SECONDS} seconds".encode())


def run_worktree_git(path: Path, *arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    """The same in a session's worktree, None where the folder is none.

    It goes by what was noted when the worktree was made. What a command has put there as `.git` since, with
    settings of its own or as a way to another repository, is not looked at.
    """
    note = _read_note(path)
    if not note.get("git") or not (path / ".git").exists():
        return None
    places = {"GIT_DIR": note["git"], "GIT_COMMON_DIR": note["common"], "GIT_WORK_TREE": str(path)}
    return run_git(path, *arguments, environment=places)


def git_folder_of(path: Path) -> Path | None:
    """The folder in which a worktree's repository keeps itself; None if the folder is no worktree."""
    done = run_worktree_git(path, "rev-parse", "--verify", "--quiet", "HEAD")
    return Path(_read_note(path)["common"]) if done is not None and done.returncode == 0 else None


def _find_repository(repo_path: str) -> Path:
    """The repository, inside of one of the folders for them whatever links say. Raises RepositoryRefused."""
    roots = [Path(root).resolve() for root in settings.REPO_ROOTS]
    named = [root / repo_path for root in roots]  # an absolute path stays itself
    found = next((path.resolve() for path in named if path.is_dir()), None)
    allowed = ", ".join(map(str, roots))
    if found is None:
        raise RepositoryRefused(f"There is no repository {repo_path}: put one into {allowed} (REPO_ROOTS).")
    if not any(found.is_relative_to(root) for root in roots):
        raise RepositoryRefused(
            f"The repository {repo_path} lies outside of {allowed}: add its folder to REPO_ROOTS."
        )
    if shutil.which("git") is None:
        raise RepositoryRefused("There is no git on the worker's machine: install it.")
    done = run_git(found, "rev-parse", "--path-format=absolute", "--git-common-dir")
    if done.returncode != 0 or not any(Path(_said(done)).resolve().is_relative_to(root) for root in roots):
        raise RepositoryRefused(f"{repo_path} is no git repository of its own: make one there (git init).")
    return found


def _is_ready(path: Path, repository: Path | None) -> bool:
    """Whether the folder was made to its end, of what is wanted, and is still there."""
    if path.is_symlink() or not path.is_dir() or not (side_folder(path) / _READY).is_file():
        return False
    return repository is None or (_repository_of(path) == repository and git_folder_of(path) is not None)


def _repository_of(path: Path) -> Path | None:
    said = _read_note(path).get("repository")
    return Path(said) if said else None


def _note_of(path: Path, repository: Path | None) -> dict[str, str]:
    """What is kept of a folder that was made just now, and in which nobody has worked yet."""
    if repository is None:
        return {"repository": ""}
    wanted = ("--path-format=absolute", "--git-dir", "--git-common-dir")
    git, common = _said(run_git(path, "rev-parse", *wanted)).splitlines()
    return {"repository": str(repository), "git": git, "common": str(Path(common).resolve())}


def _read_note(path: Path) -> dict[str, str]:
    """That, {} where there is none."""
    try:
        note = json.loads((side_folder(path) / _READY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _add_worktree(repository: Path, path: Path, revision: str) -> None:
    branch = f"sessions/{path.name}"
    run_git(repository, "worktree", "prune")
    if run_git(repository, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}").returncode == 0:
        done = run_git(repository, "worktree", "add", "--force", str(path), branch)
    else:
        wanted = f"{revision or 'HEAD'}^{{commit}}"
        commit = run_git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", wanted)
        if commit.returncode != 0:
            where = f"no revision {revision}" if revision else "no commit yet"
            raise RepositoryRefused(f"The repository {repository} has {where}.")
        done = run_git(repository, "worktree", "add", "-b", branch, str(path), _said(commit))
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise RepositoryRefused(f"git made no worktree of {repository}: {said}")
    path.chmod(0o700)


def _facts(path: Path, repository: Path | None) -> RunFacts:
    if repository is None:
        return RunFacts(cwd=str(path))
    commit = run_worktree_git(path, "rev-parse", "HEAD")
    branch = run_worktree_git(path, "rev-parse", "--abbrev-ref", "HEAD")
    return RunFacts(cwd=str(path), repo=repository.name, branch=_said(branch), commit=_said(commit))


def _said(done: subprocess.CompletedProcess[bytes] | None) -> str:
    return "" if done is None else done.stdout.decode("utf-8", "replace").strip()


def _clear(path: Path) -> None:
    """Remove what is there of a folder, and what its repository knows of it."""
    repository = _repository_of(path)
    for one in (path, side_folder(path)):
        if one.is_symlink() or one.is_file():
            one.unlink()
        elif one.exists():
            _remove_tree(one)
    if repository is not None and repository.is_dir():
        run_git(repository, "worktree", "prune")


def _remove_tree(folder: Path) -> None:
    """Remove a tree, folders that were made unwritable included; links are removed, never followed."""
    for inner, names, _ in os.walk(folder):
        for path in (os.path.join(inner, name) for name in names):
            if not os.path.islink(path):
                os.chmod(path, 0o700)
    shutil.rmtree(folder)


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
