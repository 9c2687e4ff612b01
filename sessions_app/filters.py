"""What a list is narrowed to, as one frozen value that every branch applies and every link is made of."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import urlencode

from sessions_app.kinds import SessionKind, Tone

__all__ = ["EXCLUDE", "HAS", "IDS", "MULTIPLE", "TABS", "UPDATED", "Filters", "Picks"]

#: What stands before a parameter's name to exclude its value: `not_owner=...`.
EXCLUDE = "not_"

#: The filters that take several values and can be turned around.
MULTIPLE = ("owner", "kind", "tone", "status", "initiative", "plan", "origin", "repo", "has")

#: What `has` asks for, and the column that says so.
HAS = {"redaction": "has_redactions"}

#: Those whose values are ids of rows of the tenant.
IDS = frozenset({"owner", "initiative", "plan"})

#: How far back `updated=` reaches, by the name that stands in the address.
UPDATED = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}

#: The tabs beside "All", and the tone that each stands for; "active" is the live band, whatever the tone.
TABS: dict[str, Tone | None] = {"needs-you": Tone.ATTENTION, "active": None, "failed": Tone.PROBLEM}


@dataclass(frozen=True, slots=True)
class Picks[T]:
    """The values of one filter: any of `wanted` if there are some, none of `unwanted`."""

    wanted: frozenset[T] = frozenset()
    unwanted: frozenset[T] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.wanted or self.unwanted)

    def allows(self, value: T) -> bool:
        return (not self.wanted or value in self.wanted) and value not in self.unwanted

    def added(self, value: T, *, excluded: bool = False) -> Self:
        wanted, unwanted = self.wanted - {value}, self.unwanted - {value}
        if excluded:
            return replace(self, wanted=wanted, unwanted=unwanted | {value})
        return replace(self, wanted=wanted | {value}, unwanted=unwanted)

    def removed(self, value: T) -> Self:
        return replace(self, wanted=self.wanted - {value}, unwanted=self.unwanted - {value})


@dataclass(frozen=True, slots=True)
class Filters:
    """Everything that a list is asked for but its place in it; `sessions_app.parameters` reads it.

    `updated_after` is inclusive, `updated_before` exclusive; `updated` is a key of `UPDATED`; `words` must
    all occur in title or error, in any case; `tab` is a key of `TABS` or "".
    """

    owner: Picks[uuid.UUID] = Picks()
    kind: Picks[str] = Picks()
    tone: Picks[str] = Picks()
    status: Picks[str] = Picks()
    initiative: Picks[uuid.UUID] = Picks()
    plan: Picks[uuid.UUID] = Picks()
    origin: Picks[str] = Picks()
    repo: Picks[str] = Picks()
    has: Picks[str] = Picks()
    updated: str = ""
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    words: tuple[str, ...] = ()
    tab: str = ""

    def __bool__(self) -> bool:
        return self != Filters()

    def picks(self, name: str) -> Picks[Any]:
        """The values of one of the `MULTIPLE` filters."""
        if name not in MULTIPLE:
            raise KeyError(name)
        found: Picks[Any] = getattr(self, name)
        return found

    def pairs(self) -> list[tuple[str, str]]:
        """The parameters that say the same, sorted: equal filters give equal addresses."""
        found = [(name, text) for name in MULTIPLE for text in map(str, self.picks(name).wanted)]
        found += [(EXCLUDE + name, text) for name in MULTIPLE for text in map(str, self.picks(name).unwanted)]
        found += [(name, getattr(self, name)) for name in ("updated", "tab") if getattr(self, name)]
        for name in ("updated_after", "updated_before"):
            if instant := getattr(self, name):
                found.append((name, instant.astimezone(UTC).isoformat().replace("+00:00", "Z")))
        if self.words:
            found.append(("q", " ".join(self.words)))
        return sorted(found)

    def query(self) -> str:
        """The canonical query string, without "?"."""
        return urlencode(self.pairs())

    def with_value(self, name: str, value: object, *, excluded: bool = False) -> Self:
        """These filters with one more value; `updated`, `tab` and times take it instead of what they had."""
        if name in MULTIPLE:
            return self._replace(name, self.picks(name).added(_typed(name, value), excluded=excluded))
        return self._replace(name, value)

    def without_value(self, name: str, value: object) -> Self:
        """These filters with this value neither wanted nor excluded."""
        return self._replace(name, self.picks(name).removed(_typed(name, value)))

    def toggled(self, name: str, value: object, *, excluded: bool = False) -> Self:
        """With the value if it is not there in this sense, else without it: what a click on it leads to."""
        if name not in MULTIPLE:
            return self.without(name) if getattr(self, name) == value else self.with_value(name, value)
        picks = self.picks(name)
        if _typed(name, value) in (picks.unwanted if excluded else picks.wanted):
            return self.without_value(name, value)
        return self.with_value(name, value, excluded=excluded)

    def without(self, *names: str) -> Self:
        """These filters with some of their own parts empty, as if never given."""
        empty: dict[str, Any] = {field.name: field.default for field in fields(Filters)}
        return replace(self, **{name: empty[name] for name in names})

    def only(self, name: str, *values: object) -> Self:
        """These filters with exactly these values in one of the `MULTIPLE` filters."""
        return self._replace(name, Picks(frozenset(_typed(name, value) for value in values)))

    def since(self, as_of: datetime) -> datetime | None:
        """The earliest change that is let through, or None for any."""
        bounds: list[datetime] = [self.updated_after] if self.updated_after else []
        if self.updated:
            bounds.append(as_of - UPDATED[self.updated])
        return max(bounds, default=None)

    def statuses_of(self, kind: SessionKind) -> frozenset[str] | None:
        """The statuses of this kind that are let through; None if status plays no part."""
        tab_tone = TABS[self.tab] if self.tab else None
        if not (self.tone or self.status or tab_tone):
            return None
        return frozenset(
            status
            for status, info in kind.statuses.items()
            if self.status.allows(status) and self.tone.allows(info.tone) and tab_tone in (None, info.tone)
        )

    def lets_through(self, kind: SessionKind, status: str) -> bool:
        """Whether a session of this kind may have this status."""
        statuses = self.statuses_of(kind)
        return statuses is None or status in statuses

    def kinds_of(self, kinds: Iterable[SessionKind]) -> list[SessionKind]:
        """Those of the kinds that can have a row in this list."""
        return [
            kind for kind in kinds if self.kind.allows(kind.key) and self.statuses_of(kind) != frozenset()
        ]

    def _replace(self, name: str, value: Any) -> Self:
        return replace(self, **{name: value})


def _typed(name: str, value: object) -> Any:
    """An id as UUID, everything else as text; raises ValueError for what is no id."""
    if name not in IDS:
        return str(value)
    return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
