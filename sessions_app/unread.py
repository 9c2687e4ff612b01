"""What came to a stop since a member last looked: their own sessions, and what waits on them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db.models import TextField, Value

from sessions_app.kinds import SessionKind, Tone
from sessions_app.prepared import MEMBER, SINCE, TENANT, Prepared, prepare
from sessions_app.registry import all_kinds, get_kind
from workspace.access import Seat
from workspace.seeing import seen_from, versions_seen

__all__ = ["MOST_UNREAD", "Unread", "summarise", "unread_of"]

#: Nobody is told of more.
MOST_UNREAD = 100
#: A session that goes on is nothing to catch up on: it is unread once it has stopped or waits.
STOPPED = [Tone.ATTENTION, Tone.PROBLEM, Tone.SUCCESS, Tone.NEUTRAL]


@dataclass(frozen=True, slots=True)
class Unread:
    """A session whose present version the member has not seen; `awaits_me`: it waits on them since then."""

    key: str
    tone: Tone
    changed_at: datetime
    awaits_me: bool


def unread_of(seat: Seat, now: datetime) -> list[Unread]:
    """The newest first, `MOST_UNREAD` at most: one query for what changed and one for what was seen."""
    since = seen_from(seat.membership, now)
    query = _query(seat.can_run)
    rows = query.ask({TENANT: seat.tenant.pk, MEMBER: seat.user.pk, SINCE: since}) if query else []
    found: dict[tuple[str, uuid.UUID], tuple[int, str, datetime, bool]] = {}
    for kind, session_id, version, status, changed_at, awaits_me in rows:
        known = found.get((kind, session_id))
        found[kind, session_id] = (version, status, changed_at, awaits_me or bool(known and known[3]))
    if not found:
        return []
    seen = versions_seen(seat.membership, [session_id for _, session_id in found])
    return [
        Unread(f"{kind}:{session_id}", get_kind(kind).statuses[status].tone, changed_at, awaits_me)
        for (kind, session_id), (version, status, changed_at, awaits_me) in found.items()
        if seen.get((kind, session_id), 0) < version
    ]


@lru_cache(maxsize=2)
def _query(can_run: bool) -> Prepared | None:
    return prepare(
        (part for kind in all_kinds() for part in _changed(kind, can_run=can_run)), limit=MOST_UNREAD
    )


def _changed(kind: SessionKind, *, can_run: bool) -> Iterator[Any]:
    """Each part is a range of an index: my sessions, open and closed, and what waits on me."""
    rows: Any = kind.model._default_manager.filter(tenant_id=TENANT, is_folded=False, changed_at__gt=SINCE)
    stopped = rows.filter(kind.status_q(STOPPED), owner_id=MEMBER)
    for is_open in (True, False):
        yield _columns(kind, stopped.filter(is_open=is_open), awaits_me=False)
    for condition in kind.awaits_qs(MEMBER) if can_run else ():
        yield _columns(kind, rows.filter(condition), awaits_me=True)


def _columns(kind: SessionKind, rows: Any, *, awaits_me: bool) -> Any:
    key = Value(kind.key, output_field=TextField())
    columns = (key, "id", "version", "status", "changed_at", Value(awaits_me))
    return rows.order_by("-changed_at", "-id").values_list(*columns)[:MOST_UNREAD]


def summarise(unread: Sequence[Unread], now: datetime) -> str:
    """One line: "4 finished, 2 failed, 1 waits on you for 2 h"; "" for nothing."""
    finished = sum(one.tone in {Tone.SUCCESS, Tone.NEUTRAL} for one in unread)
    failed = sum(one.tone is Tone.PROBLEM for one in unread)
    waiting = [one for one in unread if one.awaits_me]
    parts = [f"{count} {word}" for count, word in ((finished, "finished"), (failed, "failed")) if count]
    if waiting:
        longest = max(now - one.changed_at for one in waiting)
        verb = "waits" if len(waiting) == 1 else "wait"
        parts.append(f"{len(waiting)} {verb} on you for {_roughly(longest.total_seconds())}")
    return ", ".join(parts)


def _roughly(seconds: float) -> str:
    """The largest unit alone: "2 h"."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "a moment"
