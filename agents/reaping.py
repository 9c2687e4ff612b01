"""Commands that end when the process that runs them does, even when it is killed and says nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator

__all__ = ["MARK", "Reaper", "kill_marked", "reaper"]

#: Says in the environment of whatever a command starts which command that was.
MARK = "STARTED_BY_COMMAND"
#: What starts itself anew all the time is looked for so often.
_ROUNDS = 20

#: Reads of groups of processes that began (+) and ended (-); kills the rest when nobody can write any more,
#: and after them what has left its group and still has this reaper's mark ($1).
_SCRIPT = r"""
trap '' HUP INT TERM
groups=
while read -r sign group; do
  case $sign in
    +) groups="$groups $group" ;;
    -) rest=
       for one in $groups; do [ "$one" = "$group" ] || rest="$rest $one"; done
       groups=$rest ;;
  esac
done
[ -n "$groups" ] || exit 0
for group in $groups; do kill -s KILL -- "-$group"; done 2>/dev/null
for round in 1 2 3 4 5; do
  found=$(grep -lF "$1" /proc/[0-9]*/environ)
  for file in $found; do file=${file%/environ}; kill -s KILL "${file#/proc/}"; done
done 2>/dev/null
"""


def kill_marked(mark: str) -> None:
    """Kill what a command started and what has left its group since; one that hides its environment stays."""
    for _ in range(_ROUNDS):
        found = list(_find_marked(f"{MARK}={mark}".encode()))
        for process in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        if not found:
            return


def _find_marked(setting: bytes) -> Iterator[int]:
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            # It may be gone by now, or somebody else's.
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb", buffering=0) as file:
                if setting in file.readall().split(b"\0"):
                    yield int(name)


class Reaper:
    """A small process beside this one, in a session of its own, that outlives it just long enough.

    It is started with the first command, and anew when it was killed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._mark = uuid.uuid4().hex
        self._commands = 0

    def make_mark(self) -> str:
        """What tells the processes of a further command from all others."""
        with self._lock:
            self._commands += 1
            return f"{self._mark}.{self._commands}"

    def open_pipe(self) -> int:
        """The end of a pipe on which a command says "+ GROUP" itself, before it does anything."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            return self._pipe

    def processes(self) -> list[int]:
        """The process beside this one, if it is there."""
        process = self._process
        return [] if process is None else [process.pid]

    def forget(self, group: int) -> None:
        """The group has ended. Call it before anybody waits for its leader: no other has that number yet."""
        with self._lock, contextlib.suppress(OSError):
            os.write(self._pipe, f"- {group}\n".encode())

    def drop(self) -> None:
        """In a fork: this reaper watches over another process."""
        if self._pipe >= 0:
            os.close(self._pipe)
        self.__init__()  # type: ignore[misc]

    def _start(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
        end, self._pipe = os.pipe()
        with open(end, "rb") as stdin:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, "sh", f"{MARK}={self._mark}."],
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                start_new_session=True,
            )


reaper = Reaper()
os.register_at_fork(after_in_child=reaper.drop)
