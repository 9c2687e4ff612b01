"""Starting real processes of the product in a folder of their own, and seeing what became of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from config.environment import BASE_DIR


def bare_environment(data_dir: Path, **extra: str) -> dict[str, str]:
    """As on a machine where nothing is set up but the data folder is chosen."""
    given = {"DATABASE_URL", "REDIS_URL", "DATA_DIR", "PORT", "PUBLIC_URL", "DJANGO_SETTINGS_MODULE"}
    plain = {name: value for name, value in os.environ.items() if name not in given}
    return plain | {"DATA_DIR": str(data_dir)} | extra


def run_python(data_dir: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=BASE_DIR,
        env=bare_environment(data_dir, **extra),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def eventually[T](look: Callable[[], T], *, seconds: float = 20) -> T:
    """What ``look`` returns as soon as it is true; fails with its last answer when it never is."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r} after {seconds} s"
        time.sleep(0.05)
    return seen


def processes_of(data_dir: Path) -> dict[int, str]:
    """The command lines of live processes that were started for the data folder, by number."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command_line = (folder / "cmdline").read_bytes()
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        names_it = (
            os.fsencode(data_dir) in command_line or b"DATA_DIR=%b\0" % os.fsencode(data_dir) in environment
        )
        if names_it and command_line:
            found[int(folder.name)] = command_line.replace(b"\0", b" ").decode()
    return found


def is_alive(pid: int) -> bool:
    """False for a dead one that nobody has collected, too."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


def kill_everything(data_dir: Path) -> None:
    """Kill -9, all at once, until nothing is left."""

    def none_left() -> bool:
        found = processes_of(data_dir)
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not found

    eventually(none_left)


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
