"""The list as a union of small ordered reads: one branch for each kind, half and fold, all on real columns.

`docs/list.md` says why each branch looks as it does; `docs/adr/0010-two-bands.md` has the numbers.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from sessions_app.bands import Band, Half, halves_of
from sessions_app.cursors import Direction
from sessions_app.filters import HAS, IDS, MULTIPLE, Filters
from sessions_app.kinds import Moment, SessionKind
from sessions_app.registry import all_kinds
from sessions_app.sql import Sql, all_of, any_of, is_not, join, order_by, render

__all__ = ["BANDS", "Branch", "branches_of", "is_in_indexes", "whole_of"]

BANDS = (Band.LIVE, Band.REST)

#: The filters with an index of their own that keeps the order, the most selective first.
NARROWING = ("plan", "initiative", "repo", "owner", "origin", "has")

#: Above this many values of such a filter, one branch with all of them reads less than one for each.
MOST_BRANCHES_FOR_VALUES = 10

#: The filters that are conditions on columns of their own; kind, tone and status choose branches instead.
COLUMN_FILTERS = tuple(name for name in MULTIPLE if name not in {"kind", "tone", "status"})


@dataclass(frozen=True, slots=True)
class Branch:
    """Rows of one kind; those of a list are disjoint, and one index can read each in its order.

    `band` is None where no order is asked for: rows of both.
    """

    kind: SessionKind
    band: Band | None
    where: tuple[Sql, ...]

    def select(
        self,
        columns: Sequence[str] | Sql,
        *,
        direction: Direction | None = Direction.NEXT,
        limit: int | None = None,
        offset: int = 0,
        also: Sequence[Sql] = (),
    ) -> Sql:
        """These columns of the rows; "kind" and "is_live" are among those that can be named."""
        wanted = columns if isinstance(columns, Sql) else join(", ", map(self._column, columns))
        where = all_of([*self.where, *also])
        text = f"SELECT {wanted.text} FROM {self.kind.model._meta.db_table} WHERE {where.text}"  # noqa: S608
        if direction:
            text += f" {order_by(direction)}"
        if limit is not None:
            text += f" LIMIT {limit}"
        if offset:
            text += f" OFFSET {offset}"
        return Sql(text, wanted.params + where.params)

    def _column(self, name: str) -> Sql:
        if name == "kind":
            return Sql(f"'{self.kind.key}'::text AS kind")
        if name == "is_live":
            return Sql(f"{self.band is Band.LIVE} AS is_live")
        return Sql(name)


def branches_of(
    tenant_id: uuid.UUID, filters: Filters, moment: Moment, bands: Sequence[Band] = BANDS
) -> Iterator[Branch]:
    """Every branch that can hold a row of the list, filtered but not yet ordered.

    Children of a fan-out are left out unless their kind is asked for.
    """
    narrowing = _narrowing(filters)
    common = _common(tenant_id, filters, moment, but=narrowing)
    common += [_is_in_text(word) for word in filters.words]
    values = _values(filters, narrowing)
    folds = (False, True) if filters.kind.wanted else (False,)
    for kind in filters.kinds_of(all_kinds()):
        for band in bands:
            if filters.tab == "active" and band is Band.REST:
                continue
            for condition in _conditions(kind, band, filters, moment, is_narrow=bool(narrowing)):
                for fold in folds:
                    for value in values:
                        yield Branch(kind, band, (*common, *value, *condition, _fold(fold)))


def whole_of(tenant_id: uuid.UUID, filters: Filters, moment: Moment) -> Iterator[Branch]:
    """Every row of the list, kind by kind, where no order is asked for: one read of an index for each."""
    common = _common(tenant_id, filters, moment, but="")
    common += [_is_found_in_text(word) for word in filters.words]
    for kind in filters.kinds_of(all_kinds()):
        where = [*common]
        statuses = filters.statuses_of(kind)
        if statuses is not None:
            where.append(any_of("status", statuses))
        if filters.tab == "active":
            where.append(render(kind.live_q(moment)))
        if not filters.kind.wanted:
            where.append(_fold(False))
        yield Branch(kind, None, tuple(where))


def is_in_indexes(filters: Filters) -> bool:
    """Whether one index holds all that each branch is filtered by, so that it reads no row in vain.

    Then whole rows can be read in the order of the list; else their keys are found in indexes alone, and the
    rows that are shown fetched afterwards.
    """
    narrowing = _narrowing(filters)
    loose = any(filters.picks(name) for name in COLUMN_FILTERS if name != narrowing)
    return not (loose or filters.words or filters.status or (narrowing and filters.picks(narrowing).unwanted))


def _fold(is_folded: bool) -> Sql:
    return Sql("is_folded" if is_folded else "NOT is_folded")


def _common(tenant_id: uuid.UUID, filters: Filters, moment: Moment, *, but: str) -> list[Sql]:
    """The filters that are the same in every branch, all but the one that makes branches of its own."""
    where = [Sql("tenant_id = %s", (tenant_id,))]
    for name in COLUMN_FILTERS:
        picks = filters.picks(name)
        if picks.wanted and name != but:
            where.append(_one_of(name, picks.wanted))
        if picks.unwanted:
            where.append(is_not(_one_of(name, picks.unwanted)))
    if since := filters.since(moment.as_of):
        where.append(Sql("changed_at >= %s", (since,)))
    if filters.updated_before:
        where.append(Sql("changed_at < %s", (filters.updated_before,)))
    return where


def _is_in_text(word: str) -> Sql:
    """Said so that no index of words can answer it: rows are met in the order of the list, and looked at."""
    return Sql("strpos(search_text, lower(%s)) > 0", (word,))


def _is_found_in_text(word: str) -> Sql:
    """The same through the index of words: each character of the word means itself."""
    plain = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return Sql("search_text LIKE '%%' || lower(%s) || '%%'", (plain,))


def _conditions(
    kind: SessionKind, band: Band, filters: Filters, moment: Moment, *, is_narrow: bool
) -> Iterator[tuple[Sql, ...]]:
    """The halves of the band that can hold a row, each cut to its statuses.

    The index of a filter knows open from closed, so that each half is a range of it; elsewhere statuses are
    named, and parted by tone, as the partial indexes are.
    """
    wanted = filters.statuses_of(kind)
    for half in halves_of(kind, band, moment):
        left = half.statuses if wanted is None else wanted & half.statuses
        if is_narrow and left:
            named = [any_of("status", left)] if wanted is not None else []
            yield *_narrow_half(half), *named
        elif wanted is None:
            yield (render(half.condition),)
        else:
            for group in _by_tone(kind, left):
                yield *_named_half(half), any_of("status", group)


def _narrow_half(half: Half) -> tuple[Sql, ...]:
    """Said by `is_open` alone where that is enough: a status would lead to an index of all that is open."""
    if half.is_open is None:
        return (render(half.condition),)
    return Sql("is_open" if half.is_open else "NOT is_open"), *_beside_status(half)


def _named_half(half: Half) -> tuple[Sql, ...]:
    """What is left to say where statuses of it are named: said twice, they seem to leave nothing."""
    return (render(half.condition),) if half.is_open is None else _beside_status(half)


def _beside_status(half: Half) -> tuple[Sql, ...]:
    rest = half.beside_open
    return (render(rest),) if isinstance(rest, Q) else ()


def _by_tone(kind: SessionKind, statuses: frozenset[str]) -> list[frozenset[str]]:
    tones = sorted({kind.statuses[status].tone for status in statuses})
    return [frozenset(s for s in statuses if kind.statuses[s].tone == tone) for tone in tones]


def _narrowing(filters: Filters) -> str:
    """The filter with the fewest values, few enough for branches of their own; "" if there is none."""
    sizes = {name: len(filters.picks(name).wanted) for name in NARROWING}
    fitting = [name for name in NARROWING if 1 <= sizes[name] <= MOST_BRANCHES_FOR_VALUES]
    return min(fitting, key=sizes.__getitem__, default="")


def _values(filters: Filters, narrowing: str) -> list[tuple[Sql, ...]]:
    if not narrowing:
        return [()]
    return [(_one_of(narrowing, {value}),) for value in sorted(filters.picks(narrowing).wanted)]


def _one_of(name: str, values: Collection[Any]) -> Sql:
    """That a row has one of these values of a filter, as its index says it."""
    if name == "has":
        return Sql(f"({' OR '.join(HAS[value] for value in sorted(values))})")
    return any_of(f"{name}_id" if name in IDS else name, values)
