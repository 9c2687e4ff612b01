"""Telling open pages that a session has changed: a hint with its key, never the data.

Each tenant has a stream, which remembers the changes of late, and a channel, on which they are told at once.
A rev is the stream's id of a change. `docs/live.md` says how a page gets from here to what it shows.
"""

from __future__ import annotations

import logging
import uuid
from functools import cache, partial
from typing import Any, Literal, TypedDict

import redis
from django.conf import settings
from django.db import transaction

__all__ = [
    "ACCESS_CHANNEL",
    "STREAM_LENGTH",
    "SessionChanged",
    "announce",
    "announce_access",
    "channel_name",
    "read_change",
    "stream_name",
    "valkey",
]

logger = logging.getLogger(__name__)

#: How many changes a tenant's stream keeps, roughly: what a page that reconnects can catch up on.
STREAM_LENGTH = 10_000

#: Where it is told that somebody may see less than before.
ACCESS_CHANNEL = "sessions:access"

#: One round trip and one atomic step: nobody hears of a change that the stream does not hold.
ANNOUNCE = """
local rev = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'kind', ARGV[2], 'id', ARGV[3])
redis.call('PUBLISH', KEYS[2], rev .. ' ' .. ARGV[2] .. ' ' .. ARGV[3])
return rev
"""


class SessionChanged(TypedDict):
    """What the stream holds of one change; `rev` is the stream's id of it."""

    type: Literal["session.changed"]
    rev: str
    kind: str
    id: str


def stream_name(tenant_id: uuid.UUID) -> str:
    return f"sessions:{{{tenant_id}}}:changes"


def channel_name(tenant_id: uuid.UUID) -> str:
    return f"sessions:{{{tenant_id}}}:live"


def announce(*, tenant_id: uuid.UUID, kind: str, id: uuid.UUID) -> None:
    """Once the transaction has committed, say that this session has changed.

    A broker that is away loses the hint, not the change: the write stands and the failure is logged.
    """
    transaction.on_commit(partial(_publish, tenant_id, kind, id), robust=True)


def announce_access() -> None:
    """Once the transaction has committed, have every web process look who may still listen.

    They look every few seconds anyway: a hint that is lost costs those seconds.
    """
    transaction.on_commit(_publish_access, robust=True)


def read_change(message: str) -> SessionChanged:
    """What `announce` has published. Raises ValueError for anything else."""
    rev, kind, session_id = message.split(" ")
    return SessionChanged(type="session.changed", rev=rev, kind=kind, id=session_id)


def _publish(tenant_id: uuid.UUID, kind: str, id: uuid.UUID) -> None:
    keys = [stream_name(tenant_id), channel_name(tenant_id)]
    try:
        _script()(keys=keys, args=[STREAM_LENGTH, kind, str(id)])
    except redis.RedisError as error:
        logger.warning("a change of %s %s was not announced: %s", kind, id, error)


def _publish_access() -> None:
    try:
        valkey().publish(ACCESS_CHANNEL, "changed")
    except redis.RedisError as error:
        logger.warning("a change of access was not announced: %s", error)


@cache
def valkey() -> Any:
    """This process's client; its answers are text, and it waits for none longer than two seconds."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, decode_responses=True
    )


@cache
def _script() -> Any:
    return valkey().register_script(ANNOUNCE)
