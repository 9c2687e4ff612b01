"""Following one run from a terminal: what happens to it, as it happens, with hands of our own if need be."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import redis
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from agents.runtimes import Stop, StopReason
from audit.entries import EntryKind
from audit.models import TranscriptEntry
from flows.engine import take_up
from flows.leases import AT_WORK, KIND
from flows.models import FlowRun, RunStatus
from sessions_app.live import channel_name, valkey

__all__ = ["Following", "show_entry", "show_line"]

logger = logging.getLogger(__name__)

#: How long a worker has to take the run up before it is done in this process.
PATIENCE_SECONDS = 2.0
#: How often to look although nothing was announced.
LOOK_SECONDS = 1.0
AT_ONCE = 500
#: Sequences and characters by which a text could steer the terminal.
STEERING = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


class Following:
    """Yields the entries of a run's transcript as they come, until it rests; then `run` is how it stands.

    A run that no worker takes up is worked on here, under a claim like any worker's: so it is never done
    twice. With `waits` a checkpoint is no rest. Leaving the block hands back what is at work here.

    While the database is away it waits; `tell_away` is told why, once for each time.
    """

    def __init__(
        self, run: FlowRun, *, waits: bool = False, tell_away: Callable[[str], None] = logger.warning
    ) -> None:
        self.run = run
        self._waits = waits
        self._tell_away = tell_away
        self._is_away = False
        self._seq = 0
        self._stop = Stop()
        self._hands: threading.Thread | None = None
        self._free_since: float | None = None
        self.is_left = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hand_back()

    def leave(self) -> None:
        """End the following at its next look; the run goes on."""
        self.is_left = True

    def hand_back(self) -> bool:
        """Stop working on the run here; whether it was worked on here. Takes some seconds at most."""
        was_at_work = self.is_at_work_here
        self._stop.set(StopReason.SHUTDOWN)
        if self._hands is not None:
            self._hands.join()
        with self._through_outages():
            self.run.refresh_from_db()
        return was_at_work

    @property
    def is_at_work_here(self) -> bool:
        return self._hands is not None and self._hands.is_alive()

    def __iter__(self) -> Iterator[TranscriptEntry]:
        with _hear(self.run) as wait:
            while not self.is_left:
                with self._through_outages():
                    yield from self._read_entries()
                    self.run.refresh_from_db()
                    if self._is_at_rest():
                        # What was written between the two looks.
                        yield from self._read_entries()
                        return
                    self._lend_hands()
                wait(LOOK_SECONDS)

    @contextmanager
    def _through_outages(self) -> Iterator[None]:
        """Ends the block early where the database is away, with a fresh connection for the next one."""
        try:
            yield
            self._is_away = False
        except (OperationalError, InterfaceError) as error:
            connection.close()
            if not self._is_away:
                self._tell_away(" ".join(str(error).split()))
            self._is_away = True

    def _is_at_rest(self) -> bool:
        if self._waits and self.run.status == RunStatus.PAUSED:
            return False
        return self.run.status not in AT_WORK

    def _read_entries(self) -> Iterator[TranscriptEntry]:
        entries = TranscriptEntry.objects.for_tenant(self.run.tenant_id).filter(
            transcript__session_kind=KIND, transcript__session_id=self.run.pk
        )
        while found := list(entries.filter(seq__gt=self._seq).order_by("seq")[:AT_ONCE]):
            self._seq = found[-1].seq
            yield from found

    def _lend_hands(self) -> None:
        """Work on the run here once nobody has held it for some seconds; the claim decides who gets it."""
        until = self.run.lease_expires_at
        if self.run.status not in AT_WORK or (until is not None and until > timezone.now()):
            self._free_since = None
        elif self._free_since is None:
            self._free_since = time.monotonic()
        elif time.monotonic() - self._free_since >= PATIENCE_SECONDS and not self.is_at_work_here:
            self._hands = threading.Thread(target=self._work, name=f"run {self.run.pk}")
            self._hands.start()

    def _work(self) -> None:
        try:
            take_up(self.run.pk, self._stop)
        finally:
            connection.close()


@contextmanager
def _hear(run: FlowRun) -> Iterator[Callable[[float], None]]:
    """A wait that ends early when the workspace hears of a change; without the broker it just ends."""
    pubsub = valkey().pubsub(ignore_subscribe_messages=True)

    def wait(seconds: float) -> None:
        try:
            if not pubsub.subscribed:
                pubsub.subscribe(channel_name(run.tenant_id))
            pubsub.get_message(timeout=seconds)
        except redis.RedisError:
            time.sleep(seconds)

    try:
        wait(0)
        yield wait
    finally:
        pubsub.close()


def show_line(line: str, encoding: str | None) -> str:
    """A line as a terminal of this encoding can show it, without what would steer it."""
    known = encoding or "utf-8"
    return STEERING.sub("", line).encode(known, "replace").decode(known)


def show_entry(entry: TranscriptEntry) -> list[str]:
    """An entry as lines for a terminal, which none of them can steer."""
    text = entry.text
    if entry.data.get("event") == "command_ended":
        return []  # the step's own line says it
    if entry.kind == EntryKind.TOOL_CALL:
        arguments = entry.arguments if isinstance(entry.arguments, dict) else {}
        command = arguments.get("command") or f"{entry.tool_name} {json.dumps(arguments, ensure_ascii=False)}"
        text = f"$ {command}"
    elif entry.kind == EntryKind.FILE_EDIT:
        text = f"changed {entry.path}"
    lines = STEERING.sub("", text).splitlines()
    if entry.kind in {EntryKind.STATUS, EntryKind.ERROR, EntryKind.CHECKPOINT, EntryKind.APPROVAL} and lines:
        at = f"{entry.occurred_at:%H:%M:%S}" if entry.occurred_at else " " * 8
        return [f"{at}  {lines[0]}", *(f"          {line}" for line in lines[1:])]
    return [f"          {line}" for line in lines]
