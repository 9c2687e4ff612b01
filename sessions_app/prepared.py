"""Queries that are written once in a process and asked with other values each time.

Written anew by expressions, a union over all kinds takes several times as long as its answer.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sessions_app.sql import Sql, fetch

__all__ = ["MEMBER", "SINCE", "TENANT", "Prepared", "prepare"]

#: Stand-ins for the values that come with each asking; nothing real is equal to them.
TENANT = uuid.UUID("00000000-0000-4000-8000-00000000000a")
MEMBER = uuid.UUID("00000000-0000-4000-8000-00000000000b")
SINCE = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The text of a query and its parameters, some of which are stand-ins."""

    text: str
    params: tuple[Any, ...]

    def ask(self, values: dict[Any, Any]) -> list[tuple[Any, ...]]:
        """The rows, each stand-in replaced by its value."""
        return fetch(Sql(self.text, tuple([_replace(param, values) for param in self.params])))


def prepare(parts: Iterable[Any], *, limit: int) -> Prepared | None:
    """The newest `limit` of several ordered and limited queries of the same columns; None for no queries."""
    first, *others = [*parts] or (None,)
    if first is None:
        return None
    whole = first.union(*others, all=True).order_by("-changed_at", "-id")[:limit]
    text, params = whole.query.get_compiler(whole.db).as_sql()
    return Prepared(text, tuple(params))


def _replace(param: Any, values: dict[Any, Any]) -> Any:
    if isinstance(param, list):
        return [_replace(item, values) for item in param]
    return values.get(param, param) if isinstance(param, uuid.UUID | datetime) else param
