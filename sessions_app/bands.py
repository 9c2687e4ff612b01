"""The two bands of the list, and what can be told of a kind's conditions without asking the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Q

from sessions_app.kinds import Moment, SessionKind

__all__ = [
    "BAND_COLUMNS",
    "Band",
    "band_conditions",
    "decide",
    "lookup_of",
    "possible_statuses",
    "tell_tale_instants",
]

#: What `live_q` and `rest_qs` may look at: what the indexes of both bands begin with.
BAND_COLUMNS = frozenset({"status", "changed_at"})


class Band(StrEnum):
    """Live sessions stand before the rest; both are ordered by their last change."""

    LIVE = "live"
    REST = "rest"


def band_conditions(kind: SessionKind, band: Band, moment: Moment) -> tuple[Q, ...]:
    """The disjoint conditions that make up a band of this kind."""
    return (kind.live_q(moment),) if band is Band.LIVE else kind.rest_qs(moment)


def decide(condition: Q, known: Mapping[str, Any]) -> bool | None:
    """Whether the condition holds for a row of which only `known` columns are known; None if that is open.

    Reads the lookups exact, in, gt, gte, lt and lte. Raises ValueError for any other.
    """
    answers = [
        decide(child, known) if isinstance(child, Q) else _decide_lookup(*lookup_of(child), known)
        for child in condition.children
    ]
    if condition.connector == Q.XOR:
        raise ValueError("a band's condition is made of AND, OR and NOT")
    decisive = condition.connector == Q.OR
    if decisive in answers:
        answer: bool | None = decisive
    else:
        answer = None if None in answers else not decisive
    return answer if answer is None else answer != condition.negated


def _decide_lookup(name: str, value: Any, known: Mapping[str, Any]) -> bool | None:
    column, _, lookup = name.partition("__")
    if lookup not in {"", "exact", "in", "gt", "gte", "lt", "lte"}:
        raise ValueError(f"a band's condition has no lookup like {name}")
    if column not in known:
        return None
    have = known[column]
    match lookup:
        case "in":
            return have in value
        case "gt":
            return bool(have > value)
        case "gte":
            return bool(have >= value)
        case "lt":
            return bool(have < value)
        case "lte":
            return bool(have <= value)
        case _:
            return bool(have == value)


def lookup_of(child: Any) -> tuple[str, Any]:
    """A leaf of a condition as name and value. Raises ValueError for an expression."""
    if not isinstance(child, tuple):
        raise ValueError(f"a band's condition is made of plain lookups, not {child!r}")
    name, value = child
    return name, value


def possible_statuses(kind: SessionKind, condition: Q) -> frozenset[str]:
    """The statuses that a row which meets the condition may have."""
    return frozenset(s for s in kind.statuses if decide(condition, {"status": s}) is not False)


def tell_tale_instants(condition: Q) -> set[datetime]:
    """Instants on and around each one that the condition compares with: between them it does not change."""
    found: set[datetime] = set()
    for child in condition.children:
        if isinstance(child, Q):
            found |= tell_tale_instants(child)
        elif isinstance(child, tuple) and isinstance(child[1], datetime):
            found |= {child[1] + step * timedelta(microseconds=1) for step in (-1, 0, 1)}
    return found
