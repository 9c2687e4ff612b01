"""The Command Center: what needs this member, what is active, what changed of late; each session once."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django.db import connection, transaction
from django.db.models import TextField, Value
from django.urls import reverse

from sessions_app import queries
from sessions_app.bands import Band
from sessions_app.cursors import Cursor, Direction
from sessions_app.filters import Filters, Picks
from sessions_app.hydration import SessionKey
from sessions_app.kinds import Moment, SessionKind, SessionRow
from sessions_app.prepared import MEMBER, TENANT, Prepared, prepare
from sessions_app.registry import all_kinds
from workspace.access import Seat

__all__ = [
    "MOST_NEEDS",
    "SECTION_SIZE",
    "Center",
    "Scope",
    "Section",
    "needs_of",
    "read_active",
    "read_center",
    "read_recent",
    "read_waiting",
]

#: How many sessions a section shows; the list has the others.
SECTION_SIZE = 20
#: Nobody counts further what waits on them.
MOST_NEEDS = 100
#: Where the walk through the rest begins: a cursor stands strictly before what it gives.
LAST_ID = uuid.UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Scope:
    """What the panel is narrowed to: my sessions or everybody's, without the kinds that are switched off."""

    is_everyone: bool = False
    without: frozenset[str] = frozenset()

    def query(self) -> str:
        pairs = [("scope", "everyone")] if self.is_everyone else []
        return urlencode(pairs + [("not_kind", key) for key in sorted(self.without)])

    def toggled(self, kind: str) -> Scope:
        return replace(self, without=self.without ^ {kind})


@dataclass(frozen=True, slots=True)
class Section:
    """One of the three; `all_url` is the list with the same filters, `has_more`: it has others."""

    key: str
    label: str
    rows: Sequence[SessionRow]
    count_label: str
    has_more: bool
    all_url: str
    empty_text: str


@dataclass(frozen=True, slots=True)
class Center:
    """What the panel shows, and all that needs the member, shown or not."""

    sections: Sequence[Section]
    needs: Sequence[SessionKey]


def needs_of(seat: Seat, without: Collection[str] = ()) -> list[SessionKey]:
    """What waits on this member, the newest first, `MOST_NEEDS` at most: one query, none for a viewer.

    Their own sessions, and decisions that their role allows. What is folded is asked for by what shows it.
    """
    if not seat.can_run:
        return []
    query = _needs_query(frozenset(without))
    found = query.ask({TENANT: seat.tenant.pk, MEMBER: seat.user.pk}) if query else []
    return [(kind, session_id) for kind, session_id, _ in found]


@lru_cache(maxsize=64)
def _needs_query(without: frozenset[str]) -> Prepared | None:
    kinds = (kind for kind in all_kinds() if kind.key not in without)
    return prepare((part for kind in kinds for part in _needs(kind)), limit=MOST_NEEDS)


def _needs(kind: SessionKind) -> Iterator[Any]:
    key = Value(kind.key, output_field=TextField())
    for condition in kind.awaits_qs(MEMBER):
        rows = kind.model._default_manager.filter(condition, tenant_id=TENANT, is_folded=False)
        yield rows.order_by("-changed_at", "-id").values_list(key, "id", "changed_at")[:MOST_NEEDS]


def read_center(seat: Seat, scope: Scope, moment: Moment) -> Center:
    """The three sections as of one instant. The number of queries does not grow with what there is."""
    with _one_instant():
        all_needs = needs_of(seat)
        needs = needs_of(seat, scope.without) if scope.without else all_needs
        return Center(
            (
                read_waiting(seat, scope, moment, needs),
                read_active(seat, scope, moment, needs),
                read_recent(seat, scope, moment, needs),
            ),
            all_needs,
        )


@contextmanager
def _one_instant() -> Iterator[None]:
    """All that is read inside sees the same commits.

    Each section is a query of its own: a session that moved on between two of them would stand in both, or
    in none. Inside a transaction this changes nothing: what it sees has been settled by its first query.
    """
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def read_waiting(seat: Seat, scope: Scope, moment: Moment, needs: Sequence[SessionKey]) -> Section:
    """What needs the member; `needs` as `needs_of` gives them."""
    keys = needs[:SECTION_SIZE]
    rows = queries.rows_of(tenant=seat.tenant, keys=keys, moment=moment)
    count = f"{len(needs)}+" if len(needs) == MOST_NEEDS else str(len(needs))
    everybodys = replace(_filters(seat, scope), owner=Picks(), tab="needs-you")
    waiting = [rows[key] for key in keys if key in rows]
    has_more = len(needs) > len(keys)
    all_url = _list_url(seat, everybodys)
    return Section("needs", "Needs you", waiting, count, has_more, all_url, "Nothing waits on you.")


def read_active(seat: Seat, scope: Scope, moment: Moment, taken: Collection[SessionKey]) -> Section:
    """The live sessions that are not `taken`."""
    filters = replace(_filters(seat, scope), tab="active")
    return _section("active", "Active now", "Nothing is running.", seat, filters, moment, taken, None)


def read_recent(seat: Seat, scope: Scope, moment: Moment, taken: Collection[SessionKey]) -> Section:
    """What changed of late, is not live and not `taken`."""
    filters = replace(_filters(seat, scope), updated="24h")
    start = Cursor(moment.as_of, Band.REST, moment.as_of + timedelta(days=1), LAST_ID, Direction.NEXT)
    empty = "Nothing in the last 24 hours."
    return _section("recent", "Recent", empty, seat, filters, moment, taken, start)


def _filters(seat: Seat, scope: Scope) -> Filters:
    owner = Picks() if scope.is_everyone else Picks(frozenset({seat.user.pk}))
    return Filters(owner=owner, kind=Picks(unwanted=scope.without))


def _section(
    key: str,
    label: str,
    empty_text: str,
    seat: Seat,
    filters: Filters,
    moment: Moment,
    taken: Collection[SessionKey],
    cursor: Cursor | None,
) -> Section:
    found = queries.page(
        tenant=seat.tenant, filters=filters, moment=moment, cursor=cursor, size=SECTION_SIZE, but=taken
    )
    has_more = bool(found.next_cursor)
    count = f"{SECTION_SIZE}+" if has_more else str(len(found.rows))
    return Section(key, label, found.rows, count, has_more, _list_url(seat, filters), empty_text)


def _list_url(seat: Seat, filters: Filters) -> str:
    return f"{reverse('sessions_app:session-list', args=[seat.tenant.slug])}?{filters.query()}"
