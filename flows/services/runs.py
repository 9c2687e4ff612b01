"""The life of a run as a whole, once it has started: begun, held up, taken up again, ended."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.entries import EntryKind
from audit.headlines import make_headline
from audit.moves import allowed_moves
from audit.services import redact
from flows.models import FlowRun, StepRun, StepStatus
from flows.moves import MOVES, add_attempt, find_current_step, lock_run, move_step, save_run, write_line
from flows.waking import wake
from sessions_app.kinds import IllegalMove
from workspace.actors import Actor

__all__ = [
    "begin_run",
    "block_run",
    "cancel_run",
    "complete_run",
    "interrupt_run",
    "resume_run",
    "retry_run",
]


@transaction.atomic
def begin_run(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    fence: int | None = None,
    now: datetime | None = None,
) -> FlowRun:
    """A worker has taken the run up; its first step is next."""
    now = now or timezone.now()
    run = lock_run(tenant_id=tenant_id, run_id=run_id, move="begin", fence=fence)
    _move(run, "begin", actor, now, "Run began", "A worker has taken it up.", started_at=now)
    return run


@transaction.atomic
def block_run(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    reason: str,
    fence: int | None = None,
    now: datetime | None = None,
) -> FlowRun:
    """Something is missing that a person must provide; `reason` says what. A step under way has failed."""
    now = now or timezone.now()
    run = lock_run(tenant_id=tenant_id, run_id=run_id, move="block", fence=fence)
    _hold_up(run, "block", actor, now, reason, word="Blocked")
    return run


@transaction.atomic
def interrupt_run(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    reason: str,
    fence: int | None = None,
    now: datetime | None = None,
) -> FlowRun:
    """Recovery has given up; `reason` says why. A step under way has failed."""
    now = now or timezone.now()
    run = lock_run(tenant_id=tenant_id, run_id=run_id, move="interrupt", fence=fence)
    _hold_up(run, "interrupt", actor, now, reason, word="Interrupted")
    return run


def _hold_up(run: FlowRun, move: str, actor: Actor, now: datetime, reason: str, *, word: str) -> None:
    clean = redact(tenant_id=run.tenant_id, text=reason)
    step = find_current_step(run)
    if step.status == StepStatus.RUNNING:
        move_step(step, "fail", {"error": f"{word}: {clean}", "finished_at": now})
    headline = make_headline(run.tenant_id, reason)
    _move(
        run,
        move,
        actor,
        now,
        f"{word}: {reason}",
        f"{word}: {headline}",
        error=headline,
        waiting_since=now,
    )


@transaction.atomic
def resume_run(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    now: datetime | None = None,
    seen_version: int | None = None,
) -> FlowRun:
    """Go on where a blocked or interrupted run stands: after its last finished step, with a new attempt.

    A last step that has finished or was passed over is not done again.
    """
    now = now or timezone.now()
    run = lock_run(tenant_id=tenant_id, run_id=run_id, move="resume", seen_version=seen_version)
    add_attempt(run)
    at_step = f"step {run.step_position} of {run.step_count}"
    _move(
        run,
        "resume",
        actor,
        now,
        f"{actor.name} resumed the run at {at_step}",
        f"It was resumed at {at_step}.",
        error="",
        waiting_since=None,
        started_at=run.started_at or now,
    )
    wake(run)
    return run


@transaction.atomic
def retry_run(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    now: datetime | None = None,
    seen_version: int | None = None,
) -> FlowRun:
    """Try the failed step once more, as its next attempt; the earlier attempts stay as they are."""
    now = now or timezone.now()
    run = lock_run(tenant_id=tenant_id, run_id=run_id, move="retry", seen_version=seen_version)
    step = add_attempt(run)
    text = f"{actor.name} retried step {step.position} “{step.name}” (attempt {step.attempt})"
    rule = f"It was retried from step {step.position} of {run.step_count}, attempt {step.attempt}."
    _move(run, "retry", actor, now, text, rule, error="", finished_at=None)
    wake(run)
    return run


@transaction.atomic
def complete_run(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    fence: int | None = None,
    now: datetime | None = None,
) -> FlowRun:
    """The run is done. Raises IllegalMove while a step is open: each has finished or was skipped."""
    now = now or timezone.now()
    run = lock_run(tenant_id=tenant_id, run_id=run_id, move="complete", fence=fence)
    complete_locked_run(run, actor=actor, now=now)
    return run


def complete_locked_run(run: FlowRun, *, actor: Actor, now: datetime) -> None:
    """`complete_run` on a run that the caller has locked and that is running."""
    step = find_current_step(run)
    # A run that goes on although its last step has failed was passed on from there.
    over = {StepStatus.COMPLETED, StepStatus.SKIPPED, StepStatus.FAILED}
    if run.step_position < run.step_count or step.status not in over:
        raise IllegalMove(
            subject=f"flow run “{run.title}”",
            tried="complete",
            status=f"{run.status} at step {run.step_position} of {run.step_count}",
            allowed=set(allowed_moves(MOVES, run.status)) - {"complete"},
        )
    _move(run, "complete", actor, now, "Run completed", "Its last step is done.", finished_at=now)


@transaction.atomic
def cancel_run(
    *, tenant_id: uuid.UUID, run_id: uuid.UUID, actor: Actor, now: datetime | None = None
) -> FlowRun:
    """End the run where it stands; every step that is not done is cancelled with it."""
    now = now or timezone.now()
    run = lock_run(tenant_id=tenant_id, run_id=run_id, move="cancel")
    cancel_open_steps(run, now)
    cleared = {"error": "", "checkpoint_message": "", "checkpoint_hash": "", "waiting_since": None}
    text = f"{actor.name} cancelled the run"
    _move(run, "cancel", actor, now, text, f"{actor.name} cancelled it.", finished_at=now, **cleared)
    return run


def cancel_open_steps(run: FlowRun, now: datetime) -> None:
    """Cancel each step of a locked run that is pending, paused or running."""
    open_steps = [StepStatus.PENDING, StepStatus.PAUSED, StepStatus.RUNNING]
    for step in StepRun.objects.for_tenant(run.tenant_id).filter(run=run, status__in=open_steps):
        move_step(step, "cancel", {"finished_at": now})


def _move(run: FlowRun, move: str, actor: Actor, now: datetime, text: str, rule: str, **fields: Any) -> None:
    """Make a move of the whole run, with its line in the transcript."""
    seq = write_line(
        run,
        kind=EntryKind.STATUS,
        native_id=f"run:{run.version + 1}:{move}",
        text=text,
        now=now,
        data={"event": f"run_{move}", "status": MOVES[move].target},
    )
    save_run(run, move, actor=actor, now=now, rule=rule, fields=fields, entry_seq=seq)
