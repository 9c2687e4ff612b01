"""Whole rows of every kind in one answer: each branch gives the columns of all kinds, its own filled in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

from django.db import connection
from django.db.models import Model
from django.db.models.base import ModelState

from sessions_app.kinds import SessionKind
from sessions_app.registry import all_kinds

__all__ = ["WideRows", "bare_object", "wide_rows"]


@dataclass(frozen=True, slots=True)
class _Reader:
    """How one kind's object is made from a wide row: from which places, under which names."""

    names: tuple[str, ...]
    pick: Callable[[Sequence[Any]], tuple[Any, ...]]
    converters: tuple[tuple[str, Callable[[Any], Any]], ...]


class WideRows:
    """The columns that every branch selects, and the objects back from what they gave."""

    def __init__(self, kinds: Sequence[SessionKind]) -> None:
        places: dict[tuple[str, str], int] = {}
        for kind in kinds:
            for field in shown_fields(kind):
                places.setdefault((field.column, _type(field)), len(places))
        self.columns = {kind.key: _columns(kind, places) for kind in kinds}
        self._readers = {kind.key: _reader(kind, places) for kind in kinds}

    def load(self, kind: SessionKind, values: Sequence[Any]) -> Any:
        """The object of this kind whose columns these are, the big ones deferred."""
        reader = self._readers[kind.key]
        picked = dict(zip(reader.names, reader.pick(values), strict=True))
        for name, convert in reader.converters:
            picked[name] = convert(picked[name])
        return bare_object(kind.model, picked)


def bare_object[M: Model](model: type[M], values: dict[str, Any]) -> M:
    """A stored row with these columns, the others deferred: what `Model.from_db` gives, but for its signals.

    It passes by each field, which took longer than all else that a page does with a row.
    """
    obj = model.__new__(model)
    state = ModelState()
    state.adding, state.db = False, "default"
    obj.__dict__.update(values, _state=state)
    return obj


def wide_rows() -> WideRows:
    return _wide_rows(all_kinds())


@lru_cache(maxsize=8)
def _wide_rows(kinds: tuple[SessionKind, ...]) -> WideRows:
    return WideRows(kinds)


def shown_fields(kind: SessionKind) -> list[Any]:
    return [field for field in kind.model._meta.concrete_fields if field.attname not in kind.unshown]


def _columns(kind: SessionKind, places: dict[tuple[str, str], int]) -> str:
    own = {(field.column, _type(field)) for field in shown_fields(kind)}
    return ", ".join(
        f"{name if (name, form) in own else f'NULL::{form}'} AS wide_{place}"
        for (name, form), place in places.items()
    )


def _reader(kind: SessionKind, places: dict[tuple[str, str], int]) -> _Reader:
    fields = shown_fields(kind)
    converters = tuple(
        (field.attname, _converter(field)) for field in fields if hasattr(field, "from_db_value")
    )
    pick: Any = itemgetter(*(places[field.column, _type(field)] for field in fields))
    return _Reader(tuple(field.attname for field in fields), pick, converters)


def _converter(field: Any) -> Callable[[Any], Any]:
    return lambda value: field.from_db_value(value, None, connection)


def _type(field: Any) -> str:
    """The column's type, without what only a new one takes."""
    if field.is_relation:
        return _type(field.target_field)
    return str(field.cast_db_type(connection))
