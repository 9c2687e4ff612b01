"""Who is answering a session just now: told to others so that two do not write the same, never in the way.

A claim is a key in Valkey that runs out by itself; without Valkey nobody is told, and all else goes on.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection
from typing import Any

import redis

from sessions_app.live import announce, valkey
from workspace.models import User

__all__ = ["CLAIM_SECONDS", "claim", "claims_of", "release"]

logger = logging.getLogger(__name__)

#: A page that still has its form open says so more often than this.
CLAIM_SECONDS = 30

type SessionKey = tuple[str, uuid.UUID]

#: Take or keep a claim that is mine or nobody's; 1 if it is new. ARGV: who (id and name), seconds.
TAKE = """
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return held and 0 or 1
"""
#: Give up a claim that is mine; 1 if it was.
GIVE_UP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


def claim(*, tenant_id: uuid.UUID, key: SessionKey, user: User) -> None:
    """Say that this person is answering, for the next `CLAIM_SECONDS`; whoever said so first stays named."""
    _run(TAKE, tenant_id, key, [_value(user), CLAIM_SECONDS])


def release(*, tenant_id: uuid.UUID, key: SessionKey, user: User) -> None:
    """Say that this person is not answering any more."""
    _run(GIVE_UP, tenant_id, key, [_value(user)])


def claims_of(tenant_id: uuid.UUID, keys: Collection[SessionKey]) -> dict[SessionKey, tuple[uuid.UUID, str]]:
    """Id and name of whoever is answering each of these sessions; one round trip, none for no keys."""
    wanted = [*keys]
    if not wanted:
        return {}
    try:
        held = valkey().mget([_name(tenant_id, key) for key in wanted])
    except redis.RedisError as error:
        logger.warning("claims cannot be read: %s", error)
        return {}
    found = {}
    for key, value in zip(wanted, held, strict=True):
        if value:
            user_id, _, name = value.partition(" ")
            found[key] = uuid.UUID(user_id), name
    return found


def _run(script: str, tenant_id: uuid.UUID, key: SessionKey, args: list[Any]) -> None:
    """Run it and, where it changed who is named, announce the session: its row says who is answering."""
    try:
        has_changed = valkey().eval(script, 1, _name(tenant_id, key), *args)
    except redis.RedisError as error:
        logger.warning("a claim was not kept: %s", error)
        return
    if has_changed:
        announce(tenant_id=tenant_id, kind=key[0], id=key[1])


def _name(tenant_id: uuid.UUID, key: SessionKey) -> str:
    return f"sessions:{{{tenant_id}}}:claim:{key[0]}:{key[1]}"


def _value(user: User) -> str:
    return f"{user.pk} {user.display_name}"
