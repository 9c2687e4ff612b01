"""Chats as one kind of session.

Offered is what is done when the button was pressed. Replying and deciding about a tool call are not among it:
they need an agent that answers, and none does yet.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Q

from audit.looking import decision_on, last_output, open_call
from chats import services
from chats.access import can_control
from chats.models import ENDED, OPEN, Chat, ChatStatus
from chats.states import KIND, MOVES
from sessions_app.kinds import (
    Action,
    Evidence,
    Moment,
    Part,
    Peek,
    Progress,
    SessionKind,
    StatusInfo,
    Tone,
)
from sessions_app.registry import register

if TYPE_CHECKING:
    from workspace.actors import Actor
    from workspace.models import Membership

__all__ = ["ChatKind"]

END = Action("end", "End chat", confirm="End this chat? It can be resumed later.")
RESUME = Action("resume", "Resume", is_primary=True)
WAITS_ON = {ChatStatus.AWAITING_APPROVAL: "an approval", ChatStatus.AWAITING_YOU: "your input"}


class ChatKind(SessionKind):
    key = KIND
    label = "Chat"
    label_plural = "Chats"
    icon = "messages-square"
    model = Chat
    statuses = {
        ChatStatus.RESPONDING.value: StatusInfo("Responding", Tone.ACTIVE, "loader-circle", is_working=True),
        ChatStatus.AWAITING_APPROVAL.value: StatusInfo(
            "Awaiting approval", Tone.ATTENTION, "shield-question-mark"
        ),
        ChatStatus.AWAITING_YOU.value: StatusInfo(
            "Awaiting you", Tone.ATTENTION, "message-circle-question-mark"
        ),
        ChatStatus.IDLE.value: StatusInfo("Idle", Tone.NEUTRAL, "message-square"),
        ChatStatus.ENDED.value: StatusInfo("Ended", Tone.SUCCESS, "circle-check"),
        ChatStatus.FAILED.value: StatusInfo("Failed", Tone.PROBLEM, "circle-x"),
    }
    text_fields = ("title", "error", "waiting_reason", "repo", "evidence")
    page = "chats:chat-detail"

    def live_q(self, moment: Moment) -> Q:
        return OPEN & Q(changed_at__gt=moment.quiet_before)

    def rest_qs(self, moment: Moment) -> tuple[Q, ...]:
        return OPEN & Q(changed_at__lte=moment.quiet_before), ENDED

    def is_live(self, obj: Chat, moment: Moment) -> bool:
        return obj.status != ChatStatus.ENDED and obj.changed_at > moment.quiet_before

    def progress(self, obj: Chat) -> Progress:
        return Progress(f"{obj.message_count:,} {'message' if obj.message_count == 1 else 'messages'}")

    def waiting_on(self, obj: Chat) -> tuple[str, datetime | None]:
        whom = WAITS_ON.get(ChatStatus(obj.status))
        if whom is None:
            return "", None
        return f"{whom}: {obj.waiting_reason}" if obj.waiting_reason else whom, obj.waiting_since

    def peek(self, obj: Chat, *, among: int = 1) -> Peek:
        last = last_output(obj.tenant_id, (KIND, obj.pk)) or super().peek(obj)
        if obj.status not in WAITS_ON:
            return last
        said = (Part(last.title, last.text),) if last.text else ()
        return Peek(self.statuses[obj.status].label, obj.waiting_reason, obj.waiting_since, said)

    def decision_on(self, obj: Chat, version: int) -> str:
        return decision_on(obj.tenant_id, (KIND, obj.pk), version)

    def more_evidence(self, obj: Chat) -> list[Evidence]:
        return [*super().more_evidence(obj), *open_call(obj.tenant_id, (KIND, obj.pk))]

    def actions(self, obj: Chat, member: Membership) -> list[Action]:
        if not can_control(obj, member):
            return []
        return [action for action in (RESUME, END) if obj.state in MOVES[action.name].sources]

    def perform(
        self,
        name: str,
        *,
        session_id: uuid.UUID,
        actor: Actor,
        tenant_id: uuid.UUID,
        version: int,
        comment: str,
        content_hash: str = "",
    ) -> str:
        """See `SessionKind.perform`. Raises ValueError for a name that is no action of a chat."""
        if name == "end":
            services.end_chat(tenant_id=tenant_id, chat_id=session_id, actor=actor)
            return "Ended. Nothing beside the chat was touched."
        if name == "resume":
            services.resume_chat(tenant_id=tenant_id, chat_id=session_id, actor=actor)
            return "Resumed: the chat is open again."
        raise ValueError(f"a chat has no action {name!r}")


register(ChatKind())
