"""A database of its own to measure on: made, filled and, unless it is to be kept, dropped."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from django.core.management import call_command
from django.db import connection

from bench.seed import SHAPES, Place, analyze, seed

__all__ = ["Ground", "Order", "empty_database", "ground", "tell"]


@dataclass(frozen=True)
class Order:
    """What is asked for; a database that was filled to the same order is used again."""

    rows: int
    tenants: int
    random_seed: int = 7

    @property
    def database(self) -> str:
        return f"{connection.settings_dict['NAME']}_bench_{self.rows}"


@dataclass(frozen=True)
class Ground:
    """The filled database is the current one; `place` is its largest workspace, `now` the seed's present."""

    place: Place
    now: datetime
    database: str

    def count_rows(self) -> int:
        """The sessions of the place."""
        tenant = self.place.tenant
        return sum(shape.model._default_manager.filter(tenant_id=tenant.pk).count() for shape in SHAPES)


def tell(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


@contextmanager
def ground(order: Order, *, keep: bool) -> Iterator[Ground]:
    """The database to this order, current for as long as this lasts."""
    ours, database = connection.settings_dict["NAME"], order.database
    is_there = _read_order(database) == asdict(order)
    if not is_there:
        _replace(database)
    connection.close()
    connection.settings_dict["NAME"] = database
    try:
        call_command("migrate", verbosity=0)
        if not is_there:
            _fill(order)
        yield Ground(Place.find(0), _read_now(database), database)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = ours
        if not keep:
            _execute(f"DROP DATABASE {connection.ops.quote_name(database)}")


@contextmanager
def empty_database(purpose: str) -> Iterator[None]:
    """A database of its own with nothing in it but the tables, current while this lasts, then dropped."""
    ours = connection.settings_dict["NAME"]
    database = f"{ours}_bench_{purpose}"
    _replace(database)
    connection.close()
    connection.settings_dict["NAME"] = database
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = ours
        _execute(f"DROP DATABASE {connection.ops.quote_name(database)}")


def _fill(order: Order) -> None:
    tell(f"filling {connection.settings_dict['NAME']} with {order.rows:,} sessions")
    # What is measured is reading: a crash meanwhile costs nothing but another start.
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    now = datetime.now(UTC)
    seed(
        rows=order.rows,
        tenants=order.tenants,
        random_seed=order.random_seed,
        now=now,
        is_bulk=True,
        tell=tell,
    )
    tell("statistics and visibility maps")
    analyze()
    _describe(order, now)
    tell("filled")


def _describe(order: Order, now: datetime) -> None:
    """Said last, so that a database that was filled half-way is made anew."""
    words = json.dumps({**asdict(order), "now": now.isoformat()})
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON DATABASE {name} IS %s", [words])


def _description(database: str) -> dict[str, object]:
    with connection._nodb_cursor() as cursor:
        cursor.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [database]
        )
        found = cursor.fetchone()
    return dict(json.loads(found[0])) if found and found[0] else {}


def _read_order(database: str) -> dict[str, object]:
    return {name: value for name, value in _description(database).items() if name != "now"}


def _read_now(database: str) -> datetime:
    return datetime.fromisoformat(str(_description(database)["now"]))


def _replace(database: str) -> None:
    quoted = connection.ops.quote_name(database)
    _execute(f"DROP DATABASE IF EXISTS {quoted}")
    _execute(f"CREATE DATABASE {quoted}")


def _execute(sql: str) -> None:
    with connection._nodb_cursor() as cursor:
        cursor.execute(sql)
