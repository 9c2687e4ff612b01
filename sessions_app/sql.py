"""SQL for the reads that every page of the list makes, put together as text.

Built from expressions anew for each page, the same queries took longer to write than to answer
(`docs/adr/0045-the-list-at-scale.md`). Only names of our own are in the text: values are parameters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q

from sessions_app.bands import lookup_of
from sessions_app.cursors import Cursor, Direction

__all__ = ["Sql", "all_of", "any_of", "beyond", "fetch", "is_not", "join", "order_by", "render", "union"]

#: The lookups that the conditions of a kind are made of.
OPERATORS = {"": "=", "exact": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and the values of its placeholders."""

    text: str
    params: tuple[Any, ...] = ()


def join(separator: str, parts: Iterable[Sql]) -> Sql:
    pieces = [*parts]
    return Sql(
        separator.join([piece.text for piece in pieces]),
        tuple([value for piece in pieces for value in piece.params]),
    )


def all_of(parts: Iterable[Sql]) -> Sql:
    return join(" AND ", parts)


def any_of(column: str, values: Collection[Any]) -> Sql:
    """Statuses stand in the statement as literals, as the conditions of partial indexes do."""
    if len(values) == 1:
        return Sql(f"{column} = %s", (*values,))
    return Sql(f"{column} IN ({', '.join(['%s'] * len(values))})", tuple(sorted(values)))


def is_not(condition: Sql) -> Sql:
    """That it does not hold; a row without a value has none of those that are asked for."""
    return Sql(f"({condition.text}) IS NOT TRUE", condition.params)


def render(condition: Q) -> Sql:
    """A condition of a kind, made of AND, OR, NOT and plain lookups. Raises KeyError for any other lookup."""
    parts: list[Sql] = []
    for child in condition.children:
        if isinstance(child, Q):
            parts.append(render(child))
        else:
            parts.append(_render_lookup(*lookup_of(child)))
    inner = join(f" {condition.connector} ", parts)
    return Sql(f"{'NOT ' if condition.negated else ''}({inner.text})", inner.params)


def _render_lookup(name: str, value: Any) -> Sql:
    column, _, lookup = name.partition("__")
    return any_of(column, value) if lookup == "in" else Sql(f"{column} {OPERATORS[lookup]} %s", (value,))


def order_by(direction: Direction) -> str:
    """The order of the list, or from its end; ids break ties."""
    return "ORDER BY changed_at DESC, id DESC" if direction is Direction.NEXT else "ORDER BY changed_at, id"


def beyond(cursor: Cursor) -> Sql:
    """The rows strictly beyond the cursor, as one comparison of rows that an index can begin at."""
    sign = "<" if cursor.direction is Direction.NEXT else ">"
    return Sql(f"(changed_at, id) {sign} (%s, %s)", (cursor.changed_at, cursor.id))


def union(
    parts: Sequence[Sql], *, direction: Direction | None = None, limit: int | None = None
) -> Sql | None:
    """The parts, each ordered and limited by itself, as one answer; None if there are none."""
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    whole = join(" UNION ALL ", [Sql(f"({part.text})", part.params) for part in parts])
    order = f" {order_by(direction)}" if direction else ""
    return Sql(f"{whole.text}{order}{'' if limit is None else f' LIMIT {limit}'}", whole.params)


def fetch(sql: Sql | None) -> list[tuple[Any, ...]]:
    """The rows; none, and no question, for None."""
    if sql is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(sql.text, sql.params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
