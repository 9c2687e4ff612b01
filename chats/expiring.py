"""What time does to open chats: they go quiet, and end where a workspace has set a limit."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import ExpressionWrapper, F, Value
from django.db.models.fields import DateTimeField

from audit.moves import lock_session, save_move
from chats.models import OPEN, Chat
from chats.states import KIND, MOVES
from sessions_app.kinds import read_evidence
from sessions_app.live import announce
from workspace.actors import Actor, ActorKind
from workspace.models import Tenant

__all__ = ["POLICY", "announce_quiet_chats", "end_overdue_chat", "end_overdue_chats"]

POLICY = Actor(ActorKind.SYSTEM, "policy")

#: How many chats of a workspace one run ends at most; the next run goes on.
MOST_ENDED = 500


def announce_quiet_chats(*, since: datetime, now: datetime) -> int:
    """Tell open pages of each chat that left the live band after `since`; how many there were.

    Changes nothing: where a chat stands is asked of the clock whenever a list is read.
    """
    limit = ExpressionWrapper(
        F("tenant__quiet_after_minutes") * Value(timedelta(minutes=1)), output_field=DateTimeField()
    )
    quiet = Chat.objects.filter(
        OPEN,
        tenant__suspended_at__isnull=True,
        changed_at__gt=Value(since) - limit,
        changed_at__lte=Value(now) - limit,
    )
    found = list(quiet.values_list("tenant_id", "pk"))
    for tenant_id, chat_id in found:
        announce(tenant_id=tenant_id, kind=KIND, id=chat_id)
    return len(found)


def end_overdue_chats(*, now: datetime) -> int:
    """End what the limits of workspaces end as of `now`; how many there were."""
    count = 0
    limited = Tenant.objects.filter(end_chats_after_minutes__isnull=False, suspended_at__isnull=True)
    for tenant in limited.order_by("pk"):
        before = now - timedelta(minutes=tenant.end_chats_after_minutes or 0)
        overdue = Chat.objects.for_tenant(tenant.pk).filter(OPEN, is_folded=False, changed_at__lte=before)
        for chat_id in list(overdue.order_by("changed_at").values_list("pk", flat=True)[:MOST_ENDED]):
            count += end_overdue_chat(tenant_id=tenant.pk, chat_id=chat_id, before=before, now=now)
    return count


@transaction.atomic
def end_overdue_chat(*, tenant_id: uuid.UUID, chat_id: uuid.UUID, before: datetime, now: datetime) -> bool:
    """End an open chat in which nothing was said or decided after `before`; whether it was ended.

    One that a worker holds is left alone, and one that somebody has opened again begins anew.
    """
    chat = lock_session(Chat, tenant_id=tenant_id, session_id=chat_id)
    is_held = chat.lease_expires_at is not None and chat.lease_expires_at > now
    moments = [item.at for item in read_evidence(chat.evidence) if item.at]
    if chat.ended_at or is_held or max([chat.last_message_at, *moments]) > before:
        return False
    save_move(
        chat,
        kind=KIND,
        moves=MOVES,
        move="end",
        actor=POLICY,
        now=now,
        rule="Ended by policy: nobody has written for as long as the workspace allows.",
        fields={
            "ended_at": now,
            "waiting_reason": "",
            "waiting_since": None,
            "lease_holder": "",
            "lease_expires_at": None,
        },
    )
    return True
