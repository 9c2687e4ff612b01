"""One command as a group of processes: what it prints as it comes, and an end that nothing of it outlives."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from agents.orphans import orphanage
from agents.reaping import MARK, kill_marked, reaper

__all__ = ["GRACE_SECONDS", "Command"]

#: What a command may take to end by itself once it was asked to.
GRACE_SECONDS = 1.5
_READ = 32 << 10
_TICK = 0.05
#: What a command's group printed and nobody has read yet is taken for this long after its end.
_DRAIN_SECONDS = 0.2

#: Names its group to the reaper, whose pipe is its standard input, before it becomes the command.
_BEGIN = """
echo "+ $$" >&0 || exit 125
exec </dev/null
ulimit -c 0
[ -z "$1" ] || ulimit -v "$1" || exit 125
shift
exec "$@"
"""


class Command:
    """A command that runs. Leaving the block kills all that is left of it, in its group of processes or out.

    Raises OSError if it cannot be started, ValueError if an argument has a NUL in it. The memory limit is on
    the address space of each of its processes. Standard output and error are one stream, in order.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        memory_bytes: int | None = None,
    ) -> None:
        limit = "" if memory_bytes is None else str(max(memory_bytes >> 10, 1))
        self._mark = reaper.make_mark()
        stdin = reaper.open_pipe()
        self._process = orphanage.start(
            lambda: subprocess.Popen(
                ["/bin/sh", "-c", _BEGIN, "sh", limit, *argv],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**environment, MARK: self._mark},
                start_new_session=True,
            )
        )
        self.group = self._process.pid
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        self._poll = select.poll()
        self._poll.register(self._output, select.POLLIN)
        self._handle = os.pidfd_open(self.group) if hasattr(os, "pidfd_open") else -1
        if self._handle >= 0:
            self._poll.register(self._handle, select.POLLIN)
        self._has_output = True
        self._asked_at: float | None = None
        self._is_closed = False
        self.exit_code = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, seconds: float) -> bytes:
        """What it has printed, waiting so long for something; b"" if that is nothing."""
        until = time.monotonic() + seconds
        while True:
            self._insist()
            if (data := self._wait()) or self.has_ended() or time.monotonic() >= until:
                return data

    def has_ended(self) -> bool:
        """Whether the command itself is over, whatever it left behind."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self._is_closed or os.waitid(os.P_PID, self.group, flags) is not None

    def stop(self) -> None:
        """Ask it to end; what has not ended after `GRACE_SECONDS` is killed by the next `read`."""
        if self._asked_at is None and not self._is_closed:
            self._asked_at = time.monotonic()
            self._signal(signal.SIGTERM)

    def drain(self) -> bytes:
        """What is left of what it printed, once it has ended. Kills what it left behind."""
        self._signal(signal.SIGKILL)
        parts: list[bytes] = []
        until = time.monotonic() + _DRAIN_SECONDS
        while self._has_output and time.monotonic() < until:
            data = self._read()
            parts.append(data)
            if not data and self._has_output and not self._poll.poll(_TICK * 1000):
                break
        return b"".join(parts)

    def close(self) -> int:
        """Kill what is left and wait for it; the exit code, negative for a signal."""
        if not self._is_closed:
            self._signal(signal.SIGKILL)
            # While nobody has waited for it, no other group can have its number.
            os.waitid(os.P_PID, self.group, os.WEXITED | os.WNOWAIT)
            own = reaper.processes()
            # A look at every process of the machine is worth it only where there is something to find.
            if not orphanage.is_alone(self.group, own):
                kill_marked(self._mark)
            orphanage.end(self.group, own)
            reaper.forget(self.group)
            self._is_closed = True
            self._output.close()
            if self._handle >= 0:
                os.close(self._handle)
            self.exit_code = self._process.wait()
        return self.exit_code

    def _insist(self) -> None:
        if self._asked_at is not None and time.monotonic() - self._asked_at >= GRACE_SECONDS:
            self._signal(signal.SIGKILL)

    def _wait(self) -> bytes:
        """One look at what there is to read, or a moment of waiting for it or for the command's end."""
        if not self._has_output and self._handle < 0:
            time.sleep(_TICK / 10)
            return b""
        self._poll.poll(_TICK * 1000)
        return self._read() if self._has_output else b""

    def _read(self) -> bytes:
        try:
            data = os.read(self._output.fileno(), _READ)
        except BlockingIOError:
            return b""
        if not data:
            self._has_output = False
            self._poll.unregister(self._output)
        return data

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, number)
