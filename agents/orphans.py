"""What commands leave behind without a parent, however it hides, comes to this process and ends with them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Collection, Iterator

__all__ = ["Orphanage", "orphanage"]

_PR_SET_CHILD_SUBREAPER = 36
#: Something that begins itself anew is ended this often before it is given up.
_ROUNDS = 1_000
_THREADS = "/proc/self/task"


class Orphanage:
    """Takes orphans in while a command of this process is open; ends them all with the last one.

    They are told from this process's own children by their session: a command has one of its own, and what it
    starts never comes into ours. Children that were there before the first command stay in any case. Only on
    Linux; elsewhere nothing is taken in.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leaders: set[int] = set()
        self._before: frozenset[int] = frozenset()
        self._is_open = False

    def start(self, command: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        """Start a command, which has to begin a session."""
        with self._lock:
            is_first = not self._leaders
            if is_first:
                self._before = frozenset(_children())
                self._is_open = _take_in(is_on=True)
            try:
                process = command()
            except BaseException:
                if is_first:
                    _take_in(is_on=False)
                raise
            self._leaders.add(process.pid)
        return process

    def is_alone(self, leader: int, own: Collection[int] = ()) -> bool:
        """Whether a command that is over has left nothing behind. Nobody has waited for it; `own`: see `end`.

        Whatever it left is our child by now or comes from one that is. False where that cannot be seen.
        """
        with self._lock:
            found = frozenset(_children())
            known = self._before | self._leaders | {*own}
        return self._is_open and leader in found and found <= known

    def end(self, leader: int, own: Collection[int] = ()) -> None:
        """A command is over and nobody has waited for it; `own` are our children in sessions of their own."""
        with self._lock:
            self._leaders.discard(leader)
            if not self._leaders:
                self._end_orphans({leader, *own})
                _take_in(is_on=False)

    def _end_orphans(self, own: Collection[int]) -> None:
        for _ in range(_ROUNDS):
            found = [child for child in _children() if child not in own and self._is_orphan(child)]
            for child in found:
                with contextlib.suppress(ProcessLookupError, PermissionError, ChildProcessError):
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
            if not found:
                return

    def _is_orphan(self, child: int) -> bool:
        try:
            return child not in self._before and os.getsid(child) != os.getsid(0)
        except ProcessLookupError:
            return False


def _take_in(*, is_on: bool) -> bool:
    """Have orphans among the descendants of this process become its children, or not; whether it was done."""
    with contextlib.suppress(AttributeError, OSError):
        return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(is_on), 0, 0, 0) == 0)
    return False


def _children() -> Iterator[int]:
    """The children of all threads of this process, those that nobody has waited for included."""
    for thread in os.listdir(_THREADS) if os.path.isdir(_THREADS) else ():
        with contextlib.suppress(OSError), open(f"{_THREADS}/{thread}/children", "rb", buffering=0) as file:
            yield from map(int, file.readall().split())


orphanage = Orphanage()
os.register_at_fork(after_in_child=orphanage.__init__)  # type: ignore[misc]
