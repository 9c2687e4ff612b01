"""Reading the list in its order: band by band, each branch through its index, never further than it must."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sessions_app.bands import Band
from sessions_app.branches import BANDS, Branch, branches_of, is_in_indexes
from sessions_app.cursors import Cursor, Direction
from sessions_app.filters import Filters
from sessions_app.hydration import SessionKey
from sessions_app.kinds import Moment
from sessions_app.registry import get_kind
from sessions_app.sql import Sql, any_of, beyond, fetch, is_not, union
from sessions_app.wide_rows import wide_rows

__all__ = ["Key", "Walk", "walk", "window_edge"]


#: What a key is made of, in the order of `Key` after its band.
KEY = ("kind", "changed_at", "id")


@dataclass(frozen=True, slots=True)
class Key:
    """Where a session stands in the list; `obj` is its row, if that came along."""

    band: Band
    kind: str
    changed_at: datetime
    id: uuid.UUID
    obj: Any = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Walk:
    """A way through one list: whose, what is let through, as of when, from where, how many keys at most.

    `window`: give up a band after so many sessions of a branch; 0 for never. `but`: sessions to pass over.
    """

    tenant_id: uuid.UUID
    filters: Filters
    moment: Moment
    cursor: Cursor | None
    limit: int
    window: int = 0
    but: frozenset[SessionKey] = frozenset()

    @property
    def direction(self) -> Direction:
        return self.cursor.direction if self.cursor else Direction.NEXT

    @property
    def bands(self) -> list[Band]:
        """The bands that lie ahead, the nearest first."""
        bands = list(BANDS) if self.direction is Direction.NEXT else list(reversed(BANDS))
        return bands[bands.index(self.cursor.band) :] if self.cursor else bands

    def cursor_in(self, band: Band) -> Cursor | None:
        """The cursor, if it lies in this band; a band further on is read from its beginning."""
        return self.cursor if self.cursor and self.cursor.band is band else None


def walk(way: Walk) -> tuple[list[Key], bool]:
    """The next keys in the direction of the walk, and whether a window ended before there were enough.

    One query a band (two with a window); the second band is read only if the first gave too little.
    """
    found: list[Key] = []
    for band in way.bands:
        edge = window_edge(way, band, way.window) if way.window else None
        found += _band_keys(way, band, way.limit - len(found), edge)
        if len(found) >= way.limit:
            return found, False
        if edge:
            return found, True
    return found, False


def window_edge(way: Walk, band: Band, size: int) -> datetime | None:
    """The instant up to which every branch of the band has at most `size` sessions; None if all have fewer.

    Reads indexes alone, whatever the filters: only the kinds asked for and their folds play a part.
    """
    bare = Filters(kind=way.filters.kind)
    edges = fetch(
        union(
            [
                branch.select(
                    ("changed_at",), direction=way.direction, limit=1, offset=size, also=_beyond(way, band)
                )
                for branch in branches_of(way.tenant_id, bare, way.moment, (band,))
            ]
        )
    )
    return (max if way.direction is Direction.NEXT else min)((at for (at,) in edges), default=None)


def _band_keys(way: Walk, band: Band, limit: int, edge: datetime | None) -> list[Key]:
    """One query: each branch ordered and limited by itself, then their union once more.

    Where that reads no row in vain, whole rows come along: PostgreSQL merges the branches as it reads them.
    """
    also = _beyond(way, band)
    if edge:
        sign = ">=" if way.direction is Direction.NEXT else "<="
        also.append(Sql(f"changed_at {sign} %s", (edge,)))
    branches = list(branches_of(way.tenant_id, way.filters, way.moment, (band,)))
    if edge is None and is_in_indexes(way.filters):
        return _whole_rows(way, band, branches, limit, also)
    parts = [
        branch.select(KEY, direction=way.direction, limit=limit, also=[*also, *_passing_over(way, branch)])
        for branch in branches
    ]
    found = fetch(union(parts, direction=way.direction, limit=limit))
    return [Key(band, *values) for values in found]


def _whole_rows(way: Walk, band: Band, branches: list[Branch], limit: int, also: list[Sql]) -> list[Key]:
    wide = wide_rows()
    parts = [
        branch.select(
            (*KEY, wide.columns[branch.kind.key]),
            direction=way.direction,
            limit=limit,
            also=[*also, *_passing_over(way, branch)],
        )
        for branch in branches
    ]
    found = fetch(union(parts, direction=way.direction, limit=limit))
    return [Key(band, kind, at, key, wide.load(get_kind(kind), values)) for kind, at, key, *values in found]


def _passing_over(way: Walk, branch: Branch) -> list[Sql]:
    ids = [session_id for kind, session_id in way.but if kind == branch.kind.key]
    return [is_not(any_of("id", ids))] if ids else []


def _beyond(way: Walk, band: Band) -> list[Sql]:
    cursor = way.cursor_in(band)
    return [beyond(cursor)] if cursor else []
