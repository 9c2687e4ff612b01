"""Counting up to a limit: on a page nobody needs to know how far beyond 10,000 a number goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sessions_app.branches import Branch
from sessions_app.sql import Sql, fetch, join, union

__all__ = ["CAP", "Count", "count_capped"]

CAP = 10_000


@dataclass(frozen=True, slots=True)
class Count:
    """A number of sessions; `is_capped`: there are at least so many, and no more were counted."""

    value: int
    is_capped: bool = False

    def __str__(self) -> str:
        return f"{self.value:,}+" if self.is_capped else f"{self.value:,}"

    def __bool__(self) -> bool:
        return self.value > 0

    def __add__(self, other: Count) -> Count:
        total = self.value + other.value
        return Count(min(total, CAP), self.is_capped or other.is_capped or total > CAP)


def count_capped[K](lists: Mapping[K, Sequence[Branch]]) -> dict[K, Count]:
    """Count several lists of disjoint branches in one statement, each up to `CAP`.

    Branches are read in their order: it costs nothing and holds the planner to the index that has it.
    """
    selects: dict[K, Sql] = {}
    for name, branches in lists.items():
        parts = union([branch.select(Sql("id"), limit=CAP + 1) for branch in branches])
        if parts is not None:
            capped = f"SELECT 1 FROM ({parts.text}) AS parts LIMIT {CAP + 1}"  # noqa: S608
            selects[name] = Sql(f"(SELECT count(*) FROM ({capped}) AS capped)", parts.params)  # noqa: S608
    counts = dict.fromkeys(lists, Count(0))
    if selects:
        whole = join(", ", selects.values())
        (found,) = fetch(Sql(f"SELECT {whole.text}", whole.params))
        counts |= {name: Count(min(n, CAP), n > CAP) for name, n in zip(selects, found, strict=True)}
    return counts
