"""The web part of the product as a process of its own, over the database of the test run."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from django.core.management import call_command
from django.db import connection

from config.environment import BASE_DIR, read_database_url
from tests.config.processes import eventually

READY_SECONDS = 60
#: What PostgreSQL knows the connections of the web parts by that run now: they keep some while they live.
_running: set[str] = set()


@contextmanager
def run_server(log: Path, in_child: Callable[[], None] | None = None) -> Iterator[str]:
    """Yields the address of a daphne that serves pages and static files until the block ends.

    `in_child` is called in its process before daphne begins.
    """
    call_command("collectstatic", interactive=False, verbosity=0)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        with serve(listener, log, in_child) as address:
            yield address
        # Its connections end a moment later: until then the database cannot be dropped.
        eventually(is_database_ours_alone)
        connection.close()


@contextmanager
def serve(
    listener: socket.socket, log: Path, in_child: Callable[[], None] | None = None, **environment: str
) -> Iterator[str]:
    """The same on a socket that outlives it, as under `make run`; static files have been collected."""
    name = quote(str(connection.settings_dict["NAME"]))
    database_url = urlsplit(read_database_url())._replace(path=f"/{name}").geturl()
    descriptor = listener.fileno()
    name_there = f"web part under test at {listener.getsockname()[1]}"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "config.web", "--verbosity", "0", "--no-server-name"),
                *("--fd", str(descriptor), "config.asgi:application"),
            ],
            cwd=BASE_DIR,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "config.settings_test",
                "DATABASE_URL": database_url,
                "PGAPPNAME": name_there,
                **environment,
            },
            pass_fds=[descriptor],
            preexec_fn=in_child,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    _running.add(name_there)
    try:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        _wait_until_it_answers(address, process, log)
        yield address
    finally:
        _running.discard(name_there)
        process.terminate()
        try:
            process.wait(timeout=20)
        finally:
            process.kill()


def is_database_ours_alone() -> bool:
    """Whether nobody is connected to the database of the test run but we and web parts that run."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            " AND application_name <> ALL (%s)",
            [list(_running)],
        )
        return bool(cursor.fetchone() == (0,))


def is_somebody_at_work() -> bool:
    """Whether anybody else is in the midst of a transaction of the database of the test run."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'"
        )
        return bool(cursor.fetchone() != (0,))


def _wait_until_it_answers(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """The socket listens already, so one request waits for the first answer."""
    try:
        with urllib.request.urlopen(f"{address}/sign-in/", timeout=READY_SECONDS) as answer:  # noqa: S310
            assert answer.status == 200
    except OSError as error:
        raise AssertionError(
            f"the server did not answer ({error}, exit code {process.poll()}):\n{log.read_text()}"
        ) from error
