"""Looking for changes in the database itself: what nobody announced, and what only the clock has done."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sessions_app.bands import Band
from sessions_app.branches import Branch, branches_of
from sessions_app.filters import Filters
from sessions_app.hydration import SessionKey
from sessions_app.kinds import Moment, SessionKind, SessionRow
from sessions_app.registry import all_kinds, get_kind
from sessions_app.sql import Sql, fetch, is_not, render, union

__all__ = ["MOST_LIVE", "MOST_TOUCHED", "Look", "Seen", "changed_since", "look", "seen_of"]

#: What tells one state of a session from the next: when it was written, whether it is live, and whether a
#: worker holds it that is known to be alive.
type Seen = tuple[datetime, bool, bool]

#: How many live sessions of a kind are looked at, the newest first, and how many that were written of late.
MOST_LIVE = 2_000
MOST_TOUCHED = 2_000


@dataclass(frozen=True, slots=True)
class Look:
    """How sessions stand. Not `is_whole`: more were written of late than are looked at."""

    states: dict[SessionKey, Seen]
    is_whole: bool


def look(tenant_id: uuid.UUID, since: datetime, moment: Moment) -> Look:
    """Every live session, and all others that were written after `since`: two queries, of ranges of indexes.

    A write bears a time before its commit: look back beyond the beginning of the last look.
    """
    live, touched = [], []
    for kind in all_kinds():
        columns = _state(kind, moment)
        live += [branch.select(columns, limit=MOST_LIVE) for branch in _live(tenant_id, kind, moment)]
        touched.append(_touched(tenant_id, kind, since, columns, MOST_TOUCHED))
    found = fetch(union(touched))
    is_whole = all(count < MOST_TOUCHED for count in Counter(row[0] for row in found).values())
    return Look(dict(_read_state(row, moment) for row in [*fetch(union(live)), *found]), is_whole)


def seen_of(row: SessionRow) -> Seen:
    """What `look` says of the row as it stands."""
    return row.touched_at, row.is_live, row.liveness == "alive"


def changed_since(tenant_id: uuid.UUID, since: datetime, moment: Moment, *, limit: int) -> list[SessionKey]:
    """The sessions that were written after `since`, and those that the clock has changed: one query.

    `limit` at most of each kind for either reason. What a new time of quiet has changed is not among them.
    """
    then = replace(moment, as_of=since)
    parts = []
    for kind in all_kinds():
        key = Sql(f"'{kind.key}'::text, id")
        parts.append(_touched(tenant_id, kind, since, key, limit))
        also = [_has_lapsed(kind, then, moment)]
        parts += [branch.select(key, limit=limit, also=also) for branch in _live(tenant_id, kind, then)]
    return [(kind_key, session_id) for kind_key, session_id in fetch(union(parts))]


def _live(tenant_id: uuid.UUID, kind: SessionKind, moment: Moment) -> Iterator[Branch]:
    # A kind that is asked for by name is read with what is folded under others.
    return branches_of(tenant_id, Filters().only("kind", kind.key), moment, (Band.LIVE,))


def _touched(tenant_id: uuid.UUID, kind: SessionKind, since: datetime, columns: Sql, limit: int) -> Sql:
    where = (Sql("tenant_id = %s", (tenant_id,)), Sql("touched_at > %s", (since,)))
    return Branch(kind, None, where).select(columns, direction=None, limit=limit)


def _state(kind: SessionKind, moment: Moment) -> Sql:
    live = render(kind.live_q(moment))
    text = f"'{kind.key}'::text, id, touched_at, {live.text}, status, lease_expires_at"
    return Sql(text, live.params)


def _read_state(row: tuple[Any, ...], moment: Moment) -> tuple[SessionKey, Seen]:
    kind, session_id, touched_at, is_live, status, lease_expires_at = row
    is_held = lease_expires_at is not None and lease_expires_at > moment.as_of
    return (kind, session_id), (touched_at, is_live, is_held and get_kind(kind).statuses[status].is_working)


def _has_lapsed(kind: SessionKind, then: Moment, now: Moment) -> Sql:
    """Of a session that was live then: it is not any more, or its worker has not been heard of since."""
    is_quiet = is_not(render(kind.live_q(now)))
    lapsed = "lease_expires_at > %s AND lease_expires_at <= %s"
    return Sql(f"({is_quiet.text} OR {lapsed})", (*is_quiet.params, then.as_of, now.as_of))
