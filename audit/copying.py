"""Many rows into a table at once, by COPY: several times cheaper than INSERT where texts are long."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import chain
from typing import Any

from django.db import connection, models

__all__ = ["copy_rows"]


def copy_rows(model: type[models.Model], rows: Iterable[models.Model]) -> int:
    """Insert new rows inside the transaction that is open, as `bulk_create` would, and say how many.

    The database takes each row while the next one is made, so whatever makes them may not ask it anything.
    It gives what it has defaults for, and the rows do not learn of that. Raises what an INSERT raises.
    """
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return 0
    sql, fields = _plan(model)
    count = 0
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(sql) as copy:
        for row in chain([first], rows):
            copy.write_row([_value(field, getattr(row, field.attname)) for field in fields])
            count += 1
    return count


@cache
def _plan(model: type[models.Model]) -> tuple[str, list[models.Field[Any, Any]]]:
    quote = connection.ops.quote_name
    fields = [
        field
        for field in model._meta.concrete_fields
        if not field.has_db_default() and not isinstance(field, models.GeneratedField)
    ]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    return f"COPY {quote(model._meta.db_table)} ({columns}) FROM STDIN", fields


def _value(field: models.Field[Any, Any], value: Any) -> Any:
    """Plain values are what the driver takes; JSON is prepared by its field."""
    return field.get_db_prep_save(value, connection) if isinstance(field, models.JSONField) else value
