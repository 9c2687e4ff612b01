"""Pages of the list, single rows and counts. The only module of the lens that views read sessions through."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sessions_app.bands import Band
from sessions_app.branches import BANDS, branches_of, whole_of
from sessions_app.counting import CAP, Count, count_capped
from sessions_app.cursors import Cursor, Direction
from sessions_app.filters import TABS, Filters
from sessions_app.hydration import SessionKey, present_rows
from sessions_app.kinds import Moment, SessionRow
from sessions_app.registry import get_kind
from sessions_app.sampling import sample
from sessions_app.search import find_keys
from sessions_app.sql import Sql, any_of, fetch, union
from sessions_app.walking import Key, Walk, walk
from workspace.models import Initiative, Plan, Tenant

__all__ = [
    "PAGE_SIZE",
    "ListCounts",
    "Page",
    "belonging",
    "count_bands",
    "count_list",
    "page",
    "row",
    "rows_of",
    "within",
]

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in the order of the list and where to go on from them.

    `is_partial`: too many sessions hold the searched words to look through all of them, and the newest that
    were looked through gave less than a page.
    """

    rows: tuple[SessionRow, ...]
    next_cursor: str
    previous_cursor: str
    as_of: datetime
    is_partial: bool = False

    @property
    def live(self) -> tuple[SessionRow, ...]:
        return tuple(row for row in self.rows if row.is_live)

    @property
    def rest(self) -> tuple[SessionRow, ...]:
        return tuple(row for row in self.rows if not row.is_live)


@dataclass(frozen=True, slots=True)
class ListCounts:
    """How many sessions the list holds: by band, and under each tab with the other filters kept."""

    live: Count
    rest: Count
    tabs: Mapping[str, Count]


def within(place: Initiative | Plan, filters: Filters | None = None) -> Filters:
    """These filters for the sessions of one initiative or plan alone."""
    name = "initiative" if isinstance(place, Initiative) else "plan"
    return (filters or Filters()).only(name, place.pk)


def page(
    *,
    tenant: Tenant,
    filters: Filters,
    moment: Moment,
    cursor: Cursor | None = None,
    size: int = PAGE_SIZE,
    but: Collection[SessionKey] = (),
) -> Page:
    """The page that begins at the top, or the one beyond the cursor in its direction.

    Live sessions first, then the rest, each by last change. The list stands still as of the first page: the
    cursor carries the instant. `but` are left out of a list without words. Costs at most two queries for the
    order (a search at most ten), one for each kind on the page where whole rows cannot come along, and one
    for names, whatever the number of sessions.
    """
    read_at = replace(moment, as_of=cursor.as_of) if cursor else moment
    way = Walk(tenant.pk, filters, read_at, cursor, limit=size + 1, but=frozenset(but))
    keys, is_partial = find_keys(way) if filters.words else walk(way)
    has_more, keys = len(keys) > size, keys[:size]
    is_back = cursor is not None and cursor.direction is Direction.PREVIOUS
    if is_back:
        keys.reverse()
    at_hand = {(key.kind, key.id): key.obj for key in keys if key.obj is not None}
    found = present_rows(tenant, [(key.kind, key.id) for key in keys], moment, at_hand)
    rows = [_in_band(found[key.kind, key.id], key.band) for key in keys if (key.kind, key.id) in found]
    next_cursor = _edge(keys, -1, cursor, read_at.as_of, Direction.NEXT) if has_more or is_back else ""
    has_previous = has_more if is_back else cursor is not None
    previous_cursor = _edge(keys, 0, cursor, read_at.as_of, Direction.PREVIOUS) if has_previous else ""
    return Page(tuple(rows), next_cursor, previous_cursor, read_at.as_of, is_partial)


def row(*, tenant: Tenant, kind: str, session_id: uuid.UUID, moment: Moment) -> SessionRow | None:
    """One row of the list, folded or not; None if the tenant has no such session.

    Raises KeyError for a kind that is not registered.
    """
    return present_rows(tenant, [(kind, session_id)], moment).get((kind, session_id))


