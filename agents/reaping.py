"""Commands that end when the process that runs them does, even when it is killed and says nothing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading

__all__ = ["Reaper", "reaper"]

#: Reads of groups of processes that began (+) and ended (-); kills the rest when nobody can write any more.
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
for group in $groups; do kill -s KILL -- "-$group"; done 2>/dev/null
"""


class Reaper:
    """A small process beside this one, in a session of its own, that outlives it just long enough.

    It is started with the first command, and anew when it was killed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1

    def open_pipe(self) -> int:
        """The end of a pipe on which a command says "+ GROUP" itself, before it does anything."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            return self._pipe

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
                ["/bin/sh", "-c", _SCRIPT],
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                start_new_session=True,
            )


reaper = Reaper()
os.register_at_fork(after_in_child=reaper.drop)
