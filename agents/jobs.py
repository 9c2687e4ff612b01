"""Background jobs of agents, on the queue `default`."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from agents.folders import forget_folders
from sessions_app.kinds import Tone
from sessions_app.registry import all_kinds

__all__ = ["forget_old_folders", "has_ended"]

#: What somebody or something will go on with.
_GOING_ON = {Tone.ACTIVE, Tone.ATTENTION}


@shared_task(name="agents.jobs.forget_folders")  # type: ignore[untyped-decorator]
def forget_old_folders() -> None:
    """Remove the folders on this machine of sessions that ended long ago."""
    forget_folders(timezone.now() - timedelta(days=settings.WORK_KEEP_DAYS), has_ended)


def has_ended(tenant_id: uuid.UUID, session_id: uuid.UUID) -> bool:
    """Whether nobody goes on with the session; one that is gone has ended."""
    for kind in all_kinds():
        rows: Any = kind.model._default_manager.filter(tenant_id=tenant_id, pk=session_id)
        if (found := rows.values_list("status", "is_open").first()) is not None:
            status, is_open = found
            return not is_open and kind.statuses[status].tone not in _GOING_ON
    return True
