"""Starting, watching and ending one foreground server."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from config.parent_death import die_with_parent

LARGEST_LOG_BYTES = 10_000_000

# A server inherits nothing from the shell that happened to start it: PGPORT, PGDATA or a foreign locale
# would change what it does.
PLAIN_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    folder: Path,
    enter: Callable[[], None] = lambda: None,
    death_signal: signal.Signals,
) -> subprocess.Popen[bytes]:
    """A child that receives ``death_signal`` when we die; ``enter`` runs in it before exec."""
    parent = os.getpid()

    def prepare() -> None:
        enter()
        die_with_parent(parent, death_signal)

    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=PLAIN_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=prepare,
            # A group of its own: a signal for the supervisor's group is not one for the servers.
            process_group=0,
        )


def stop(process: subprocess.Popen[bytes], steps: Iterable[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn and give the process that many seconds; returns once it is gone."""
    for number, patience_seconds in steps:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            process.wait(timeout=patience_seconds)
        except subprocess.TimeoutExpired:
            continue
        return


def describe_end(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def read_tail(log: Path, lines: int = 3) -> str:
    """The last lines of a log, for an error message; empty when there is none."""
    with contextlib.suppress(OSError), log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4000))
        return "\n".join(stream.read().decode(errors="replace").strip().splitlines()[-lines:])
    return ""


def roll_log(log: Path) -> None:
    """Keep one older log, so that a folder does not grow without end."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > LARGEST_LOG_BYTES:
            os.replace(log, log.with_suffix(".log.1"))


def read_command_line(pid: int) -> str | None:
    """The command line of a live process; empty where the system does not tell; None when it is gone.

    A dead one that nobody collects, as in a container whose first process does not care, is gone as well.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    if not Path("/proc/self/cmdline").exists():
        return ""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    return words.replace(b"\0", b" ").decode(errors="replace") or None


def wait_until_gone(pid: int, patience_seconds: float) -> None:
    deadline = time.monotonic() + patience_seconds
    while read_command_line(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
