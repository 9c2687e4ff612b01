"""Every write to a background task.

Each function is one transaction: the row, its audit entry, the announcement on commit. A stranger's id raises
`BackgroundTask.DoesNotExist`; a move that the state machine does not have raises `IllegalMove`, and a
`seen_version` that is not the row's `StaleVersion`, with nothing changed. `now` is the time of the change,
the clock's by default. Texts are redacted here before they are stored.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit.entries import EntryKind
from audit.headlines import make_headline
from audit.imports import Delivery, append_delivery
from audit.moves import allowed_moves, check_move, save_progress
from audit.services import redact
from sessions_app.kinds import IllegalMove
from tasks.creating import ChildSpec, Source, create_task, insert_child
from tasks.deciding import accept, decide_approval, describe_decision, dismiss, send_back
from tasks.importing import ImportedTask, sync_imported_task
from tasks.mirroring import mirror_progress, mirror_source
from tasks.models import LIVE_STATUSES, BackgroundTask, WaitingOn
from tasks.saving import count_child, lock_children, lock_task, save_task, settle, write_line
from tasks.states import KIND, moves_of
from workspace.actors import Actor

__all__ = [
    "ChildSpec",
    "ImportedTask",
    "Source",
    "accept",
    "answer",
    "cancel",
    "complete",
    "create_task",
    "decide_approval",
    "describe_decision",
    "dismiss",
    "fail",
    "fan_out",
    "mark_unknown",
    "mirror_progress",
    "mirror_source",
    "record_progress",
    "resume",
    "retry",
    "send_back",
    "start",
    "start_provisioning",
    "sync_imported_task",
    "wait",
]


@transaction.atomic
def start_provisioning(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    substate: str = "",
    now: datetime | None = None,
    seen_version: int | None = None,
) -> BackgroundTask:
    """queued -> provisioning. `substate` names the step that is under way."""
    return save_task(
        lock_task(tenant_id, task_id),
        "start_provisioning",
        actor=actor,
        now=now or timezone.now(),
        rule="A worker has taken it up and makes its place ready.",
        fields={"substate": make_headline(tenant_id, substate)[:200]},
        seen_version=seen_version,
    )


@transaction.atomic
def start(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    now: datetime | None = None,
    seen_version: int | None = None,
) -> BackgroundTask:
    """provisioning -> running."""
    now = now or timezone.now()
    return save_task(
        lock_task(tenant_id, task_id),
        "start",
        actor=actor,
        now=now,
        rule="Its agent is at work.",
        fields={"started_at": now},
        seen_version=seen_version,
    )


@transaction.atomic
def wait(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    on: WaitingOn,
    reason: str,
    now: datetime | None = None,
    seen_version: int | None = None,
    entry_seq: int | None = None,
) -> BackgroundTask:
    """running -> waiting. On children none of which is left to wait for: the task goes on at once."""
    now = now or timezone.now()
    task = save_task(
        lock_task(tenant_id, task_id),
        "wait",
        actor=actor,
        now=now,
        rule=f"It waits on {on.label}.",
        fields=_waiting(tenant_id, on, reason, now),
        seen_version=seen_version,
        entry_seq=entry_seq,
    )
    settle(task, now=now)
    return task


@transaction.atomic
def resume(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    now: datetime | None = None,
    seen_version: int | None = None,
) -> BackgroundTask:
    """waiting on input or children, unknown -> running: what it waited for is there, or it was seen at work.

    An approval and a review are decided, not resumed.
    """
    return save_task(
        lock_task(tenant_id, task_id),
        "resume",
        actor=actor,
        now=now or timezone.now(),
        rule="Its agent is at work again.",
        seen_version=seen_version,
    )


@transaction.atomic
def answer(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    text: str,
    now: datetime | None = None,
    seen_version: int | None = None,
) -> BackgroundTask:
    """waiting on input -> running; the answer stands in the transcript as the user's message."""
    now = now or timezone.now()
    locked = lock_task(tenant_id, task_id)
    check_move(locked.task, moves=moves_of(locked.task), move="answer", seen_version=seen_version)
    return save_task(
        locked,
        "answer",
        actor=actor,
        now=now,
        rule="Its question was answered.",
        entry_seq=write_line(locked.task, kind=EntryKind.MESSAGE, text=text, now=now, role="user"),
    )


@transaction.atomic
def complete(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    result: str = "",
    needs_review: bool = False,
    now: datetime | None = None,
    seen_version: int | None = None,
) -> BackgroundTask:
    """running, unknown -> completed; running -> waiting on a review if somebody is to look at the result."""
    now = now or timezone.now()
    fields: dict[str, object] = {"result": redact(tenant_id=tenant_id, text=result), "error": ""}
    rule = "Its agent is done."
    if needs_review:
        fields |= _waiting(tenant_id, WaitingOn.REVIEW, result, now)
        rule = "Its agent is done; somebody is to look at the result."
    return save_task(
        lock_task(tenant_id, task_id),
        "request_review" if needs_review else "complete",
        actor=actor,
        now=now,
        rule=rule,
        fields=fields,
        seen_version=seen_version,
    )


