"""Reads of background tasks that more than one place needs."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from tasks.models import BackgroundTask

__all__ = ["MAX_SHOWN", "carriers_of", "children_of", "started_by", "title_of"]

#: A page lists at most this many sub-agents; the roll-up counts all of them.
MAX_SHOWN = 200


def children_of(task: BackgroundTask) -> QuerySet[BackgroundTask]:
    """The sub-agents of a fan-out, in the order in which they were started."""
    rows = BackgroundTask.objects.for_tenant(task.tenant_id).filter(parent=task)
    return _with_names(rows).order_by("created_at")[:MAX_SHOWN]


def started_by(*, tenant_id: uuid.UUID, kind: str, session_id: uuid.UUID) -> QuerySet[BackgroundTask]:
    """The tasks that another session started, by the calls of its transcript."""
    rows = BackgroundTask.objects.for_tenant(tenant_id).filter(source_kind=kind, source_id=session_id)
    return _with_names(rows).order_by("created_at")[:MAX_SHOWN]


def carriers_of(tenant_id: uuid.UUID, source_kind: str, source_id: uuid.UUID) -> QuerySet[BackgroundTask]:
    """The tasks that carry or carried this source, the newest first: that one follows it."""
    rows = BackgroundTask.objects.for_tenant(tenant_id).filter(
        source_kind=source_kind, source_id=source_id, is_carrier=True
    )
    return rows.order_by("-created_at", "-pk")


def title_of(tenant_id: uuid.UUID, task_id: uuid.UUID) -> str:
    """A task's title, "" if there is no such task."""
    rows = BackgroundTask.objects.for_tenant(tenant_id).filter(pk=task_id)
    return rows.values_list("title", flat=True).first() or ""


def _with_names(rows: QuerySet[BackgroundTask]) -> QuerySet[BackgroundTask]:
    return rows.select_related("owner", "initiative", "plan").defer("search_text", "prompt", "result")
