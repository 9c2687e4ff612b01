"""The list as a union of small ordered reads: one branch for each kind, half and fold, all on real columns.

`docs/list.md` says why each branch looks as it does; `docs/adr/0010-two-bands.md` has the numbers.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import F, Q, QuerySet, Value
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.db.models.functions import Lower

from sessions_app.bands import Band, band_conditions, possible_statuses
from sessions_app.cursors import Cursor, Direction
from sessions_app.filters import IDS, MULTIPLE, Filters
from sessions_app.kinds import Moment, SessionKind
from sessions_app.registry import all_kinds

__all__ = ["BANDS", "Branch", "Rows", "beyond", "branches_of", "combine", "ordered", "whole_of"]

#: Rows of one branch or of a union: tuples once the columns are chosen.
type Rows = QuerySet[Any, Any]

BANDS = (Band.LIVE, Band.REST)

#: The filters with an index of their own that keeps the order, the most selective first.
NARROWING = ("plan", "initiative", "repo", "owner", "origin")

#: Above this many values of such a filter, one branch with all of them reads less than one for each.
MOST_BRANCHES_FOR_VALUES = 10

#: The filters that are conditions on columns of their own; kind, tone and status choose branches instead.
COLUMN_FILTERS = tuple(name for name in MULTIPLE if name not in {"kind", "tone", "status"})


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of the list that one index can read in its order; the branches of a list are disjoint."""

    kind: SessionKind
    band: Band
    rows: Rows


def branches_of(
    tenant_id: uuid.UUID, filters: Filters, moment: Moment, bands: Sequence[Band] = BANDS
) -> Iterator[Branch]:
    """Every branch that can hold a row of the list, filtered but not yet ordered.

    Children of a fan-out are left out unless their kind is asked for.
    """
    narrowing = _narrowing(filters)
    for kind in filters.kinds_of(all_kinds()):
        rows = _common(kind.rows(tenant_id), filters, moment, but=narrowing)
        for band in bands:
            if filters.tab == "active" and band is Band.REST:
                continue
            for condition in _conditions(kind, band, filters, moment, is_narrow=bool(narrowing)):
                for fold in (False, True) if filters.kind.wanted else (False,):
                    for value in _values(filters, narrowing):
                        yield Branch(kind, band, rows.filter(condition, value, is_folded=fold))


def whole_of(tenant_id: uuid.UUID, filters: Filters, moment: Moment) -> Iterator[tuple[SessionKind, Rows]]:
    """Every row of the list, kind by kind, where no order is asked for: one read of an index for each."""
    for kind in filters.kinds_of(all_kinds()):
        rows = _common(kind.rows(tenant_id), filters, moment, but="")
        statuses = filters.statuses_of(kind)
        if statuses is not None:
            rows = rows.filter(status__in=sorted(statuses))
        if filters.tab == "active":
            rows = rows.filter(kind.live_q(moment))
        yield kind, rows if filters.kind.wanted else rows.filter(is_folded=False)


def ordered(rows: Rows, direction: Direction = Direction.NEXT) -> Rows:
    """In the order of the list, or from its end; ids break ties."""
    down = direction is Direction.NEXT
    return rows.order_by("-changed_at", "-id") if down else rows.order_by("changed_at", "id")


def beyond(cursor: Cursor) -> Any:
    """The rows strictly beyond the cursor, as one comparison of rows that an index can begin at."""
    comparison = TupleLessThan if cursor.direction is Direction.NEXT else TupleGreaterThan
    return comparison(Tuple(F("changed_at"), F("id")), (cursor.changed_at, cursor.id))


def combine(parts: Iterable[Rows]) -> Rows | None:
    """The branches as one query, each already limited to what the whole can need; None if there are none."""
    first, *others = [*parts] or (None,)
    return first.union(*others, all=True) if first is not None and others else first


def _common(rows: Rows, filters: Filters, moment: Moment, *, but: str) -> Rows:
    """The filters that are the same in every branch, all but the one that makes branches of its own."""
    for name in COLUMN_FILTERS:
        picks, column = filters.picks(name), _column(name)
        if picks.wanted and name != but:
            rows = rows.filter(**{f"{column}__in": sorted(picks.wanted)})
        if picks.unwanted:
            rows = rows.exclude(**{f"{column}__in": sorted(picks.unwanted)})
    if since := filters.since(moment.as_of):
        rows = rows.filter(changed_at__gte=since)
    if filters.updated_before:
        rows = rows.filter(changed_at__lt=filters.updated_before)
    for word in filters.words:
        rows = rows.filter(search_text__contains=Lower(Value(word)))
    return rows


def _conditions(
    kind: SessionKind, band: Band, filters: Filters, moment: Moment, *, is_narrow: bool
) -> Iterator[Q]:
    """The halves of the band that can hold a row, each cut to its statuses.

    Where a filter has an index of its own the halves are one: apart, a half without rows would be looked for
    through everything that the filter lets through. Else statuses are parted by tone, as the indexes are.
    """
    halves = band_conditions(kind, band, moment)
    wanted = filters.statuses_of(kind)
    for condition in (reduce(or_, halves),) if is_narrow else halves:
        possible = possible_statuses(kind, condition)
        if wanted is None:
            yield condition
            continue
        groups = [wanted & possible] if is_narrow else _by_tone(kind, wanted & possible)
        for group in groups:
            if group:
                yield condition & Q(status__in=sorted(group))


def _by_tone(kind: SessionKind, statuses: frozenset[str]) -> list[frozenset[str]]:
    tones = sorted({kind.statuses[status].tone for status in statuses})
    return [frozenset(s for s in statuses if kind.statuses[s].tone == tone) for tone in tones]


def _narrowing(filters: Filters) -> str:
    """The filter with the fewest values, few enough for branches of their own; "" if there is none."""
    sizes = {name: len(filters.picks(name).wanted) for name in NARROWING}
    fitting = [name for name in NARROWING if 1 <= sizes[name] <= MOST_BRANCHES_FOR_VALUES]
    return min(fitting, key=sizes.__getitem__, default="")


def _values(filters: Filters, narrowing: str) -> list[Q]:
    if not narrowing:
        return [Q()]
    return [Q((_column(narrowing), value)) for value in sorted(filters.picks(narrowing).wanted)]


def _column(name: str) -> str:
    return f"{name}_id" if name in IDS else name
