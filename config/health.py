"""/healthz: 200 when every part of the product is up, else 503 naming the parts that are not.

It is answered before Django sees the request: no session, no thread, no host name to allow. One round trip
to PostgreSQL and one to Valkey, nothing that any worker has to react to.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from django.conf import settings
from psycopg.conninfo import make_conninfo
from redis.asyncio import Redis

from config.heartbeat import KEY_PREFIX, LIFETIME_SECONDS, PATIENCE_SECONDS, is_sign_of_the_living, read_place

# A worker answers for each queue it serves: queues may be spread over any number of workers.
BEATING_PARTS = ("worker:runs", "worker:intake", "worker:default", "beat")
OK = "ok"
PLACE = read_place()

Send = Callable[[dict[str, Any]], Awaitable[None]]


class HealthProbe:
    """Looks at every part. Keeps one connection to each service, and belongs to one event loop.

    Without arguments it looks at the services that the settings name.
    """

    def __init__(self, *, conninfo: str | None = None, redis_url: str | None = None) -> None:
        self._conninfo = conninfo or read_conninfo()
        self._database: psycopg.AsyncConnection | None = None
        self._redis: Redis = Redis.from_url(redis_url or settings.REDIS_URL, socket_timeout=PATIENCE_SECONDS)
        self._looking = asyncio.Lock()

    async def look(self) -> dict[str, str]:
        """``ok`` or what is wrong, by part; the web part is the one that answers."""
        async with self._looking:
            database, beating = await asyncio.gather(self._look_at_postgres(), self._look_at_valkey())
        return {"web": OK, "postgres": database, **beating}

    async def close(self) -> None:
        await self._drop_database()
        await self._redis.aclose()

    async def _look_at_postgres(self) -> str:
        # The kept connection may be that of a server which has been restarted since: that is no failure.
        for is_last_try in (self._database is None, True):
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._ask_database()
                return OK
            except (psycopg.Error, OSError, TimeoutError) as error:
                await self._drop_database()
                if is_last_try:
                    return describe(error)
        return OK

    async def _ask_database(self) -> None:
        if self._database is None:
            self._database = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        await self._database.execute("SELECT 1")

    async def _drop_database(self) -> None:
        if self._database is not None:
            await self._database.close()
            self._database = None

    async def _look_at_valkey(self) -> dict[str, str]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                found: list[Any] = await self._redis.mget([KEY_PREFIX + part for part in BEATING_PARTS])
        except Exception as error:
            # Nothing is known of those who would leave their signs there.
            return {"valkey": describe(error), **dict.fromkeys(BEATING_PARTS, "unknown without valkey")}
        signs = {part: read_sign(sign) for part, sign in zip(BEATING_PARTS, found, strict=True)}
        return {"valkey": OK, **signs}


def read_sign(sign: bytes | None) -> str:
    if sign is None:
        return f"no sign of life for {LIFETIME_SECONDS} s"
    return OK if is_sign_of_the_living(sign, PLACE) else "its process is gone"


def describe(error: BaseException) -> str:
    """One line; a time limit has no words of its own."""
    return " ".join(str(error).split())[:200] or f"no answer within {PATIENCE_SECONDS:.0f} s"


def read_conninfo() -> str:
    """How Django reaches its database, in the driver's words."""
    database: dict[str, Any] = settings.DATABASES["default"]
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    words = {name: database[key] for key, name in names.items() if database.get(key)}
    options = {key: value for key, value in database.get("OPTIONS", {}).items() if key != "pool"}
    return make_conninfo(**words, **options)


class HealthApplication:
    """The ASGI application behind /healthz."""

    def __init__(self) -> None:
        self._probe: HealthProbe | None = None

    async def __call__(self, scope: dict[str, Any], send: Send) -> None:
        if scope["method"] not in {"GET", "HEAD"}:
            await answer(send, 405, {"status": "only GET and HEAD"}, with_body=True)
            return
        if self._probe is None:
            self._probe = HealthProbe()
        parts = await self._probe.look()
        failing = [part for part, condition in parts.items() if condition != OK]
        body = {"status": "failing" if failing else OK, "failing": failing, "parts": parts}
        await answer(send, 503 if failing else 200, body, with_body=scope["method"] == "GET")

    async def close(self) -> None:
        if self._probe is not None:
            await self._probe.close()
            self._probe = None


async def answer(send: Send, status: int, body: dict[str, Any], *, with_body: bool) -> None:
    content = json.dumps(body, indent=1).encode() + b"\n"
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content if with_body else b""})
