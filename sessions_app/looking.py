"""Looking for changes in the database itself: what an announcement that was lost would have told of."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from sessions_app.bands import Band
from sessions_app.branches import BANDS, branches_of
from sessions_app.filters import Filters
from sessions_app.hydration import SessionKey
from sessions_app.kinds import Moment
from sessions_app.registry import all_kinds
from sessions_app.sql import Sql, fetch, union

__all__ = ["MOST_LIVE", "MOST_RECENT", "Seen", "changed_since", "look"]

#: What tells one state of a session from the next: when it changed, its version, whether it is live.
type Seen = tuple[datetime, int, bool]

#: How many live sessions of a kind are looked at, the newest first, and how many that changed of late.
MOST_LIVE = 2_000
MOST_RECENT = 500


def look(tenant_id: uuid.UUID, since: datetime, moment: Moment) -> dict[SessionKey, Seen]:
    """Every live session and all others that changed after `since`, as they stand: one query.

    Each branch is a range of an index. A write that moves neither time nor version of a session that is not
    live, such as a new title, is not seen here.
    """
    live = _states(tenant_id, moment, (Band.LIVE,), None, MOST_LIVE)
    recent = _states(tenant_id, moment, (Band.REST,), since, MOST_RECENT)
    return {
        (kind, session_id): (changed_at, version, is_live)
        for kind, session_id, changed_at, version, is_live in fetch(union(live + recent))
    }


def changed_since(tenant_id: uuid.UUID, since: datetime, moment: Moment, *, limit: int) -> list[SessionKey]:
    """The sessions that changed after `since`, live or not; `limit` of each branch at most: one query."""
    states = _states(tenant_id, moment, BANDS, since, limit)
    return [(kind, session_id) for kind, session_id, *_ in fetch(union(states))]


def _states(
    tenant_id: uuid.UUID, moment: Moment, bands: Sequence[Band], since: datetime | None, limit: int
) -> list[Sql]:
    # Kinds that are asked for by name are read with what is folded under others.
    everything = Filters().only("kind", *(kind.key for kind in all_kinds()))
    also = [Sql("changed_at > %s", (since,))] if since else []
    columns = ("kind", "id", "changed_at", "version", "is_live")
    return [
        branch.select(columns, limit=limit, also=also)
        for branch in branches_of(tenant_id, everything, moment, bands)
    ]
