"""What a member has looked at: their own view of the work, of which no audit entry tells and nobody hears."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.db import connection, transaction
from uuid_utils.compat import uuid7

from workspace.models import Membership, SeenSession

__all__ = [
    "HORIZON",
    "MOST_MARKS",
    "mark_all_seen",
    "mark_seen",
    "mark_sessions_seen",
    "seen_from",
    "versions_seen",
]

#: What changed longer ago counts as seen.
HORIZON = timedelta(days=7)
#: How many looks of one member are remembered, the newest.
MOST_MARKS = 1_000

MARK = """
INSERT INTO workspace_seensession (id, tenant_id, membership_id, session_kind, session_id, version, seen_at)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (tenant_id, membership_id, session_kind, session_id) DO UPDATE
SET version = greatest(workspace_seensession.version, excluded.version), seen_at = excluded.seen_at
"""


def seen_from(membership: Membership, now: datetime) -> datetime:
    """The instant from which on this member may have missed something."""
    return max(membership.seen_until or membership.created_at, now - HORIZON)


def versions_seen(membership: Membership, ids: Collection[uuid.UUID]) -> dict[tuple[str, uuid.UUID], int]:
    """The versions that the member saw of those of these sessions that they looked at."""
    marks = membership.seen_sessions.filter(tenant_id=membership.tenant_id, session_id__in=ids)
    return {
        (kind, key): version
        for kind, key, version in marks.values_list("session_kind", "session_id", "version")
    }


def mark_seen(
    *, membership: Membership, kind: str, session_id: uuid.UUID, version: int, now: datetime
) -> None:
    """The member has looked at this version of a session."""
    mark_sessions_seen(membership=membership, versions={(kind, session_id): version}, now=now)


@transaction.atomic
def mark_sessions_seen(
    *, membership: Membership, versions: Mapping[tuple[str, uuid.UUID], int], now: datetime
) -> None:
    """The member has looked at these versions; an older one than they have seen changes nothing.

    Marks that nobody needs any more go: those from before the horizon, and the oldest above `MOST_MARKS`.
    The same few queries for any number of sessions.
    """
    mine = (membership.tenant_id, membership.pk)
    # In one order, so that two of a member's pages do not wait for each other.
    marks = [(uuid7(), *mine, *key, version, now) for key, version in sorted(versions.items())]
    with connection.cursor() as cursor:
        cursor.executemany(MARK, marks)
    kept = SeenSession.objects.for_tenant(membership.tenant_id).filter(membership=membership)
    kept.filter(seen_at__lt=seen_from(membership, now)).delete()
    surplus = kept.order_by("-seen_at", "-id").values_list("pk")[MOST_MARKS : 2 * MOST_MARKS]
    kept.filter(pk__in=[pk for (pk,) in surplus]).delete()


@transaction.atomic
def mark_all_seen(*, membership: Membership, now: datetime) -> None:
    """Whatever has changed up to now counts as seen; single marks are needed no more."""
    rows = Membership.objects.for_tenant(membership.tenant_id).filter(pk=membership.pk)
    rows.update(seen_until=now)
    marks = SeenSession.objects.for_tenant(membership.tenant_id)
    marks.filter(membership=membership, seen_at__lte=now).delete()
