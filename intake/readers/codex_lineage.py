"""Whose records a Codex rollout holds: its own, and copies of the thread that it was forked from.

A fork begins with its own `session_meta`, mostly followed by that of the thread that it copies and by copies
of its records. Versions write the copies with new times; nothing marks one. So a record is told by its turn:
the id of a turn says when it began, and one from before the fork is copied. Where no turn says it, copies are
what was written in one go with the copied `session_meta`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from intake.readers.fields import Object, number_of, object_of, text_of, time_of

_TIMED_ID = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
#: Copies are written without a pause; a person or a model takes longer to say something new.
_PAUSE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread as its `session_meta` tells of it. `root` and `parent` are of a sub-thread, else "".

    `is_paginated`: its records are numbered, and a fork refers to them instead of copying. `starts_at` is the
    number of a sub-thread's own first record, where it says so; those before are its parent's.
    """

    id: str
    begun_at: datetime | None = None
    parent: str = ""
    root: str = ""
    forked_from: str = ""
    role: str = ""
    is_paginated: bool = False
    starts_at: int | None = None

    @classmethod
    def of(cls, meta: Object, written_at: datetime | None) -> "Thread":
        own = text_of(meta, "id")[:200]
        source = object_of(object_of(meta, "source"), "subagent")
        spawn = object_of(source, "thread_spawn") or source
        is_agent = "subagent" in object_of(meta, "source") or text_of(meta, "thread_source") == "subagent"
        base = text_of(object_of(meta, "history_base"), "thread_id")
        forked_from = (text_of(meta, "forked_from_id") or base)[:200]
        parent = text_of(meta, "parent_thread_id") or text_of(spawn, "parent_thread_id")
        parent = (parent or (forked_from if is_agent else ""))[:200]
        root = text_of(meta, "session_id")[:200]
        return cls(
            id=own,
            begun_at=time_of(meta, "timestamp") or written_at,
            parent="" if parent == own else parent,
            root=root if parent and root not in ("", own) else parent,
            forked_from="" if forked_from == own else forked_from,
            role=(text_of(meta, "agent_role") or text_of(spawn, "agent_role"))[:200],
            is_paginated=text_of(meta, "history_mode") == "paginated",
            starts_at=number_of(meta, "subagent_history_start_ordinal"),
        )

    @property
    def key(self) -> tuple[str, str]:
        """The session and the sub-agent that the thread is."""
        return (self.root, self.id) if self.parent else (self.id, "")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose record it is. Of a copied one `at` is when it was first written, as far as the file tells."""

    thread: Thread
    is_copied: bool
    at: datetime | None


class Lineage:
    """Tells the owner of each record of one file, in their order."""

    def __init__(self) -> None:
        self.own: Thread | None = None
        self._copied: list[Thread] = []
        self._is_copying = False
        self._has_copies = False
        self._turn_at: datetime | None = None
        self._last_at: datetime | None = None

    @property
    def origin(self) -> str:
        """The thread that the file's own one was forked from, as far as is known; "" for one that was not."""
        copied = next((thread.id for thread in self._copied), "")
        return (self.own.forked_from if self.own else "") or copied

    def announce(self, payload: Object) -> None:
        """Say what the file's own thread is before its records are told of."""
        self.own = Thread.of(payload, None)

    def meta(self, own: Thread, payload: Object, at: datetime | None) -> Owner:
        """Whose a `session_meta` is; one without an id is taken for the file's own."""
        thread = Thread.of(payload, at)
        self._last_at = at
        if not thread.id:
            return Owner(own, is_copied=False, at=at)
        if self.own is None or thread.id == self.own.id:
            if self.own is None or self.own.begun_at is None:
                self.own = thread
            self._is_copying = bool(thread.forked_from) and not self._has_copies
            return Owner(self.own, is_copied=False, at=at)
        self._copied.append(thread)
        self._is_copying = self._has_copies = True
        self._turn_at = None
        return Owner(thread, is_copied=True, at=thread.begun_at)

    def owner(self, own: Thread, payload: Object, at: datetime | None, number: int | None) -> Owner:
        """Whose another record is; `number` is its own, where records have one."""
        if own.starts_at is not None and number is not None:
            return Owner(own, is_copied=number < own.starts_at, at=at)
        last, self._last_at = self._last_at, at or self._last_at
        if not self._is_copying:
            return Owner(own, is_copied=False, at=at)
        turn_at = _turn_time(payload)
        has_own_time = at is not None and own.begun_at is not None and at < own.begun_at
        self._is_copying = self._goes_on(own, payload, at, last, turn_at, has_own_time=has_own_time)
        if not self._is_copying:
            return Owner(own, is_copied=False, at=at)
        self._has_copies = True
        self._turn_at = turn_at or self._turn_at
        written_at = at if has_own_time else self._turn_at
        return Owner(self._copied_from(own, written_at), is_copied=True, at=written_at)

    def _goes_on(
        self,
        own: Thread,
        payload: Object,
        at: datetime | None,
        last: datetime | None,
        turn_at: datetime | None,
        *,
        has_own_time: bool,
    ) -> bool:
        """Whether the copies have not ended before this record."""
        if turn_at is not None and own.begun_at is not None:
            return turn_at < own.begun_at
        if has_own_time:
            return True
        if text_of(payload, "type") == "thread_settings_applied" or not self._has_copies:
            return False
        return at is None or last is None or at - last <= _PAUSE

    def _copied_from(self, own: Thread, written_at: datetime | None) -> Thread:
        """The youngest thread of the line that had begun by then; the oldest where that is not known."""
        for thread in self._copied:
            if written_at is not None and thread.begun_at is not None and thread.begun_at <= written_at:
                return thread
        return self._copied[-1] if self._copied else Thread(own.forked_from)


def _turn_time(payload: Object) -> datetime | None:
    """When the turn of a record began, by its id (a UUID of version 7) or by what the record says."""
    found = _TIMED_ID.fullmatch(text_of(payload, "turn_id"))
    if found:
        milliseconds = int(found[1] + found[2], 16)
        # Ids made for tests and by other programs may name any time.
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds < 4_102_444_800_000 else None
    seconds = number_of(payload, "started_at") if text_of(payload, "type") == "task_started" else None
    is_time = seconds is not None and 1_000_000_000 < seconds < 4_102_444_800
    return datetime.fromtimestamp(seconds, UTC) if is_time and seconds is not None else None
