"""The two bands of the list, and what can be told of a kind's conditions without asking the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from django.db.models import Q

from sessions_app.kinds import Moment, SessionKind

__all__ = [
    "BAND_COLUMNS",
    "Band",
    "Half",
    "band_conditions",
    "decide",
    "halves_of",
    "lookup_of",
    "open_statuses",
    "possible_statuses",
    "residual",
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


@dataclass(frozen=True, slots=True)
class Half:
    """One of the disjoint conditions of a band: its rows have these `statuses` and no others.

    `is_open` is what the column of that name holds in all of them, and only in them if nothing but
    `beside_open` is left to decide; it is None where the column does not tell the half apart.
    """

    condition: Q
    statuses: frozenset[str]
    is_open: bool | None

    @property
    def beside_open(self) -> Q | bool:
        return residual(self.condition, {"status": min(self.statuses)})


def halves_of(kind: SessionKind, band: Band, moment: Moment) -> list[Half]:
    """The halves of a band. What a status says of them depends on no moment: it is found out once."""
    known = _known_halves(kind, band)
    conditions = band_conditions(kind, band, moment)
    return [Half(condition, *facts) for condition, facts in zip(conditions, known, strict=True)]


@lru_cache(maxsize=128)
def _known_halves(kind: SessionKind, band: Band) -> tuple[tuple[frozenset[str], bool | None], ...]:
    moment = Moment(datetime(2000, 1, 1, tzinfo=UTC))
    return tuple(
        (possible_statuses(kind, half), _openness(kind, half, moment))
        for half in band_conditions(kind, band, moment)
    )


def _openness(kind: SessionKind, half: Q, moment: Moment) -> bool | None:
    possible, opened = possible_statuses(kind, half), open_statuses(kind)
    left = [residual(half, {"status": status}) for status in possible]
    if any(rest != left[0] for rest in left) or possible not in (opened, kind.statuses.keys() - opened):
        return None
    return possible == opened


def open_statuses(kind: SessionKind) -> frozenset[str]:
    """The statuses that a live session may have: those of which the column `is_open` is true."""
    return possible_statuses(kind, kind.live_q(Moment(datetime(2000, 1, 1, tzinfo=UTC))))


def decide(condition: Q, known: Mapping[str, Any]) -> bool | None:
    """Whether the condition holds for a row of which only `known` columns are known; None if that is open.

    Reads the lookups exact, in, gt, gte, lt and lte. Raises ValueError for any other.
    """
    answer = residual(condition, known)
    return answer if isinstance(answer, bool) else None


def residual(condition: Q, known: Mapping[str, Any]) -> Q | bool:
    """What is left to decide of a condition for a row of which only `known` columns are known.

    Reads the same lookups as `decide`.
    """
    if condition.connector == Q.XOR:
        raise ValueError("a band's condition is made of AND, OR and NOT")
    decisive = condition.connector == Q.OR
    left: list[Any] = []
    for child in condition.children:
        if isinstance(child, Q):
            answer: Q | bool | None = residual(child, known)
        else:
            answer = _decide_lookup(*lookup_of(child), known)
        if answer is decisive:
            return decisive != condition.negated
        if not isinstance(answer, bool):
            left.append(child if answer is None else answer)
    if not left:
        return decisive is condition.negated
    return Q(*left, _connector=condition.connector, _negated=condition.negated)


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
