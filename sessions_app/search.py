"""Words in title and error: rare ones are found through their index and ordered after, common ones on the
way down the list.

An index of three-letter pieces finds a rare word at once but knows no order; for a word that is everywhere
it would name half the table. So the planner is asked how many sessions the words leave, and the answer
chooses what is tried first; if it was wrong, the other way is tried, so that it decides speed alone.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sessions_app.bands import Band
from sessions_app.branches import Branch, whole_of
from sessions_app.counting import CAP
from sessions_app.cursors import Direction
from sessions_app.filters import Filters
from sessions_app.kinds import Moment
from sessions_app.sql import Sql, fetch, join, render, union
from sessions_app.walking import Key, Walk, walk

__all__ = ["FEW", "are_rare", "find_keys", "found_rows"]


#: How many sessions of a branch are looked through on the way for words that are not rare: few first.
WINDOWS = (2_000, 20_000)

#: Up to so many sessions, reading all that hold the words and ordering them costs less than a walk.
FEW = 1_000


def find_keys(way: Walk) -> tuple[list[Key], bool]:
    """The next keys that hold all words, and whether some may be missing.

    They may be if more than `CAP` sessions hold the words but less than a page of the newest does.
    """
    tried = are_rare(way.tenant_id, way.filters, way.moment, FEW)
    if tried and (keys := _candidates(way)) is not None:
        return keys, False
    keys, was_cut = [], True
    for window in WINDOWS:
        if was_cut:
            keys, was_cut = walk(replace(way, window=window))
    if was_cut and not tried and (complete := _candidates(way)) is not None:
        return complete, False
    return keys, was_cut


def are_rare(tenant_id: uuid.UUID, filters: Filters, moment: Moment, at_most: int) -> bool:
    """Whether the planner expects at most so many sessions to pass the filters, words included."""
    rows = union(found_rows(tenant_id, filters, moment, ("id",)))
    if rows is None:
        return True
    ((answer,),) = fetch(Sql(f"EXPLAIN (FORMAT JSON) {rows.text}", rows.params))
    plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    return int(plan["Plan Rows"]) <= at_most


def found_rows(
    tenant_id: uuid.UUID, filters: Filters, moment: Moment, columns: Sequence[str], limit: int | None = None
) -> list[Sql]:
    """All that passes the filters, kind by kind, in no order, for the word index to find."""
    return [
        branch.select(_with_band(branch, columns, moment), direction=None, limit=limit)
        for branch in whole_of(tenant_id, filters, moment)
    ]


def _with_band(branch: Branch, columns: Sequence[str], moment: Moment) -> Sql:
    is_live = render(branch.kind.live_q(moment))
    known = {
        "is_live": Sql(f"{is_live.text} AS is_live", is_live.params),
        "kind": Sql(f"'{branch.kind.key}'::text AS kind"),
    }
    return join(", ", [known.get(name, Sql(name)) for name in columns])


def _candidates(way: Walk) -> list[Key] | None:
    """The next keys out of everything that holds the words; None if that is more than `CAP`."""
    columns = ("is_live", "kind", "changed_at", "id")
    parts = found_rows(way.tenant_id, way.filters, way.moment, columns, limit=CAP + 1)
    found = fetch(union(parts, limit=CAP + 1))
    if len(found) > CAP:
        return None
    keys = [Key(Band.LIVE if is_live else Band.REST, *values) for is_live, *values in found]
    is_down = way.direction is Direction.NEXT
    keys.sort(key=_rank, reverse=is_down)
    if way.cursor:
        here = _rank(way.cursor)
        keys = [key for key in keys if (_rank(key) < here if is_down else _rank(key) > here)]
    return keys[: way.limit]


def _rank(place: Any) -> tuple[bool, Any, bytes]:
    """What the list is ordered by, falling: live first, last change, then id as PostgreSQL compares it."""
    return place.band is Band.LIVE, place.changed_at, place.id.bytes
