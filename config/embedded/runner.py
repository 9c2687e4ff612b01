"""One part under supervision: off -> starting -> ready; an end leads to backoff and to starting again."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from config import locks
from config.embedded.layout import EmbeddedError
from config.embedded.postgres import Postgres
from config.embedded.process import describe_end, read_tail, roll_log, spawn, stop
from config.embedded.state import PartState, Status
from config.embedded.valkey import Valkey

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
# Ready for this long, a part has earned a fresh count of failures.
STEADY_SECONDS = 10.0


class Runner:
    def __init__(self, part: Postgres | Valkey, users_lock: Path) -> None:
        self.part = part
        self.state = PartState(since=time.time())
        self._users_lock = locks.open_lock(users_lock)
        self._process: subprocess.Popen[bytes] | None = None
        self._changed_at = time.monotonic()
        self._retry_at = 0.0

    def shut_out_users(self) -> bool:
        """True when nobody uses the part; then none can come before ``admit_users``."""
        return locks.try_exclusive(self._users_lock)

    def admit_users(self) -> None:
        locks.free(self._users_lock)

    def look(self) -> None:
        """One look at a part that is wanted: start it, note that it is ready, or note its end."""
        status = self.state.status
        if self._process is not None and self._process.poll() is not None:
            self._note_end(f"{describe_end(self._process)}\n{read_tail(self.part.log)}".strip())
        elif status == "starting" and self.part.is_ready():
            self._become("ready")
        elif status == "off" or (status == "backoff" and time.monotonic() >= self._retry_at):
            self._start()
        elif status == "ready" and time.monotonic() - self._changed_at > STEADY_SECONDS:
            self.state.failures = 0

    def stop(self) -> None:
        """Blocks until the part is gone."""
        if self._process is not None:
            stop(self._process, self.part.stop_steps)
            self._process = None
        self.state.pid = None
        self.state.failures = 0
        if self.state.status != "off":
            self._become("off")

    def _start(self) -> None:
        self._become("starting")
        try:
            roll_log(self.part.log)
            self.part.prepare()
            self._process = spawn(
                self.part.command(),
                log=self.part.log,
                folder=self.part.folder,
                enter=self.part.enter,
                death_signal=self.part.death_signal,
            )
        except EmbeddedError as error:
            self.state.last_error = str(error)
            self._become("refused")
        except (OSError, subprocess.SubprocessError) as error:
            self._note_end(f"did not start: {error}")
        else:
            self.state.pid = self._process.pid

    def _note_end(self, reason: str) -> None:
        self._process = None
        self.state.pid = None
        self.state.last_error = reason
        self.state.restarts += 1
        backoff_seconds = min(FIRST_BACKOFF_SECONDS * 2**self.state.failures, LONGEST_BACKOFF_SECONDS)
        self.state.failures += 1
        self._retry_at = time.monotonic() + backoff_seconds
        self._become("backoff")

    def _become(self, status: Status) -> None:
        self.state.status = status
        self.state.since = time.time()
        self._changed_at = time.monotonic()