def rows_of(
    *, tenant: Tenant, keys: Iterable[tuple[str, uuid.UUID]], moment: Moment
) -> dict[tuple[str, uuid.UUID], SessionRow]:
    """The rows of these (kind, id) that the tenant has; the number of queries does not grow with them."""
    return present_rows(tenant, keys, moment)


def belonging(
    *, tenant: Tenant, filters: Filters, moment: Moment, keys: Iterable[SessionKey]
) -> set[SessionKey]:
    """Those of the keys that the whole list holds, on whichever page: one query."""
    asked: dict[str, list[uuid.UUID]] = defaultdict(list)
    for kind, session_id in keys:
        asked[kind].append(session_id)
    parts = [
        branch.select(("kind", "id"), direction=None, also=[any_of("id", asked[branch.kind.key])])
        for branch in whole_of(tenant.pk, filters, moment)
        if branch.kind.key in asked
    ]
    return {(kind, session_id) for kind, session_id in fetch(union(parts))}


def count_list(*, tenant: Tenant, filters: Filters, moment: Moment) -> ListCounts:
    """Both groups of the list and every tab, in one statement, each band counted up to 10,000."""
    if filters.words:
        return _count_found(tenant, filters, moment)
    names = ("", *(tab for tab in TABS if tab != "active"))
    lists = {(replace(filters, tab=tab), band) for tab in (*names, filters.tab) for band in BANDS}
    counts = count_capped(
        {(asked, band): [*branches_of(tenant.pk, asked, moment, (band,))] for asked, band in lists}
    )
    halves = {tab: [counts[replace(filters, tab=tab), band] for band in BANDS] for tab in names}
    tabs = {tab or "all": live + rest for tab, (live, rest) in halves.items()}
    tabs["active"] = halves[""][0]
    return ListCounts(counts[filters, Band.LIVE], counts[filters, Band.REST], tabs)


def count_bands(*, tenant: Tenant, filters: Filters, moment: Moment) -> dict[Band, Count]:
    """The groups of the list alone, counted as `count_list` does."""
    if filters.words:
        counts = _count_found(tenant, filters, moment)
        return {Band.LIVE: counts.live, Band.REST: counts.rest}
    return count_capped({band: [*branches_of(tenant.pk, filters, moment, (band,))] for band in BANDS})


def _count_found(tenant: Tenant, filters: Filters, moment: Moment) -> ListCounts:
    """The same for a search, whose words are looked up once: every count is made from one sample."""
    found = sample(tenant.pk, replace(filters, tab=""), moment, ("kind", "status", "is_live"))
    lines: list[Any] = []
    if found is not None:
        sql = f"SELECT kind, status, is_live, count(*) FROM ({found.sql.text}) AS found GROUP BY 1, 2, 3"  # noqa: S608
        lines = fetch(Sql(sql, found.sql.params))
    is_capped = found is not None and (found.is_cut or sum(line[-1] for line in lines) > CAP)

    def count(tab: str, live: Collection[bool] = (True, False)) -> Count:
        asked = replace(filters, tab=tab)
        total = sum(
            number
            for key, status, is_live, number in lines
            if is_live in live and (is_live or tab != "active") and asked.lets_through(get_kind(key), status)
        )
        return Count(min(total, CAP), is_capped)

    tabs = {tab or "all": count(tab) for tab in ("", *TABS)}
    return ListCounts(count(filters.tab, (True,)), count(filters.tab, (False,)), tabs)


def _in_band(row: SessionRow, band: Band) -> SessionRow:
    """The row as the page has placed it, should it have moved since."""
    is_live = band is Band.LIVE
    return row if row.is_live is is_live else replace(row, is_live=is_live)


def _edge(
    keys: Sequence[Key], index: int, cursor: Cursor | None, as_of: datetime, direction: Direction
) -> str:
    """The cursor at the first or last key; on an empty page, the one that led here turned around."""
    if keys:
        key = keys[index]
        return Cursor(as_of, key.band, key.changed_at, key.id, direction).encode()
    return cursor.turned(direction).encode() if cursor else ""
