"""Using the embedded services: hold them up for as long as the process, or a block of it, needs them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from config import locks
from config.embedded.layout import PART_NAMES, EmbeddedError, Layout, PartName
from config.embedded.postgres import accepts
from config.embedded.process import read_tail
from config.embedded.state import PartState, State, read_state

PROJECT_DIR = Path(__file__).resolve().parents[2]
# Recovery after a crash may read a lot of log.
PATIENCE_SECONDS = 180.0
SILENT_SECONDS = 1.0
HOPELESS_FAILURES = 3


class Services:
    """A use of some parts, from ``open`` to ``close`` or for a with block.

    It also ends with the process, even one that is killed; the last use that ends stops the part.
    ``keep_up`` brings a lost supervisor back and is cheap enough to be called every second.
    """

    def __init__(
        self,
        data_dir: Path,
        parts: Collection[PartName],
        *,
        durable: bool = True,
        notify: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.layout = Layout(data_dir)
        self.parts = parts
        self._durable = durable
        self._notify = notify
        self._locks: list[int] = []

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Returns once the parts answer. Raises EmbeddedError."""
        try:
            self.layout.make_folders()
        except OSError as error:
            raise EmbeddedError(f"the data folder {self.layout.data_dir} cannot be used: {error}") from error
        try:
            for part in self.parts:
                self._locks.append(locks.open_lock(self.layout.users_lock(part)))
                locks.take_shared(self._locks[-1])
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        while self._locks:
            os.close(self._locks.pop())

    def keep_up(self) -> State:
        """The state of all parts, after starting a supervisor if there is none."""
        if not locks.is_held_exclusively(self.layout.owner_lock):
            self._start_supervisor()
        return read_state(self.layout.state_file)

    def wait_until_stopped(self, patience_seconds: float) -> None:
        """After ``close``: returns when the supervisor is gone, is needed by others, or took too long."""
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline and locks.is_held_exclusively(self.layout.owner_lock):
            if any(self._is_used(part) for part in PART_NAMES):
                return
            time.sleep(0.05)

    def _is_used(self, part: PartName) -> bool:
        """Whether another process uses the part; the supervisor itself holds the lock while it stops."""
        descriptor = locks.open_lock(self.layout.users_lock(part))
        try:
            return not locks.try_exclusive(descriptor) and locks.try_shared(descriptor)
        finally:
            os.close(descriptor)

    def _wait_until_ready(self) -> None:
        began = time.monotonic()
        told = False
        while not self._all_ready(self.keep_up()):
            waited = time.monotonic() - began
            if waited > PATIENCE_SECONDS:
                raise EmbeddedError(
                    f"the services are not up after {waited:.0f} s: see {self.layout.logs_dir}"
                )
            if waited > SILENT_SECONDS and not told:
                told = True
                self._notify(f"Starting {' and '.join(self.parts)} in {self.layout.data_dir}")
            time.sleep(0.03)

    def _all_ready(self, state: State) -> bool:
        found = {part: state.parts.get(part, PartState()) for part in self.parts}
        for part, seen in found.items():
            if seen.status == "refused":
                raise EmbeddedError(seen.last_error)
            if seen.status == "backoff" and seen.failures >= HOPELESS_FAILURES:
                raise EmbeddedError(f"{part} does not start: {seen.last_error} (see {self.layout.logs_dir})")
        sockets = {"postgres": self.layout.postgres_socket, "valkey": self.layout.valkey_socket}
        # The word of a supervisor that was just killed may still stand: what counts is an answer.
        return all(seen.status == "ready" and accepts(sockets[part]) for part, seen in found.items())

    def _start_supervisor(self) -> None:
        log = self.layout.logs_dir / "supervisor.log"
        command = [sys.executable, "-m", "config.embedded.supervisor", str(self.layout.data_dir)]
        with log.open("ab") as output:
            done = subprocess.run(
                command if self._durable else [*command, "--throwaway"],
                cwd=PROJECT_DIR,
                env={name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
        if done.returncode != 0:
            raise EmbeddedError(f"the supervisor did not start: {read_tail(log)}")
