"""Who may do what to a task. Viewers only read, strangers find nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.models import BackgroundTask
    from workspace.models import Membership

__all__ = ["can_control", "can_review"]


def can_review(task: BackgroundTask, member: Membership) -> bool:
    """Whether this member may decide about the task's result: anyone who runs things here."""
    return member.tenant_id == task.tenant_id and member.can_run


def can_control(task: BackgroundTask, member: Membership) -> bool:
    """Whether this member may cancel the task or put it away: its owner and admins."""
    return can_review(task, member) and (member.user_id == task.owner_id or member.can_manage)
