"""The database that the test databases are copies of: migrated once, and again when a migration changed.

A copy takes a fraction of a second where the migrations take many, in each runner, and on each run. It is
made before the first test, so that no test's time is spent on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.backends.base.creation import TEST_DATABASE_PREFIX

#: Held by the one process that looks for the template, or makes it. Any number that nobody else uses.
_LOCK = 7_365_737_369


def prepare_template() -> None:
    """Make the template unless it is there, and have this process's test database be a copy of it."""
    template = _name(_digest())
    quote = connection.ops.quote_name
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [_name("")])
        found = {name for (name,) in cursor.fetchall()}
        if template not in found:
            # Those of other migrations, and one whose making was cut off.
            for name in found:
                cursor.execute(f"DROP DATABASE {quote(name)}")
            unfinished = _name("unfinished")
            cursor.execute(f"CREATE DATABASE {quote(unfinished)}")
            with _connected_to(unfinished):
                call_command("migrate", interactive=False, verbosity=0)
            cursor.execute(f"ALTER DATABASE {quote(unfinished)} RENAME TO {quote(template)}")
    connection.settings_dict["TEST"]["TEMPLATE"] = template


def _name(suffix: str) -> str:
    """Of a template beside the database that the settings name: others of the server have their own."""
    beside = hashlib.sha256(str(connection.settings_dict["NAME"]).encode()).hexdigest()[:10]
    return f"{TEST_DATABASE_PREFIX}template_{beside}_{suffix}"


def _digest() -> str:
    """Of everything that says what is in a migrated database."""
    digest = hashlib.sha256(django.__version__.encode())
    for app in apps.get_app_configs():
        for path in sorted(Path(app.path, "migrations").glob("*.py")):
            digest.update(f"\0{app.label}/{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _connected_to(name: str) -> Iterator[None]:
    own = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = own
