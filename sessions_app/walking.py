"""Reading the list in its order: band by band, each branch through its index, never further than it must."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sessions_app.bands import Band
from sessions_app.branches import BANDS, Rows, beyond, branches_of, combine, ordered
from sessions_app.cursors import Cursor, Direction
from sessions_app.filters import Filters
from sessions_app.kinds import Moment

__all__ = ["Key", "Walk", "walk", "window_edge"]


@dataclass(frozen=True, slots=True)
class Key:
    """Where a session stands in the list."""

    band: Band
    kind: str
    changed_at: datetime
    id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Walk:
    """A way through one list: whose, what is let through, as of when, from where, how many keys at most.

    `window`: give up a band after so many sessions of a branch; 0 for never.
    """

    tenant_id: uuid.UUID
    filters: Filters
    moment: Moment
    cursor: Cursor | None
    limit: int
    window: int = 0

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
    parts = _branches(way, bare, band)
    edges = combine(ordered(rows, way.direction).values_list("changed_at")[size : size + 1] for rows in parts)
    instants = [instant for (instant,) in edges] if edges is not None else []
    return (max if way.direction is Direction.NEXT else min)(instants, default=None)


def _band_keys(way: Walk, band: Band, limit: int, edge: datetime | None) -> list[Key]:
    """One query: each branch ordered and limited by itself, then their union once more."""
    parts = []
    for rows in _branches(way, way.filters, band):
        if edge:
            inside = "changed_at__gte" if way.direction is Direction.NEXT else "changed_at__lte"
            rows = rows.filter(**{inside: edge})
        parts.append(ordered(rows, way.direction).values_list("kind", "changed_at", "id")[:limit])
    found = combine(parts)
    if found is None:
        return []
    return [
        Key(band, *values) for values in (ordered(found, way.direction)[:limit] if len(parts) > 1 else found)
    ]


def _branches(way: Walk, filters: Filters, band: Band) -> list[Rows]:
    cursor = way.cursor_in(band)
    branches = branches_of(way.tenant_id, filters, way.moment, (band,))
    return [branch.rows.filter(beyond(cursor)) if cursor else branch.rows for branch in branches]
