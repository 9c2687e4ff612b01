"""Sockets on the real ASGI application, and a page that does what the pushes say, in plain Python."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any

from asgiref.testing import ApplicationCommunicator as BaseCommunicator
from channels.testing import HttpCommunicator, WebsocketCommunicator
from django.conf import settings
from django.test import Client

from config.asgi import application
from sessions_app.hub import Hub, hub_of_loop
from sessions_app.listeners import ACK_EVERY
from sessions_app.revs import later
from workspace.models import Tenant, User

type Headers = list[tuple[bytes, bytes]]

PATIENCE_SECONDS = 20
ORIGIN = "http://localhost"


def sign_in(user: User) -> Client:
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return client


def headers_of(
    client: Client, *, origin: str | None = ORIGIN, host: str = "localhost"
) -> list[tuple[bytes, bytes]]:
    name = settings.SESSION_COOKIE_NAME
    found = [(b"host", host.encode())]
    if name in client.cookies:
        found.append((b"cookie", f"{name}={client.cookies[name].value}".encode()))
    if origin is not None:
        found.append((b"origin", origin.encode()))
    return found


class Unpatched(BaseCommunicator):
    """Channels' communicators keep every connection to the database open; here threads of their own end."""

    async def send_input(self, message: Any) -> Any:
        return await BaseCommunicator.send_input(self, message)

    async def receive_output(self, timeout: float = 1) -> Any:
        return await BaseCommunicator.receive_output(self, timeout)


class Knock(Unpatched, WebsocketCommunicator):
    pass


class Request(Unpatched, HttpCommunicator):
    pass


class Socket:
    """One open socket; `receive` acknowledges as a page does."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self.communicator = communicator
        self.received = 0

    async def receive(self, timeout: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The next message that is no mere sign of life."""
        while True:
            message = json.loads(await self.communicator.receive_from(timeout=timeout))
            self.received += 1
            if self.received % ACK_EVERY == 0:
                await self.communicator.send_to(text_data="ack")
            if message.get("op") != "beat":
                return dict(message)

    async def receive_close(self, timeout: float = PATIENCE_SECONDS) -> int:
        """The code that the server closes with; what was sent before is passed over."""
        while True:
            message = await self.communicator.receive_output(timeout)
            if message["type"] == "websocket.close":
                return int(message["code"])


async def knock(path: str, headers: Headers) -> tuple[bool, WebsocketCommunicator]:
    communicator = Knock(application, path, headers=headers)
    is_accepted, _ = await communicator.connect(timeout=PATIENCE_SECONDS)
    return is_accepted, communicator


@asynccontextmanager
async def open_socket(
    client: Client, tenant: Tenant, *, first: dict[str, str] | None = None
) -> AsyncIterator[Socket]:
    """A socket that has been told "ready", or what else is to come first."""
    is_accepted, communicator = await knock(f"/w/{tenant.slug}/sessions/live/", headers_of(client))
    assert is_accepted
    socket = Socket(communicator)
    try:
        assert await socket.receive() == (first or {"op": "ready"})
        yield socket
    finally:
        await communicator.disconnect(timeout=PATIENCE_SECONDS)


class Model:
    """The list as a page holds it: read once, then changed by frames alone, in whatever order they come."""

    def __init__(self, client: Client, tenant: Tenant) -> None:
        self.client, self.base = client, f"/w/{tenant.slug}/sessions/"
        self.rev = ""
        self.rows: dict[str, tuple[str, str]] = {}
        self.revs: dict[str, str] = {}
        self.is_reading = False
        self.waiting: list[dict[str, Any]] = []

    async def load(self) -> None:
        """Read every row anew, at the rev that was known before, and then take what was pushed meanwhile."""
        self.is_reading = True
        self.rev, self.rows = await self._read()
        self.revs, self.is_reading = {}, False
        meanwhile, self.waiting = self.waiting, []
        for message in meanwhile:
            await self.apply(message)

    async def take(self, message: dict[str, Any]) -> None:
        """A push: applied now, or as soon as the page has been read."""
        if self.is_reading:
            self.waiting.append(message)
        else:
            await self.apply(message)

    async def catch_up(self) -> None:
        """What a page does once it is told "ready"."""
        await self.apply(json.loads(await self._get(f"{self.base}changes/?since={self.rev}")))

    async def apply(self, message: dict[str, Any]) -> None:
        if message.get("op") == "resync":
            await self.load()
        if "rev" not in message:
            return
        for op in message["ops"]:
            if later(message["rev"], known := self.revs.get(op["id"], self.rev)) == known != message["rev"]:
                continue
            self.revs[op["id"]] = message["rev"]
            if op["op"] == "remove" or op["facets"]["is_folded"]:
                self.rows.pop(op["id"], None)
            else:
                self.rows[op["id"]] = (op["key"], op["html"])

    async def is_fresh(self) -> bool:
        """Whether the page, put in order, is what a page that is read now would be."""
        _, rows = await self._read()
        return self.in_order() == sorted(rows.values(), reverse=True)

    def in_order(self) -> list[tuple[str, str]]:
        return sorted(self.rows.values(), reverse=True)

    async def _read(self) -> tuple[str, dict[str, tuple[str, str]]]:
        """Every page of the list, by the very requests that a browser makes."""
        rows: dict[str, tuple[str, str]] = {}
        rev, path = "", self.base
        while path:
            text = await self._get(path)
            rev = rev or first(r'data-rev="(.*?)"', text)
            for html in re.findall(r'<li class="row" .*?</li>', text, re.DOTALL):
                rows[first('data-session="(.*?)"', html)] = (first('data-order="(.*?)"', html), html)
            path = unescape(first('class="load-more"><a class="button" href="(.*?)"', text))
        return rev, rows

    async def _get(self, path: str) -> str:
        """Through the ASGI application: Django's own client would keep the context of every fragment."""
        communicator = Request(application, "GET", path, headers=headers_of(self.client))
        answer = await communicator.get_response(timeout=PATIENCE_SECONDS)
        # Only then has the request given its connection to the database back.
        await communicator.wait(timeout=PATIENCE_SECONDS)
        assert answer["status"] == 200
        return str(answer["body"].decode())


async def follow(socket: Socket, models: list[Model], title: str) -> None:
    """Apply what comes until the change that made this title has come."""
    while True:
        message = await socket.receive()
        for model in models:
            await model.take(message)
        if any(op["op"] == "upsert" and op["facets"]["title"] == title for op in message.get("ops", ())):
            return


def first(pattern: str, text: str) -> str:
    """The group of the first match; "" if there is none."""
    found = re.search(pattern, text)
    return found[1] if found else ""


def hub() -> Hub:
    return hub_of_loop()
