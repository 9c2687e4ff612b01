"""Reading a tenant's stream of changes: how far it has come, and what came since."""

from __future__ import annotations

import logging
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from sessions_app.hydration import SessionKey
from sessions_app.kinds import Moment
from sessions_app.live import stream_name, valkey
from sessions_app.looking import changed_since
from workspace.models import Tenant

__all__ = ["MOST_CHANGES", "Changes", "announced_since", "changes_since", "current_rev", "is_rev", "later"]

logger = logging.getLogger(__name__)

#: The id of the stream's last entry. A stream that is empty, or was lost with the broker's memory, is begun:
#: then no page holds a rev of which nobody can tell whether the stream still goes back to it.
LATEST = """
local latest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
return latest[1] and latest[1][1] or redis.call('XADD', KEYS[1], '*', 'begun', '')
"""

#: Above so many changed sessions a page is read anew: they would cost more one by one.
MOST_CHANGES = 200

#: How long a write that nobody announced may take from the time that it bears to its commit, and still be
#: caught up on. The clocks of the database and of the broker differ by less.
SLOWEST_COMMIT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Changes:
    """The sessions that changed up to `rev`."""

    rev: str
    keys: frozenset[SessionKey]


def is_rev(text: str) -> bool:
    """Whether the text has the form of a rev."""
    return re.fullmatch(r"[0-9]{1,15}-[0-9]{1,15}", text) is not None


def later(one: str, other: str) -> str:
    """The later of two revs; "" is before all others."""
    return max(one, other, key=lambda rev: tuple(map(int, rev.split("-"))) if rev else (-1,))


def current_rev(tenant_id: uuid.UUID) -> str:
    """The rev of the latest change; "" if the broker is away.

    Read it before what it stands for: then nothing that is announced later is missed.
    """
    try:
        return str(valkey().eval(LATEST, 1, stream_name(tenant_id)))
    except redis.RedisError as error:
        logger.warning("the stream of changes cannot be read: %s", error)
        return ""


def changes_since(tenant: Tenant, rev: str, moment: Moment) -> Changes | None:
    """What changed after this rev; None if that cannot be told, or is too much: read everything anew then.

    What nobody announced, and what the clock has done, is found in the database by the time of the rev.
    """
    name = stream_name(tenant.pk)
    try:
        is_known = bool(valkey().xrange(name, rev, rev, count=1))
        told = valkey().xrange(name, f"({rev}", "+", count=10 * MOST_CHANGES)
    except redis.RedisError as error:
        logger.warning("the stream of changes cannot be read: %s", error)
        return None
    at = datetime.fromtimestamp(int(rev.partition("-")[0]) / 1000, UTC) - SLOWEST_COMMIT
    is_outdated = tenant.rows_outdated_at is not None and tenant.rows_outdated_at > at
    if not is_known or is_outdated or len(told) == 10 * MOST_CHANGES:
        return None
    keys = _keys(told).union(changed_since(tenant.pk, at, moment, limit=MOST_CHANGES + 1))
    if len(keys) > MOST_CHANGES:
        return None
    return Changes(told[-1][0] if told else rev, keys)


def announced_since(tenant_id: uuid.UUID, rev: str) -> Changes:
    """What the stream alone holds after this rev: nothing if the broker is away, or for the rev ""."""
    if not rev:
        return Changes(current_rev(tenant_id), frozenset())
    try:
        told = valkey().xrange(stream_name(tenant_id), f"({rev}", "+", count=10 * MOST_CHANGES)
    except redis.RedisError as error:
        logger.warning("the stream of changes cannot be read: %s", error)
        return Changes(rev, frozenset())
    return Changes(told[-1][0] if told else rev, _keys(told))


def _keys(told: Any) -> frozenset[SessionKey]:
    """The sessions that entries of a stream name; the one that it was begun with names none."""
    return frozenset((fields["kind"], uuid.UUID(fields["id"])) for _, fields in told if "kind" in fields)
