"""The small repository that the demo's runs work on, bundled with the product."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from django.conf import settings

from agents.git import run_git
from config.demo.stage import SLUG

__all__ = ["BUNDLED", "NAME", "repository_path", "unpack_repository"]

BUNDLED = Path(__file__).parent / "bundled" / "shop"
NAME = "demo-shop"


def repository_path() -> Path:
    """Where the repository is, or will be: among the workspace's, under the first of REPO_ROOTS."""
    return Path(settings.REPO_ROOTS[0]) / SLUG / NAME


def unpack_repository() -> None:
    """Make the repository, with one commit, unless it is there.

    Raises OSError if it cannot be made, for one because git is missing: runs then wait and say so.
    """
    path = repository_path()
    if path.is_dir():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{NAME}-", dir=path.parent))
    try:
        shutil.copytree(BUNDLED, made, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        _commit(made)
        os.rename(made, path)
    except OSError:
        shutil.rmtree(made, ignore_errors=True)
        if not path.is_dir():  # else another load was faster
            raise


def _commit(path: Path) -> None:
    author = ("-c", "user.name=Sessions demo", "-c", "user.email=demo@example.com")
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "--all"),
        (*author, "commit", "--quiet", "-m", "The shop as it is"),
    ):
        done = run_git(path, *arguments)
        if done.returncode != 0:
            raise OSError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
