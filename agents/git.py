"""Git as our own code calls it: in the sandbox where there is one, without hooks and settings of users.

What commands of sessions have worked on names programs and files that git goes by. In the sandbox such a
program can do no more than the command that put it there, and a link leads no further.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from agents.sandbox import NO_NETWORK, Sandbox, probe

__all__ = ["run_git", "text_of"]

_SECONDS = 300
#: No hook, helper or setting of anybody but the repository's owner takes part, and nothing is fetched.
_OPTIONS = tuple(
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
_ENVIRONMENT = {
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


def run_git(
    folder: Path,
    *arguments: str,
    beside: Iterable[Path] = (),
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run git there without hooks, helpers, users' settings and questions; look at how it ended.

    It may write in the folder and in those beside it, and sees nothing of other sessions and repositories.
    That git is not there, or takes too long, is an end like others.
    """
    argv = ["git", *_OPTIONS, "-C", str(folder), *arguments]
    if not probe():
        argv = Sandbox(NO_NETWORK).wrap(argv, folder=folder, writable=[*beside])
    try:
        return subprocess.run(
            argv,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env={**_ENVIRONMENT, **(environment or {}), "PATH": os.environ.get("PATH", os.defpath)},
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(argv, 127, b"", b"there is no git on this machine")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 124, b"", f"it took over {_SECONDS} seconds".encode())


def text_of(done: subprocess.CompletedProcess[bytes] | None) -> str:
    """What it printed, without the space around it; "" of nothing."""
    return "" if done is None else done.stdout.decode("utf-8", "replace").strip()
