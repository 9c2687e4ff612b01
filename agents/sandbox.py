"""What a command is run inside of: bubblewrap where it is there, else nothing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

__all__ = [
    "BUBBLEWRAP",
    "NONE",
    "NO_NETWORK",
    "SANDBOXES",
    "Sandbox",
    "choose_sandbox",
    "find_missing_sandbox",
    "probe",
]

NONE = "none"
BUBBLEWRAP = "bubblewrap"
NO_NETWORK = "bubblewrap-no-network"
SANDBOXES = (NONE, BUBBLEWRAP, NO_NETWORK)
_PROBE_SECONDS = 10

_NAMESPACES = ("--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts")
_SYSTEM = ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp")  # noqa: S108 - its own


@dataclass(frozen=True, slots=True)
class Sandbox:
    """`name` is the word for it in the record."""

    name: str

    def wrap(
        self,
        argv: Sequence[str],
        *,
        folder: Path,
        writable: Sequence[Path] = (),
        readable: Sequence[Path] = (),
    ) -> list[str]:
        """The command as it is started: the system read-only, of what is hidden only what is named.

        Of a folder and one inside of it, both named, the inner one keeps what it is named as.
        """
        if self.name == NONE:
            return list(argv)
        network = ["--unshare-net"] if self.name == NO_NETWORK else []
        ways = [("--bind", path) for path in (folder, *writable)] + [("--ro-bind", path) for path in readable]
        ways.sort(key=lambda way: len(way[1].parts))
        places = [part for way, path in ways for part in (way, str(path), str(path))]
        hidden = [part for path in _hidden() for part in ("--tmpfs", str(path))]
        wrapped = [_program(), *_NAMESPACES, *network, *_SYSTEM, *hidden, *places]
        return [*wrapped, "--chdir", str(folder), "--", *argv]


def choose_sandbox(wish: str) -> Sandbox:
    """The sandbox that a profile wishes for; "" is the best that is there."""
    return Sandbox(wish or (BUBBLEWRAP if not probe() else NONE))


def find_missing_sandbox(wish: str) -> str:
    """What has to be done before there is such a sandbox, as a sentence; "" if nothing."""
    if wish and wish not in SANDBOXES:
        return f"The profile's sandbox is “{wish}”: set it to {', '.join(SANDBOXES)}, or leave it empty."
    if wish in (BUBBLEWRAP, NO_NETWORK) and (problem := probe()):
        return (
            f"The profile wants the sandbox {wish}: {problem}. Install bubblewrap on the worker's machine "
            "(the command is bwrap) and allow user namespaces, or give the profile another sandbox."
        )
    return ""


@cache
def probe() -> str:
    """Why bubblewrap cannot be used, "" if it can. Tried once in a process."""
    program = _program()
    if not program:
        return "bwrap is not on the PATH"
    argv = [program, *_NAMESPACES, "--unshare-net", *_SYSTEM, "--", "/bin/sh", "-c", "exit 0"]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bwrap does not run: {error}"
    said = done.stderr.decode("utf-8", "replace").strip()
    return (
        "" if done.returncode == 0 else f"bwrap does not work here: {said or f'exit code {done.returncode}'}"
    )


def _program() -> str:
    return shutil.which("bwrap") or ""


def _hidden() -> list[Path]:
    """What a command has no business in, where it is there: other sessions, and repositories of others."""
    roots = {root.resolve() for root in settings.REPO_ROOTS} - {Path("/")}
    return sorted(path for path in {settings.DATA_DIR, settings.WORK_DIR, *roots} if path.is_dir())
