"""One run of `bench/live.py`: a web process, its clients, changes at a pace, and what became of them."""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from bench.ground import empty_database
from bench.live_app import BASELINE_PATH, GROUP
from chats.services import create_chat, record_activity
from config.environment import BASE_DIR, read_database_url
from sessions_app.frames import make_ops
from sessions_app.kinds import Moment
from workspace.actors import SYSTEM
from workspace.models import Tenant, User
from workspace.placement import Placement
from workspace.services import create_tenant

__all__ = ["compare"]

CHATS = 200
SETTLE_SECONDS = 3.0


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def web_process(listener: socket.socket) -> Iterator[int]:
    name = quote(str(connection.settings_dict["NAME"]))
    url = urlsplit(read_database_url())._replace(path=f"/{name}").geturl()
    command = [sys.executable, "-m", "daphne", "--verbosity", "0", "--no-server-name"]
    process = subprocess.Popen(
        [*command, "--fd", str(listener.fileno()), "bench.live_app:application"],
        cwd=BASE_DIR,
        env={**os.environ, "DATABASE_URL": url, "DATABASE_POOL_SIZE": "16"},
        pass_fds=[listener.fileno()],
    )
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait(timeout=20)
        wait_for_connections()


def wait_for_connections() -> None:
    """Until those of the process have ended the database cannot be dropped."""
    for _ in range(200):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            if cursor.fetchone() == (0,):
                return
        time.sleep(0.05)


def measure(
    path: str, cookie: str, change: Callable[[int], tuple[str, float]], options: argparse.Namespace
) -> dict[str, float]:
    """One run: the web process is started, all clients connect, changes are made at the rate asked for."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener, web_process(listener) as pid:
        port = listener.getsockname()[1]
        clients = subprocess.Popen(
            [sys.executable, "-m", "bench.live_clients"],
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert clients.stdin
        assert clients.stdout
        host = f"127.0.0.1:{port}"
        headers = {
            "Host": host,
            "Origin": f"http://{host}",
            "Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}",
        }
        about = {"host": "127.0.0.1", "port": port, "path": path, "headers": headers}
        print(json.dumps({**about, "clients": options.clients}), file=clients.stdin, flush=True)
        assert clients.stdout.readline() == "ready\n"
        for number in range(10):
            change(number)
        time.sleep(SETTLE_SECONDS)
        before, committed = cpu_seconds(pid), []
        started = time.monotonic()
        for number in range(int(options.rate * options.seconds)):
            # A pace that beats with the ticks would measure one phase of them alone.
            due = started + (number + random.random() * 0.5) / options.rate
            time.sleep(max(0.0, due - time.monotonic()))
            committed.append(change(number))
        time.sleep(SETTLE_SECONDS)
        spent = cpu_seconds(pid) - before
        print("stop", file=clients.stdin, flush=True)
        found = json.loads(clients.stdout.read())
        clients.wait(timeout=20)
    return figures(committed, found, spent, options)


def figures(
    committed: list[tuple[str, float]], found: dict[str, Any], spent: float, options: argparse.Namespace
) -> dict[str, float]:
    arrivals: dict[str, list[float]] = found["arrivals"]
    # A look at the database may send a state a second time: each client counts once.
    firsts = [(done, arrivals.get(key, [])[: options.clients]) for key, done in committed]
    waits = sorted(at - done for done, arrived in firsts for at in arrived)
    expected = options.clients * len(committed)
    # A state that a later one of the same row has overtaken within a tick is not lost.
    latest = {key[-32:]: key for key, _ in committed}
    overtaken = sum(
        options.clients
        for key, _ in committed
        if key not in arrivals and len(arrivals.get(latest[key[-32:]], ())) == options.clients
    )
    return {
        "p50_ms": round(1000 * waits[len(waits) // 2], 1),
        "p99_ms": round(1000 * waits[int(len(waits) * 0.99)], 1),
        "cpu_us_per_message": round(1e6 * spent / len(waits), 1),
        "lost": expected - len(waits) - overtaken,
        "disconnected": options.clients - found["alive"],
        "resyncs": found["signals"].get("resync", 0),
    }


class Ground:
    """A workspace with chats in it, and the change that both runs make."""

    def __init__(self) -> None:
        owner = User.objects.create_user("bench@example.com", name="Bench")
        self.tenant: Tenant = create_tenant(slug="bench", name="Bench", owner=owner)
        placement = Placement(owner_id=owner.pk)
        make = {"tenant_id": self.tenant.pk, "placement": placement, "actor": SYSTEM}
        self.chats = [create_chat(**make, title=f"Look at number {n}").pk for n in range(CHATS)]
        client = Client()
        client.force_login(owner)
        self.cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        self.layer = get_channel_layer()

    def change(self, number: int) -> tuple[str, float]:
        """The key of the row's new state, and when its commit was over."""
        chat_id, at = self.chats[number % CHATS], timezone.now()
        record_activity(tenant_id=self.tenant.pk, chat_id=chat_id, at=at, messages=1)
        done = time.time()
        micros = int(at.timestamp()) * 1_000_000 + at.microsecond
        return f"1{micros:017d}{chat_id.hex}", done

    def change_and_send(self, number: int) -> tuple[str, float]:
        """The same, told by a group: whoever writes draws the row and sends it to all."""
        key, done = self.change(number)
        session = ("chat", self.chats[number % CHATS])
        ops, _ = make_ops(self.tenant, [session], Moment.of(self.tenant, timezone.now()))
        text = json.dumps({"rev": "0-0", "ops": ops})
        async_to_sync(self.layer.group_send)(GROUP, {"type": "row.changed", "text": text})
        return key, done


def compare(options: argparse.Namespace) -> dict[str, float]:
    """The hub, then the group, over a database of their own."""
    if not (settings.STATIC_ROOT / "staticfiles.json").exists():
        call_command("collectstatic", interactive=False, verbosity=0)
    with empty_database("live"):
        ground = Ground()
        hub = measure("/w/bench/sessions/live/", ground.cookie, ground.change, options)
        group = measure(BASELINE_PATH, ground.cookie, ground.change_and_send, options)
        ratio = round(group["cpu_us_per_message"] / hub["cpu_us_per_message"], 2)
    return {**hub, **{f"baseline_{name}": value for name, value in group.items()}, "cpu_ratio": ratio}
