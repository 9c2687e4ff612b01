"""What the clock does to chats."""

from __future__ import annotations

from datetime import datetime, timedelta

from celery import shared_task
from django.utils import timezone

from chats.expiring import announce_quiet_chats, end_overdue_chats

__all__ = ["LOOK_BACK", "expire_quiet_chats", "expire_quiet_chats_at"]

#: More than the time between two looks, as beat may be late: to be told twice does no harm.
LOOK_BACK = timedelta(minutes=3)


@shared_task(name="chats.jobs.expire_quiet_chats")  # type: ignore[untyped-decorator]
def expire_quiet_chats() -> None:
    """Each minute: tell open pages of chats that went quiet, and end those that a workspace's limit ends."""
    expire_quiet_chats_at(timezone.now())


def expire_quiet_chats_at(now: datetime) -> None:
    """The same as of an instant. The list itself asks no job: it is right without any worker."""
    announce_quiet_chats(since=now - LOOK_BACK, now=now)
    end_overdue_chats(now=now)
