"""Reading a tenant's stream of changes: how far it has come, and what came since."""

from __future__ import annotations

import logging
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import redis

from sessions_app.hydration import SessionKey
from sessions_app.kinds import Moment
from sessions_app.live import stream_name, valkey
from sessions_app.looking import changed_since

__all__ = ["MOST_CHANGES", "Changes", "changes_since", "current_rev", "is_rev", "later"]

logger = logging.getLogger(__name__)

#: The rev of a tenant in whose name nothing was ever announced.
BEGINNING = "0-0"

#: Above so many changed sessions a page is read anew: they would cost more one by one.
MOST_CHANGES = 200

#: How long a write may take from the time that it bears to its commit, and still be caught up on.
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
        latest = valkey().xrevrange(stream_name(tenant_id), count=1)
    except redis.RedisError as error:
        logger.warning("the stream of changes cannot be read: %s", error)
        return ""
    return str(latest[0][0]) if latest else BEGINNING


def changes_since(tenant_id: uuid.UUID, rev: str, moment: Moment) -> Changes | None:
    """What changed after this rev; None if that cannot be told, or is too much: read everything anew then.

    A change whose announcement was lost is found by its time in the database.
    """
    name = stream_name(tenant_id)
    try:
        known = valkey().xrange(name, rev, rev, count=1)
        told = valkey().xrange(name, f"({rev}", "+", count=10 * MOST_CHANGES)
        is_whole = bool(known) or (rev == BEGINNING and _was_never_cut(name))
    except redis.RedisError as error:
        logger.warning("the stream of changes cannot be read: %s", error)
        return None
    if not is_whole or len(told) == 10 * MOST_CHANGES:
        return None
    keys: set[SessionKey] = {(fields["kind"], uuid.UUID(fields["id"])) for _, fields in told}
    if rev != BEGINNING:
        at = datetime.fromtimestamp(int(rev.partition("-")[0]) / 1000, UTC) - SLOWEST_COMMIT
        keys |= set(changed_since(tenant_id, at, moment, limit=MOST_CHANGES + 1))
    if len(keys) > MOST_CHANGES:
        return None
    return Changes(told[-1][0] if told else rev, frozenset(keys))


def _was_never_cut(name: str) -> bool:
    if not valkey().exists(name):
        return True
    about = valkey().xinfo_stream(name)
    return bool(about["entries-added"] == about["length"])
