"""What members decide about a task: its tool approvals and the review of its result."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.entries import EntryKind
from audit.models import Outcome
from audit.moves import check_move
from audit.services import content_hash, record_decision, redact
from sessions_app.kinds import StaleVersion
from tasks.models import BackgroundTask, WaitingOn
from tasks.saving import LockedTask, lock_task, save_task, write_line
from tasks.states import KIND, WAITING_FOR, moves_of
from workspace.actors import Actor

__all__ = ["accept", "decide_approval", "describe_decision", "dismiss", "send_back"]


@transaction.atomic
def accept(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    seen_version: int,
    seen_hash: str | None = None,
    comment: str = "",
    now: datetime | None = None,
) -> BackgroundTask:
    """waiting on a review -> completed. Raises ValueError unless a member decides.

    `seen_version` is that of the page the decision was taken on, `seen_hash` the hash of what it showed;
    `StaleVersion` says that the task has moved on, or that something else stands there.
    """
    return _decide(
        lock_task(tenant_id, task_id),
        "accept",
        outcome=Outcome.APPROVED,
        actor=actor,
        comment=comment,
        now=now or timezone.now(),
        seen_version=seen_version,
        seen_hash=seen_hash,
        rule=f"{actor.name} accepted the result.",
    )


@transaction.atomic
def send_back(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    seen_version: int,
    comment: str,
    now: datetime | None = None,
) -> BackgroundTask:
    """waiting on a review -> running, with what is to be different. Members alone decide, as in `accept`."""
    return _decide(
        lock_task(tenant_id, task_id),
        "send_back",
        outcome=Outcome.REJECTED,
        actor=actor,
        comment=comment,
        now=now or timezone.now(),
        seen_version=seen_version,
        rule=f"{actor.name} sent the result back.",
    )


@transaction.atomic
def decide_approval(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    seen_version: int,
    is_approved: bool,
    comment: str = "",
    now: datetime | None = None,
) -> BackgroundTask:
    """waiting on an approval -> running; a refused one too, its agent being told. Members alone decide."""
    return _decide(
        lock_task(tenant_id, task_id),
        "approve" if is_approved else "deny",
        outcome=Outcome.APPROVED if is_approved else Outcome.REJECTED,
        actor=actor,
        comment=comment,
        now=now or timezone.now(),
        seen_version=seen_version,
        rule=f"{actor.name} {'approved' if is_approved else 'refused'} it.",
    )


@transaction.atomic
def dismiss(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    comment: str = "",
    now: datetime | None = None,
    seen_version: int | None = None,
    seen_hash: str | None = None,
) -> BackgroundTask:
    """waiting on a review, ended, unknown -> dismissed. In a review it is the decision against the result."""
    now = now or timezone.now()
    locked = lock_task(tenant_id, task_id)
    rule = f"{actor.name} dismissed it."
    if locked.task.state != WAITING_FOR[WaitingOn.REVIEW]:
        return save_task(locked, "dismiss", actor=actor, now=now, rule=rule, seen_version=seen_version)
    return _decide(
        locked,
        "dismiss",
        outcome=Outcome.REJECTED,
        actor=actor,
        comment=comment,
        now=now,
        seen_version=seen_version,
        seen_hash=seen_hash,
        rule=rule,
    )


def describe_decision(task: BackgroundTask) -> dict[str, Any]:
    """What a member is shown who decides about this task now; its receipt keeps it with its hash.

    A request is what its reason says, with the reason's own hash. The call that asks, by its id and its
    arguments, comes with the runtimes that ask.
    """
    return {
        "title": task.title,
        "prompt": task.prompt,
        "waits_on": task.waiting_on,
        "reason": task.waiting_reason,
        "reason_hash": content_hash(task.waiting_reason),
        "result": task.result,
        "version": task.version,
    }


def _decide(
    locked: LockedTask,
    move: str,
    *,
    outcome: Outcome,
    actor: Actor,
    comment: str,
    now: datetime,
    seen_version: int | None,
    rule: str,
    seen_hash: str | None = None,
) -> BackgroundTask:
    task = locked.task
    check_move(task, moves=moves_of(task), move=move, seen_version=seen_version)
    if actor.user_id is None:
        raise ValueError(f"{move} is for a member to decide, not for {actor.name}")
    seen = describe_decision(task)
    if seen_hash and seen_hash != content_hash(seen):
        subject = f"background task “{task.title}”"
        raise StaleVersion(
            subject=subject, seen=seen_version or task.version, current=task.version, status=task.state
        )
    record_decision(
        tenant_id=task.tenant_id,
        session=(KIND, task.pk),
        subject=task.waiting_reason or task.title,
        outcome=outcome,
        seen=seen,
        decided_by_id=actor.user_id,
        comment=redact(tenant_id=task.tenant_id, text=comment),
    )
    decision = {"decision": move, "by": actor.name}
    seq = write_line(task, kind=EntryKind.APPROVAL, text=comment, now=now, role="user", data=decision)
    return save_task(locked, move, actor=actor, now=now, rule=rule, entry_seq=seq)
