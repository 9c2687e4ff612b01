"""What a page costs the web process: its CPU time over many requests, beside that of /healthz."""

from __future__ import annotations

import http.client
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from bench.ground import Ground
from bench.seed import SPAN
from config.environment import BASE_DIR, read_database_url
from config.probe import HEALTH_PATH
from sessions_app.bands import Band
from sessions_app.cursors import Cursor, Direction

__all__ = ["measure_http"]

TICKS = os.sysconf("SC_CLK_TCK")
READY_SECONDS = 30
ROUNDS = 5


@dataclass
class _Web:
    process: subprocess.Popen[bytes]
    port: int

    def cpu_seconds(self) -> float:
        """User and system time of all its threads, those that have ended included."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def cost_ms(self, path: str, headers: dict[str, str], *, count: int) -> float:
        """CPU milliseconds of one request, after some that warm the process up."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_SECONDS)
        for _ in range(20):
            _ask(client, path, headers)
        before = self.cpu_seconds()
        for _ in range(count):
            _ask(client, path, headers)
        return (self.cpu_seconds() - before) / count * 1000


def measure_http(ground: Ground, *, count: int = 300) -> dict[str, float]:
    """CPU milliseconds of four answers of one process.

    `floor_cpu_ms` is /healthz, `page_cpu_ms` the 50 rows that "Load more" fetches half-way down the list,
    `first_cpu_ms` those at its top, where the two groups begin and are counted, `lens_cpu_ms` all below the
    heading, with counts and facets.
    """
    member = Client()
    member.force_login(ground.place.owners[1])
    cookie = SimpleCookie({settings.SESSION_COOKIE_NAME: member.cookies[settings.SESSION_COOKIE_NAME].value})
    signed_in = {"Cookie": cookie.output(header="").strip()}
    url = reverse("sessions_app:session-list", args=[ground.place.tenant.slug])
    rows = {**signed_in, "HX-Request": "true"}
    asked = {
        "floor_cpu_ms": (HEALTH_PATH, {}, count * 8),
        "page_cpu_ms": (f"{url}?cursor={_half_way(ground)}", rows, count),
        "first_cpu_ms": (url, rows, count // 2),
        "lens_cpu_ms": (url, {**rows, "HX-Target": "lens"}, count // 4),
    }
    # In turns: who else uses the machine changes from one second to the next.
    found: dict[str, list[float]] = {name: [] for name in asked}
    with _web(ground.database) as web:
        for _ in range(ROUNDS):
            for name, (path, headers, times) in asked.items():
                found[name].append(web.cost_ms(path, headers, count=times // ROUNDS))
    return {name: round(statistics.median(costs), 3) for name, costs in found.items()}


def _half_way(ground: Ground) -> str:
    """The cursor of a button "Load more" in the middle of the list."""
    return Cursor(
        ground.now, Band.REST, ground.now - SPAN / 2, ground.place.tenant.pk, Direction.NEXT
    ).encode()


@contextmanager
def _web(database: str) -> Iterator[_Web]:
    """The web part as `make run` starts it, over this database."""
    if not (settings.STATIC_ROOT / "staticfiles.json").exists():
        call_command("collectstatic", interactive=False, verbosity=0)
    address = urlsplit(read_database_url())._replace(path=f"/{quote(database)}").geturl()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        command = [sys.executable, "-m", "daphne", "--verbosity", "0", "--no-server-name"]
        process = subprocess.Popen(
            [*command, "--fd", str(listener.fileno()), "config.asgi:application"],
            cwd=BASE_DIR,
            env={**os.environ, "DATABASE_URL": address, "DJANGO_SETTINGS_MODULE": "config.settings"},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
        )
        try:
            yield _Web(process, listener.getsockname()[1])
        finally:
            process.terminate()
            process.wait(timeout=READY_SECONDS)
            _wait_for_its_connections()


def _wait_for_its_connections() -> None:
    """They end a moment after the process: until then the database cannot be dropped."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            if cursor.fetchone() == (0,):
                return
        time.sleep(0.05)


def _ask(client: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> None:
    client.request("GET", path, headers=headers)
    answer = client.getresponse()
    body = answer.read()
    # Without workers /healthz says 503, which costs the same.
    if answer.status != 200 and path != HEALTH_PATH:
        raise RuntimeError(f"{path} answered {answer.status}: {body[:300]!r}")
