"""`import_sessions` as a process of its own, over the database of the test run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from django.db import connection

from config.environment import BASE_DIR, read_database_url
from tests.config.processes import eventually
from workspace.models import Membership

#: What PostgreSQL knows the connections of these processes by.
NAME = "import_sessions under test"


def is_none_connected() -> bool:
    """Connections end a moment after their process: until then the database cannot be flushed or dropped."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = %s",
            [NAME],
        )
        return bool(cursor.fetchone() == (0,))


@contextmanager
def database_away_from(name: str) -> Iterator[None]:
    """Until the block ends nobody can connect to this database; those of this name are sent away."""
    database = connection.ops.quote_name(str(connection.settings_dict["NAME"]))
    with connection._nodb_cursor() as cursor:
        try:
            cursor.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND application_name = %s",
                [connection.settings_dict["NAME"], name],
            )
            yield
        finally:
            cursor.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")


def start(
    member: Membership, *args: str | Path, output: int = subprocess.PIPE, **environment: str
) -> subprocess.Popen[str]:
    """`import_sessions` for a member; `--json` is left to the caller. `output` is where it writes to."""
    name = quote(str(connection.settings_dict["NAME"]))
    database_url = urlsplit(read_database_url())._replace(path=f"/{name}").geturl()
    whose = ["--workspace", member.tenant.slug, "--owner", member.user.email]
    return subprocess.Popen(
        [sys.executable, "manage.py", "import_sessions", *map(str, args), *whose],
        cwd=BASE_DIR,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings_test",
            "DATABASE_URL": database_url,
            "PGAPPNAME": NAME,
            **environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        text=True,
    )


class Follow:
    """A running `import_sessions --follow --json`: what it printed so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.reports: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self._threads = [
            threading.Thread(target=self._read, args=(process.stdout, self._report)),
            threading.Thread(target=self._read, args=(process.stderr, self.notes.append)),
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, stream: Any, take: Callable[[str], None]) -> None:
        for line in stream:
            take(line.rstrip("\n"))

    def _report(self, line: str) -> None:
        self.reports.append(json.loads(line))

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.notes
        return any(note.startswith("following") for note in self.notes)

    def end(self, signal_number: int) -> int:
        self.process.send_signal(signal_number)
        code = self.process.wait(timeout=20)
        for thread in self._threads:
            thread.join()
        return code


@contextmanager
def following(member: Membership, *args: str | Path, **environment: str) -> Iterator[Follow]:
    """Yields once it watches; it is gone when the block ends."""
    follow = Follow(start(member, "--follow", "--json", *args, **environment))
    try:
        eventually(follow.is_ready, seconds=60)
        yield follow
    finally:
        follow.process.kill()
        follow.end(9)
        eventually(is_none_connected)
