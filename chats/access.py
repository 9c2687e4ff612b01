"""Who may do what to a chat. Viewers only read, strangers find nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chats.models import Chat
    from workspace.models import Membership

__all__ = ["can_control"]


def can_control(chat: Chat, member: Membership) -> bool:
    """Whether this member may end, resume and rename the chat: its owner and admins."""
    if member.tenant_id != chat.tenant_id or not member.can_run:
        return False
    return member.user_id == chat.owner_id or member.can_manage
