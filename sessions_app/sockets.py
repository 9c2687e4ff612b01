"""The websocket of one workspace's changes: who may open it, and what it does while it is open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from channels.db import database_sync_to_async
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from sessions_app.hub import hub_of_loop
from sessions_app.listeners import ACCESS_ENDED, Listener
from workspace.access import Admission, Seat, admit
from workspace.models import User

__all__ = ["live_socket", "refuse", "same_origin"]

type Scope = dict[str, Any]
type Receive = Callable[[], Awaitable[dict[str, Any]]]
type Send = Callable[[dict[str, Any]], Awaitable[None]]
type Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def same_origin(application: Application) -> Application:
    """Only pages of our own may open a socket: a browser sends the person's cookie along whoever asks."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        await (application if _is_own_page(scope) else refuse)(scope, receive, send)

    return guarded


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """The one answer to whoever may not listen, whatever the reason."""
    await receive()
    await send({"type": "websocket.close", "code": ACCESS_ENDED})


async def live_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Changes of `/w/<workspace>/` for one of its members, as `sessions_app.frames` describes them."""
    admitted = await _admit(scope)
    if admitted is None:
        await refuse(scope, receive, send)
        return
    seat, admission = admitted
    await receive()
    await send({"type": "websocket.accept"})

    async def send_text(text: str) -> None:
        await send({"type": "websocket.send", "text": text})

    listener, hub = Listener(admission, send_text), hub_of_loop()
    work = [
        asyncio.create_task(listener.send_all()),
        asyncio.create_task(_hear_acknowledgements(listener, receive)),
    ]
    try:
        await hub.join(listener, seat.tenant)
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hub.leave(listener)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    if listener.close_code is not None:
        await send({"type": "websocket.close", "code": listener.close_code})


async def _hear_acknowledgements(listener: Listener, receive: Receive) -> None:
    """All that a page says is how far it has come; anything else is passed over. Ends with the connection."""
    while (message := await receive())["type"] != "websocket.disconnect":
        if message.get("text") == "ack":
            listener.acknowledge()


async def _admit(scope: Scope) -> tuple[Seat, Admission] | None:
    user, key = scope["user"], scope["session"].session_key
    if not isinstance(user, User) and not getattr(user, "is_authenticated", False):
        return None
    find: Any = database_sync_to_async(admit, thread_sensitive=False)
    found: tuple[Seat, Admission] | None = await find(user, key, scope["url_route"]["kwargs"]["workspace"])
    return found


def _is_own_page(scope: Scope) -> bool:
    headers = {
        name: value.decode("latin1") for name, value in scope["headers"] if name in {b"origin", b"host"}
    }
    origin, host = headers.get(b"origin", ""), headers.get(b"host", "")
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    if settings.SECURE_PROXY_SSL_HEADER:
        # Behind TLS a page has exactly one origin, and it is in the settings.
        return False
    domain, _ = split_domain_port(host)
    with suppress(ValueError):
        parts = urlsplit(origin)
        return (
            parts.scheme == "http"
            and parts.netloc.lower() == host.lower()
            and validate_host(domain, settings.ALLOWED_HOSTS)
        )
    return False
