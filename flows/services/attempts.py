"""What becomes of an attempt that did not end well while its run goes on: tried again, passed over, lost."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit.entries import EntryKind
from audit.moves import lock_session, save_progress
from audit.services import redact
from flows.leases import check_fence
from flows.models import FlowRun, StepRun, StepStatus
from flows.moves import (
    KIND,
    add_attempt,
    find_current_step,
    lock_run,
    move_step,
    record_step,
    step_data,
    write_line,
)
from sessions_app.kinds import IllegalMove
from workspace.actors import Actor

__all__ = ["pass_step", "retry_step", "take_up_step"]


@transaction.atomic
def take_up_step(
    *, tenant_id: uuid.UUID, run_id: uuid.UUID, fence: int, now: datetime | None = None
) -> StepRun:
    """A worker begins with a step that a person has approved: its time counts from here.

    Raises `LeaseLost` or `IllegalMove`.
    """
    now = now or timezone.now()
    run = lock_session(FlowRun, tenant_id=tenant_id, session_id=run_id)
    check_fence(run, fence)
    step = find_current_step(run)
    if step.status != StepStatus.RUNNING or step.fence is not None:
        raise IllegalMove(
            subject=f"step {step.position} “{step.name}”", tried="take up", status=step.status, allowed=()
        )
    step.fence, step.started_at = fence, now
    step.save(update_fields=["fence", "started_at"])
    save_progress(run, kind=KIND, now=now, fields={})
    return step


@transaction.atomic
def retry_step(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    error: str,
    due_at: datetime | None = None,
    was_cut_off: bool = False,
    was_handed_back: bool = False,
    fence: int | None = None,
    now: datetime | None = None,
) -> StepRun:
    """The current attempt has failed, or was cut off; the run goes on with the next one, returned.

    It begins at `due_at`, or at once. One that was cut off was lost unless its worker has handed it back.
    """
    now = now or timezone.now()
    run = lock_run(tenant_id=tenant_id, run_id=run_id, move="retry_step", fence=fence)
    cut_off = {"was_cut_off": was_cut_off, "was_handed_back": was_handed_back}
    step = _fail_attempt(run, actor, error, "retry_step", now, **cut_off)
    following = add_attempt(run, due_at)
    wait = f" in {round((due_at - now).total_seconds())} s" if due_at and due_at > now else ""
    _write_what_follows(run, step, f"Attempt {following.attempt} of “{step.name}” begins{wait}", "retry", now)
    save_progress(run, kind=KIND, now=now, fields={})
    return following


@transaction.atomic
def pass_step(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    error: str,
    to: str = "",
    fence: int | None = None,
    now: datetime | None = None,
) -> StepRun:
    """The current step has failed and the run goes on without it: at the next step, or at the later one `to`.

    Steps in between are skipped. Raises IllegalMove if no later step is called that.
    """
    now = now or timezone.now()
    run = lock_run(tenant_id=tenant_id, run_id=run_id, move="pass_step", fence=fence)
    position = _find_target(run, to)
    step = _fail_attempt(run, actor, error, "pass_step", now, was_passed_over=True)
    if position is None:
        text = "It was the last step; the run goes on without it"
    else:
        between = StepRun.objects.for_tenant(tenant_id).filter(
            run=run, position__gt=step.position, position__lt=position
        )
        for skipped in between:
            move_step(skipped, "skip", {"finished_at": now})
        name = run.snapshot["steps"][position - 1]["name"]
        text = f"The run goes on with step {position} of {run.step_count} “{name}”"
    _write_what_follows(run, step, text, "pass", now)
    save_progress(run, kind=KIND, now=now, fields={"step_position": position or run.step_position})
    return step


def _find_target(run: FlowRun, to: str) -> int | None:
    """The position that a run is passed on to, None behind its last step."""
    if not to:
        return run.step_position + 1 if run.step_position < run.step_count else None
    for design in run.snapshot["steps"][run.step_position :]:
        if design["name"] == to:
            return int(design["position"])
    raise IllegalMove(
        subject=f"flow run “{run.title}”",
        tried=f"go on at step “{to}”",
        status=f"{run.status} at step {run.step_position} of {run.step_count}",
        allowed=[design["name"] for design in run.snapshot["steps"][run.step_position :]],
    )


def _fail_attempt(run: FlowRun, actor: Actor, error: str, action: str, now: datetime, **how: bool) -> StepRun:
    """The current attempt of a locked run has failed, `how` by its columns, with its line and audit entry."""
    step = find_current_step(run)
    clean = redact(tenant_id=run.tenant_id, text=error)
    move_step(step, "fail", {"error": clean, "finished_at": now, **how})
    seq = write_line(
        run,
        kind=EntryKind.ERROR,
        native_id=f"step:{step.position}:{step.attempt}:fail",
        text=error,
        now=now,
        data=step_data(step, "step_cut_off" if how.get("was_cut_off") else "step_failed"),
        attempt=step.attempt,
    )
    record_step(step, run=run, actor=actor, action=action, before=StepStatus.RUNNING, entry_seq=seq)
    return step


def _write_what_follows(run: FlowRun, step: StepRun, text: str, event: str, now: datetime) -> None:
    write_line(
        run,
        kind=EntryKind.STATUS,
        native_id=f"step:{step.position}:{step.attempt}:{event}",
        text=text,
        now=now,
        data=step_data(step, f"step_{event}"),
        attempt=step.attempt,
    )
