"""What readers gather while they read one record, whatever its format."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from audit.entries import JSON, EntryKind, NewEntry, Usage
from intake.readers.base import ChildHint, Problem, Severity, TitleHint, TurnHint
from intake.readers.fields import Object, time_of


@dataclass(slots=True)
class Meaning:
    """What one record means, gathered while it is read. `source` holds what its entries share."""

    key: str
    ordinal: int
    line: int
    at: datetime | None
    model: str = ""
    message_id: str = ""
    entries: list[NewEntry] = field(default_factory=list)
    usage: Usage | None = None
    turn: TurnHint | None = None
    titles: list[TitleHint] = field(default_factory=list)
    children: list[ChildHint] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    repo: str = ""

    def add(self, kind: EntryKind, part: str | int, **values: Any) -> None:
        """Add an entry. `part` tells it from the record's other entries and never changes."""
        entry = NewEntry(
            kind=kind,
            native_id=f"{self.key}:{part}",
            occurred_at=self.at,
            ordinal=self.ordinal,
            model=self.model,
            message_id=self.message_id,
            **values,
        )
        self.entries.append(entry)

    def tell_fork(self, session_id: str) -> None:
        """Say, before all that the record says, which session its own one was forked from."""
        data: dict[str, JSON] = {"forked_from": session_id}
        self.add(EntryKind.SYSTEM, "fork", role="system", text=f"Forked from session {session_id}", data=data)
        self.entries.insert(0, self.entries.pop())


#: Clocks of two machines agree no better than that.
CLOCKS_DIFFER = timedelta(minutes=5)


class CallNames:
    """The tool of each call, for the results that name only the call. The oldest are forgotten."""

    def __init__(self, limit: int = 5_000) -> None:
        self._names: OrderedDict[str, str] = OrderedDict()
        self._limit = limit

    def remember(self, call_id: str, name: str) -> None:
        self._names[call_id] = name
        if len(self._names) > self._limit:
            self._names.popitem(last=False)

    def __getitem__(self, call_id: str) -> str:
        return self._names.get(call_id, "")


def believed_time(source: Object, now: datetime, line: int) -> tuple[datetime | None, list[Problem]]:
    """When a record was written, and what was wrong with that; None where it does not say, or cannot know.

    A time that has not come yet is none, and not `now`, which would be another one each time it is read.
    """
    at = time_of(source, "timestamp")
    if at is not None and at > now + CLOCKS_DIFFER:
        return None, [Problem(Severity.REPAIRED, line, "a time in the future")]
    if at is None and source.get("timestamp") is not None:
        return None, [Problem(Severity.REPAIRED, line, "a time that is none or lies before 1970")]
    return at, []
