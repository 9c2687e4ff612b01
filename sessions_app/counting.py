"""Counting up to a limit: on a page nobody needs to know how far beyond 10,000 a number goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from sessions_app.branches import Rows, combine

__all__ = ["CAP", "Count", "compile_rows", "count_capped"]

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


def count_capped[K](lists: Mapping[K, Sequence[Rows]]) -> dict[K, Count]:
    """Count several unions of disjoint branches in one statement, each up to `CAP`.

    Give branches in their order: it costs nothing and holds the planner to the index that has it.
    """
    counts = dict.fromkeys(lists, Count(0))
    selects: list[str] = []
    params: list[Any] = []
    names: list[K] = []
    for name, parts in lists.items():
        rows = combine(part.values_list("id")[: CAP + 1] for part in parts)
        if rows is None:
            continue
        sql, values = compile_rows(rows)
        # The compiled query brings its own placeholders; nothing that a person wrote is in the text.
        capped = f"SELECT 1 FROM ({sql}) AS parts LIMIT {CAP + 1}"  # noqa: S608
        selects.append(f"(SELECT count(*) FROM ({capped}) AS capped)")  # noqa: S608
        params += values
        names.append(name)
    if selects:
        with connection.cursor() as cursor:
            cursor.execute("SELECT " + ", ".join(selects), params)
            (found,) = cursor.fetchall()
        counts |= {name: Count(min(n, CAP), n > CAP) for name, n in zip(names, found, strict=True)}
    return counts


def compile_rows(rows: Rows) -> tuple[str, tuple[Any, ...]]:
    """The SQL of a query and its parameters, to stand inside another."""
    sql, params = rows.query.get_compiler(rows.db).as_sql()
    return sql, tuple(params)