@transaction.atomic
def fail(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    error: str,
    now: datetime | None = None,
    seen_version: int | None = None,
    entry_seq: int | None = None,
) -> BackgroundTask:
    """Any live status, unknown -> failed. The first line of `error` is what the list shows."""
    return save_task(
        lock_task(tenant_id, task_id),
        "fail",
        actor=actor,
        now=now or timezone.now(),
        rule="It ended with an error.",
        fields={"error": make_headline(tenant_id, error)},
        seen_version=seen_version,
        entry_seq=entry_seq,
    )


@transaction.atomic
def cancel(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    now: datetime | None = None,
    seen_version: int | None = None,
) -> BackgroundTask:
    """Any live status -> cancelled, and so are all live tasks below it.

    Those below it that carry another session are left alone: they end when their source does.
    """
    now = now or timezone.now()
    task = save_task(
        lock_task(tenant_id, task_id),
        "cancel",
        actor=actor,
        now=now,
        rule=f"{actor.name} cancelled it.",
        seen_version=seen_version,
    )
    _cancel_below(task, actor=actor, now=now)
    return task


def _cancel_below(parent: BackgroundTask, *, actor: Actor, now: datetime) -> None:
    if parent.child_count == 0:
        return
    for locked in lock_children(parent):
        child = locked.task
        if child.state in moves_of(child)["cancel"].sources:
            save_task(locked, "cancel", actor=actor, now=now, rule=f"{actor.name} cancelled its parent.")
        _cancel_below(child, actor=actor, now=now)


@transaction.atomic
def retry(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    now: datetime | None = None,
    seen_version: int | None = None,
) -> BackgroundTask:
    """failed, cancelled -> queued, with nothing left of how it ended; its turns count on."""
    return save_task(
        lock_task(tenant_id, task_id),
        "retry",
        actor=actor,
        now=now or timezone.now(),
        rule="It is to be done again.",
        fields={"error": "", "started_at": None, "finished_at": None},
        seen_version=seen_version,
    )


@transaction.atomic
def mark_unknown(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    rule: str,
    now: datetime | None = None,
    seen_version: int | None = None,
) -> BackgroundTask:
    """running -> unknown: its record stops inside its work. `rule` says how that was found."""
    return save_task(
        lock_task(tenant_id, task_id),
        "mark_unknown",
        actor=actor,
        now=now or timezone.now(),
        rule=rule,
        seen_version=seen_version,
    )


@transaction.atomic
def fan_out(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    actor: Actor,
    children: Sequence[ChildSpec],
    now: datetime | None = None,
    seen_version: int | None = None,
    entry_seq: int | None = None,
) -> list[BackgroundTask]:
    """Start sub-agents of a running task, folded under it; `wait(on=CHILDREN)` then lets it wait for them."""
    now = now or timezone.now()
    locked = lock_task(tenant_id, task_id)
    save_task(
        locked,
        "fan_out",
        actor=actor,
        now=now,
        rule=f"It has started sub-agents: {len(children):,}.",
        seen_version=seen_version,
        entry_seq=entry_seq,
    )
    made = [insert_child(locked.task, spec, actor=actor, now=now) for spec in children]
    count_child(locked.task, added=len(made), now=now)
    return made


@transaction.atomic
def record_progress(
    *,
    tenant_id: uuid.UUID,
    task_id: uuid.UUID,
    turn_count: int | None = None,
    files_touched: int | None = None,
    substate: str | None = None,
    delivery: Delivery | None = None,
    now: datetime | None = None,
) -> BackgroundTask:
    """What a live task has done so far; what is not given stays. Moves no version, writes no audit entry.

    `delivery` is what its agent said and did, for the transcript.
    """
    task = lock_task(tenant_id, task_id).task
    if task.status not in LIVE_STATUSES:
        raise IllegalMove(
            subject=f"background task “{task.title}”",
            tried="record_progress",
            status=task.state,
            allowed=allowed_moves(moves_of(task), task.state),
        )
    given = {
        "turn_count": turn_count,
        "files_touched": files_touched,
        "substate": None if substate is None else make_headline(tenant_id, substate)[:200],
    }
    fields = {name: value for name, value in given.items() if value is not None}
    if delivery is not None:
        append_delivery(tenant_id, (KIND, task.pk), delivery)
    save_progress(task, kind=KIND, now=now or timezone.now(), fields=fields)
    return task


def _waiting(tenant_id: uuid.UUID, on: WaitingOn, reason: str, now: datetime) -> dict[str, object]:
    headline = make_headline(tenant_id, reason)
    return {"waiting_on": on, "waiting_reason": headline, "waiting_since": now}
