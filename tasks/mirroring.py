"""A task that carries another session shows that session's state: what changes there, changes here."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit.headlines import make_headline
from audit.moves import Move, save_progress
from audit.services import redact
from tasks.models import BackgroundTask, TaskStatus, WaitingOn
from tasks.queries import carriers_of
from tasks.saving import LockedTask, lock_task, save_task
from tasks.states import ENDED, KIND, WAITING_FOR
from workspace.actors import Actor

__all__ = ["mirror_progress", "mirror_source"]

_ANY = [*(status for status in TaskStatus if status != TaskStatus.WAITING), *WAITING_FOR.values()]


@transaction.atomic
def mirror_source(
    *,
    tenant_id: uuid.UUID,
    source_kind: str,
    source_id: uuid.UUID,
    status: TaskStatus,
    waiting_on: WaitingOn | None = None,
    reason: str = "",
    error: str = "",
    result: str = "",
    turn_count: int | None = None,
    substate: str = "",
    approver_ids: Sequence[uuid.UUID] | None = None,
    actor: Actor,
    now: datetime | None = None,
) -> BackgroundTask | None:
    """Bring the task that carries this source to the source's state; None if no task carries it.

    The source's service calls it in its own transaction, its own row being locked, at each of its moves, and
    says its state in a task's words: `waiting_on` goes with `TaskStatus.WAITING` alone, `approver_ids` with
    an approval (empty: any member; None: the owner). What is the same already changes nothing. Every state
    may follow every other, since the source has its own table.
    """
    now = now or timezone.now()
    locked = _lock_carrier(tenant_id, source_kind, source_id)
    if locked is None:
        return None
    task = locked.task
    fields = {
        "waiting_on": waiting_on or "",
        "approver_ids": list(approver_ids)
        if waiting_on == WaitingOn.APPROVAL and approver_ids is not None
        else None,
        "waiting_reason": make_headline(tenant_id, reason),
        "error": make_headline(tenant_id, error),
        "result": redact(tenant_id=tenant_id, text=result) or task.result,
    }
    progress: dict[str, object] = {"substate": make_headline(tenant_id, substate)[:200]}
    if turn_count is not None:
        progress["turn_count"] = turn_count
    if task.status == status and all(getattr(task, name) == value for name, value in fields.items()):
        if any(getattr(task, name) != value for name, value in progress.items()):
            save_progress(task, kind=KIND, now=now, fields=progress)
        return task
    return save_task(
        locked,
        "mirror",
        actor=actor,
        now=now,
        rule=f"It carries a {source_kind.replace('_', ' ')} and shows its state.",
        fields={**fields, **progress, **_times(task, status, waiting_on, now)},
        moves={"mirror": Move.of(_ANY, status)},
    )


@transaction.atomic
def mirror_progress(
    *,
    tenant_id: uuid.UUID,
    source_kind: str,
    source_id: uuid.UUID,
    turns: int = 0,
    substate: str | None = None,
    now: datetime | None = None,
) -> None:
    """What the source has done since: so many further turns, and the sub-step that it is at, if it is given.

    Moves no version, writes no audit entry. Nothing happens where no task carries the source.
    """
    locked = _lock_carrier(tenant_id, source_kind, source_id)
    if locked is None:
        return
    fields: dict[str, object] = {"turn_count": locked.task.turn_count + turns}
    if substate is not None:
        fields["substate"] = make_headline(tenant_id, substate)[:200]
    save_progress(locked.task, kind=KIND, now=now or timezone.now(), fields=fields)


def _lock_carrier(tenant_id: uuid.UUID, source_kind: str, source_id: uuid.UUID) -> LockedTask | None:
    carrier_id = carriers_of(tenant_id, source_kind, source_id).values_list("pk", flat=True).first()
    return lock_task(tenant_id, carrier_id) if carrier_id else None


def _times(
    task: BackgroundTask, status: TaskStatus, waiting_on: WaitingOn | None, now: datetime
) -> dict[str, datetime | None]:
    """When the carrier began, began to wait and ended, as far as its source's state says by itself."""
    goes_on_waiting = task.waiting_on == waiting_on and task.waiting_since is not None
    return {
        "started_at": task.started_at if status == TaskStatus.QUEUED else task.started_at or now,
        "waiting_since": (task.waiting_since if goes_on_waiting else now) if waiting_on else None,
        "finished_at": (task.finished_at or now) if status in ENDED else None,
    }
