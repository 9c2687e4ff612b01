"""The processes of the product as one group: started together, restarted one by one, stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from config.console import Console
from config.parent_death import die_with_parent

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
# Up for this long, a part has earned a fresh count of failures.
STEADY_SECONDS = 10.0
# A job has five seconds to end by itself (CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT).
PATIENCE_AT_STOP_SECONDS = 8.0
# One Ctrl-C may arrive twice: from the terminal, and passed on by make.
SAME_REQUEST_SECONDS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One process: ``stop_signal`` asks it to end soon, ``files`` are descriptors that it inherits."""

    name: str
    command: Sequence[str]
    stop_signal: signal.Signals = signal.SIGTERM
    files: tuple[int, ...] = ()


class ProcessGroup:
    """Keeps every member running until ``stop``; each dies with us, even when we are killed."""

    def __init__(self, members: Sequence[Member], console: Console) -> None:
        self._members = members
        self._console = console
        self._running: dict[Member, asyncio.subprocess.Process] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self._is_stopping = asyncio.Event()
        self._stop_asked_at = 0.0

    async def run(self) -> None:
        """Returns when ``stop`` was called and every member is gone."""
        keepers = {asyncio.create_task(self._keep(member)) for member in self._members}
        await self._is_stopping.wait()
        for member in list(self._running):
            self._signal(member, member.stop_signal)
        _, late = await asyncio.wait(keepers, timeout=PATIENCE_AT_STOP_SECONDS)
        if late:
            self._kill_all()
            await asyncio.wait(late)

    def stop(self) -> None:
        """Ask all members to end; asked again, end them."""
        now = time.monotonic()
        if not self._is_stopping.is_set():
            self._stop_asked_at = now
            self._is_stopping.set()
        elif now - self._stop_asked_at > SAME_REQUEST_SECONDS:
            self._kill_all()

    async def _keep(self, member: Member) -> None:
        failures = 0
        while not self._is_stopping.is_set():
            began = time.monotonic()
            end = await self._live_once(member)
            if self._is_stopping.is_set():
                return
            failures = 0 if time.monotonic() - began > STEADY_SECONDS else failures
            backoff_seconds = min(FIRST_BACKOFF_SECONDS * 2**failures, LONGEST_BACKOFF_SECONDS)
            failures += 1
            self._console.tell(member.name, f"{end}; starting again in {backoff_seconds:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_stopping.wait(), backoff_seconds)

    async def _live_once(self, member: Member) -> str:
        """One life of the member; returns how it ended."""
        try:
            process = await self._start(member)
        except OSError as error:
            return f"did not start ({error})"
        self._running[member] = process
        if self._is_stopping.is_set():
            # Asked to stop while it was being started: it has heard nothing of that.
            self._signal(member, signal.SIGKILL)
        reader = asyncio.create_task(self._read(member, process))
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)
        code = await process.wait()
        del self._running[member]
        # Its last words; a grandchild that outlives it may keep the pipe open.
        await asyncio.wait({reader}, timeout=1)
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    async def _start(self, member: Member) -> asyncio.subprocess.Process:
        parent = os.getpid()
        return await asyncio.create_subprocess_exec(
            *member.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=member.files,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "STARTED_BY_RUN": "1"},
            preexec_fn=lambda: die_with_parent(parent, signal.SIGKILL),
        )

    async def _read(self, member: Member, process: asyncio.subprocess.Process) -> None:
        if process.stdout is not None:
            await self._console.follow(member.name, process.stdout)

    def _signal(self, member: Member, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._running[member].send_signal(number)

    def _kill_all(self) -> None:
        for member in list(self._running):
            self._console.tell(member.name, "does not stop: killed")
            self._signal(member, signal.SIGKILL)
