"""Chats: a person and an agent, turn by turn; read-only (Ask) or working (Chat)."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from agents.models import profile_index
from sessions_app.kinds import Origin, SessionModel, open_field, session_indexes
from workspace.tenancy import TenantQuerySet


class ChatStatus(models.TextChoices):
    RESPONDING = "responding"
    AWAITING_APPROVAL = "awaiting_approval"
    AWAITING_YOU = "awaiting_you"
    IDLE = "idle"
    FAILED = "failed"
    ENDED = "ended"


class ChatMode(models.TextChoices):
    ASK = "ask", "Ask (read-only)"
    CHAT = "chat", "Chat"


#: Said by status, as the constraint on `ended_at` allows, so that a status filter can rule a half out.
OPEN = ~Q(status="ended")
ENDED = Q(status="ended")


class Chat(SessionModel):
    """A conversation. Its turns have states; the chat itself is open until somebody ends it.

        idle, awaiting_you, failed --message--> responding
        responding -> idle (turn over) | awaiting_you (an explicit question) | awaiting_approval | failed
        awaiting_approval -> responding (decided);  awaiting_you -> responding | idle
        any open status -> ended;  ended -> idle (resumed)

    `last_message_at` is the newest user or assistant message, tool calls and results included; a chat without
    one yet counts from its start. An open chat's `changed_at` is its `last_message_at`, so that both halves
    of the open chats, live and quiet, are ranges of one index. `message_count` counts the texts people see.
    """

    mode = models.CharField(max_length=4, choices=ChatMode, default=ChatMode.CHAT)
    status = models.CharField(max_length=20, choices=ChatStatus, default=ChatStatus.IDLE)
    is_open = open_field(OPEN)
    last_message_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    waiting_reason = models.CharField(max_length=500, blank=True)
    waiting_since = models.DateTimeField(null=True, blank=True)
    message_count = models.PositiveIntegerField(default=0)
    turn_count = models.PositiveIntegerField(default=0)
    profile = models.ForeignKey(
        "agents.Profile", on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="+"
    )

    objects = TenantQuerySet["Chat"].as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(status__in=ChatStatus.values), name="chat_status_known"),
            models.CheckConstraint(condition=Q(origin__in=Origin.values), name="chat_origin_known"),
            models.CheckConstraint(condition=Q(mode__in=ChatMode.values), name="chat_mode_known"),
            models.CheckConstraint(
                condition=Q(status="ended", ended_at__isnull=False)
                | (~Q(status="ended") & Q(ended_at__isnull=True)),
                name="chat_ended_has_time",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=False) | Q(changed_at=F("last_message_at")),
                name="chat_open_changes_with_messages",
            ),
        ]
        indexes = [
            *session_indexes(
                "chat",
                {
                    "open": OPEN,
                    "ended": ENDED,
                    "active": Q(status="responding"),
                    "attention": Q(status__in=["awaiting_approval", "awaiting_you"]),
                    "problem": Q(status="failed"),
                },
            ),
            profile_index("chat"),
        ]
