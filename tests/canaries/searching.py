"""Canaries: credentials made for one test, and the search for them in everything that a process leaves."""

from __future__ import annotations

import base64
import json
import re
import secrets
import socket
import string
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import connection
from django.test import Client

from workspace.models import Membership

#: A frame that holds "ack", masked by zeros: what a page says so that it is sent more.
ACKNOWLEDGED = b"\x81\x83\0\0\0\0ack"
ALNUM = string.ascii_letters + string.digits
#: What tells records apart and when they were: a canary in here would make another file of it.
STRUCTURE = {"type", "role", "timestamp", "subtype", "stop_reason", "version", "level", "operation"}
#: Ids: no rule is run on them, as all of them look random; registered secrets are replaced there as well.
IDS = re.compile(r"^(uu)?id$|_id$|[a-z](Id|ID|Uuid|UUID)$")


def random_text(size: int) -> str:
    return "".join(secrets.choice(ALNUM) for _ in range(size))


@dataclass(frozen=True)
class Canaries:
    """A secret to be registered, and credentials that are known by their shape alone."""

    registered: str = field(default_factory=lambda: random_text(32))
    shaped: tuple[str, ...] = field(
        default_factory=lambda: ("gh" + "p_" + random_text(36), "glp" + "at-" + random_text(20))
    )

    def in_text(self, text: str = "") -> str:
        return " ".join([text, f"see {self.registered} and", *self.shaped, "there"]).strip()

    def in_record(self, value: Any, key: str = "") -> Any:
        """The record with canaries in each text that may hold any, and in the name of one more field."""
        if isinstance(value, dict):
            planted = {name: self.in_record(item, name) for name, item in value.items()}
            return {**planted, self.in_text("a field"): self.in_text()}
        if isinstance(value, list):
            return [self.in_record(item, key) for item in value]
        if not isinstance(value, str) or key in STRUCTURE:
            return value
        return f"{value}-{self.registered}" if IDS.search(key) or not value else self.in_text(value)

    def in_lines(self, content: bytes) -> bytes:
        """A file of JSON lines with canaries in each of them, and two that cannot be read."""
        rows = [json.loads(line) for line in content.splitlines()]
        told = [json.dumps(self.in_record(row)).encode() for row in rows]
        return b"\n".join([*told, self.in_text("no record").encode(), f'{{"cut": "{self.in_text()}'.encode()])

    def found_in(self, haystack: bytes) -> list[str]:
        """Which canaries stand in it, and how: as they are, in hex, or in base64 at any alignment."""
        lower = haystack.lower()
        found = []
        for name, value in self._named():
            raw = value.encode()
            forms = {"raw": raw in haystack, "hex": raw.hex().encode() in lower}
            forms |= {f"base64 at {at}": core in haystack for at, core in enumerate(_cores(raw))}
            found += [f"{name}: {form}" for form, is_there in forms.items() if is_there]
        return found

    def _named(self) -> Iterator[tuple[str, str]]:
        yield "registered", self.registered
        for value in self.shaped:
            yield value[:3], value


def _cores(raw: bytes) -> Iterator[bytes]:
    """The characters of base64 that the value alone determines, at each of three places in a larger text."""
    for lead in range(3):
        text = base64.b64encode(b"\0" * lead + raw)
        yield text[(lead * 8 + 5) // 6 : (lead + len(raw)) * 8 // 6]


def dump_database() -> dict[str, bytes]:
    """Every table as COPY writes it, bytes in hex."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        tables = [name for (name,) in cursor.fetchall()]
        dumped = {}
        for table in tables:
            with cursor.copy(f'COPY "{table}" TO STDOUT') as copy:
                dumped[table] = b"".join(bytes(piece) for piece in copy)
    return dumped


def dump_valkey() -> bytes:
    """Every key with its value, whatever it is."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    readers = {
        b"string": client.get,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"stream": client.xrange,
    }
    return repr([(key, readers[client.type(key)](key)) for key in client.scan_iter()]).encode()


@contextmanager
def overhear_valkey() -> Iterator[list[bytes]]:
    """Every command that anybody sends while the block lasts."""
    heard: list[bytes] = []
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=None)
    mark = secrets.token_hex(8)
    with client.monitor() as monitor:

        def listen() -> None:
            for command in monitor.listen():
                heard.append(repr(command).encode())
                if mark in command["command"]:
                    return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield heard
        finally:
            redis.Redis.from_url(settings.REDIS_URL).echo(mark)
            thread.join(timeout=20)
        assert not thread.is_alive()


def ask_for_socket(address: str, slug: str, cookies: SimpleCookie) -> bytes:
    """The request that makes a connection to the web part the websocket of a workspace."""
    lines = [
        f"GET /w/{slug}/sessions/live/ HTTP/1.1",
        f"Host: {urlsplit(address).netloc}",
        f"Origin: {address}",
        "Cookie: " + "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items()),
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def overhear_socket(address: str, member: Membership) -> Iterator[list[bytes]]:
    """What the websocket of the member's workspace sends while the block lasts, as it comes off the wire."""
    place = urlsplit(address)
    browser = Client()
    browser.force_login(member.user)
    heard: list[bytes] = []
    with socket.create_connection((place.hostname, place.port), timeout=60) as wire:
        wire.sendall(ask_for_socket(address, member.tenant.slug, browser.cookies))

        def listen() -> None:
            try:
                while data := wire.recv(1 << 16):
                    heard.append(data)
                    wire.sendall(ACKNOWLEDGED)
            except OSError:  # the block is over
                return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield heard
        finally:
            wire.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=20)
        assert not thread.is_alive()


def read_logs(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
