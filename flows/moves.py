"""The legal moves of runs and of their steps, and the rows that move with them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audit.entries import JSON, EntryKind, NewEntry, RunFacts
from audit.moves import Move, Moves, allowed_moves, check_move, lock_session, save_move
from audit.presenting import format_arguments
from audit.services import append_entries, record
from flows.leases import KIND, check_fence
from flows.models import FlowRun, RunMode, RunStatus, StepRun, StepStatus
from sessions_app.kinds import IllegalMove
from tasks.models import TaskStatus, WaitingOn
from tasks.services import mirror_progress, mirror_source
from workspace.actors import Actor

__all__ = [
    "KIND",
    "MOVES",
    "STEP_MOVES",
    "add_attempt",
    "find_current_step",
    "lock_run",
    "make_line",
    "mirror_run",
    "mirror_step",
    "move_step",
    "record_step",
    "save_run",
    "step_data",
    "write_line",
]

#: The moves of a run, by the names that people read. Those that stay in `running` move a step of it.
MOVES: Moves = {
    "begin": Move.of([RunStatus.PENDING], RunStatus.RUNNING),
    "start_step": Move.of([RunStatus.RUNNING], RunStatus.RUNNING),
    "finish_step": Move.of([RunStatus.RUNNING], RunStatus.RUNNING),
    "skip_step": Move.of([RunStatus.RUNNING], RunStatus.RUNNING),
    "retry_step": Move.of([RunStatus.RUNNING], RunStatus.RUNNING),
    "pass_step": Move.of([RunStatus.RUNNING], RunStatus.RUNNING),
    "fail_step": Move.of([RunStatus.RUNNING], RunStatus.FAILED),
    "pause": Move.of([RunStatus.RUNNING], RunStatus.PAUSED),
    "approve": Move.of([RunStatus.PAUSED], RunStatus.RUNNING),
    "skip": Move.of([RunStatus.PAUSED], RunStatus.RUNNING),
    "reject": Move.of([RunStatus.PAUSED], RunStatus.REJECTED),
    "block": Move.of([RunStatus.PENDING, RunStatus.RUNNING], RunStatus.BLOCKED),
    "interrupt": Move.of([RunStatus.RUNNING], RunStatus.INTERRUPTED),
    "resume": Move.of([RunStatus.BLOCKED, RunStatus.INTERRUPTED], RunStatus.RUNNING),
    "retry": Move.of([RunStatus.FAILED], RunStatus.RUNNING),
    "complete": Move.of([RunStatus.RUNNING], RunStatus.COMPLETED),
    "cancel": Move.of(
        [
            RunStatus.PENDING,
            RunStatus.RUNNING,
            RunStatus.PAUSED,
            RunStatus.BLOCKED,
            RunStatus.INTERRUPTED,
        ],
        RunStatus.CANCELLED,
    ),
}

STEP_MOVES: Moves = {
    "start": Move.of([StepStatus.PENDING], StepStatus.RUNNING),
    "pause": Move.of([StepStatus.PENDING], StepStatus.PAUSED),
    "approve": Move.of([StepStatus.PAUSED], StepStatus.RUNNING),
    "finish": Move.of([StepStatus.RUNNING], StepStatus.COMPLETED),
    "fail": Move.of([StepStatus.RUNNING], StepStatus.FAILED),
    "skip": Move.of([StepStatus.PENDING, StepStatus.PAUSED], StepStatus.SKIPPED),
    "cancel": Move.of([StepStatus.PENDING, StepStatus.PAUSED, StepStatus.RUNNING], StepStatus.CANCELLED),
}

#: What the task that carries a run shows of it.
AS_TASK: Mapping[str, tuple[TaskStatus, WaitingOn | None]] = {
    RunStatus.PENDING: (TaskStatus.QUEUED, None),
    RunStatus.RUNNING: (TaskStatus.RUNNING, None),
    RunStatus.PAUSED: (TaskStatus.WAITING, WaitingOn.APPROVAL),
    RunStatus.BLOCKED: (TaskStatus.WAITING, WaitingOn.INPUT),
    RunStatus.INTERRUPTED: (TaskStatus.WAITING, WaitingOn.INPUT),
    RunStatus.COMPLETED: (TaskStatus.COMPLETED, None),
    RunStatus.FAILED: (TaskStatus.FAILED, None),
    RunStatus.REJECTED: (TaskStatus.FAILED, None),
    RunStatus.CANCELLED: (TaskStatus.CANCELLED, None),
}

#: What a run that is not at work leaves behind: no worker holds it.
NO_LEASE: Mapping[str, Any] = {"lease_holder": "", "lease_expires_at": None}


def lock_run(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    move: str,
    seen_version: int | None = None,
    fence: int | None = None,
) -> FlowRun:
    """The run, locked with all its steps (each write to a step goes through here), able to make `move`.

    A worker names its `fence`. Raises `FlowRun.DoesNotExist`, `LeaseLost`, `StaleVersion` or `IllegalMove`.
    """
    run = lock_session(FlowRun, tenant_id=tenant_id, session_id=run_id)
    check_fence(run, fence)
    check_move(run, moves=MOVES, move=move, seen_version=seen_version)
    return run


def save_run(
    run: FlowRun,
    move: str,
    *,
    actor: Actor,
    now: datetime,
    rule: str,
    fields: Mapping[str, Any] | None = None,
    entry_seq: int,
) -> None:
    """Make a move on a locked run, and on the task that carries it, if one does."""
    lease = {} if MOVES[move].target == RunStatus.RUNNING else NO_LEASE
    save_move(
        run,
        kind=KIND,
        moves=MOVES,
        move=move,
        actor=actor,
        now=now,
        rule=rule,
        fields={**lease, **(fields or {})},
        entry_seq=entry_seq,
    )
    if run.run_mode == RunMode.BACKGROUND:
        mirror_run(run, actor=actor, now=now)


def mirror_run(run: FlowRun, *, actor: Actor, now: datetime, turn_count: int | None = None) -> None:
    """Bring the task that carries a locked run to the run's state; `turn_count` where it is not known there.

    What a completed run made stands on the task, and somebody looks at it first if its flow asks for that.
    """
    status, waiting_on = AS_TASK[run.status]
    result = ""
    if run.status == RunStatus.COMPLETED:
        result = _result_of(run)
        if run.snapshot["flow"].get("wants_review"):
            status, waiting_on = TaskStatus.WAITING, WaitingOn.REVIEW
    mirror_source(
        tenant_id=run.tenant_id,
        source_kind=KIND,
        source_id=run.pk,
        status=status,
        waiting_on=waiting_on,
        reason=(run.checkpoint_message or run.error) if waiting_on else "",
        error="" if waiting_on else run.error,
        result=result,
        turn_count=turn_count,
        substate=_sub_step(run, find_current_step(run)) if run.status == RunStatus.RUNNING else "",
        approver_ids=run.approver_ids,
        actor=actor,
        now=now,
    )


def mirror_step(run: FlowRun, *, now: datetime, step: StepRun | None = None, turns: int = 0) -> None:
    """Tell the task that carries a locked run, if one does, of a step that began or of further turns."""
    if run.run_mode == RunMode.BACKGROUND:
        mirror_progress(
            tenant_id=run.tenant_id,
            source_kind=KIND,
            source_id=run.pk,
            turns=turns,
            substate=_sub_step(run, step) if step else None,
            now=now,
        )


def _sub_step(run: FlowRun, step: StepRun) -> str:
    return f"Step {step.position} of {run.step_count}: {step.name}"


def _result_of(run: FlowRun) -> str:
    """What the last step that was done gave back, as people read it."""
    done = StepRun.objects.for_tenant(run.tenant_id).filter(run=run, status=StepStatus.COMPLETED)
    last = done.order_by("-position", "-attempt").values_list("result", flat=True).first()
    return format_arguments(last) if isinstance(last, dict | list) else str(last or "")


def find_current_step(run: FlowRun) -> StepRun:
    """The newest attempt of the step that the run stands at."""
    steps = StepRun.objects.for_tenant(run.tenant_id).filter(run=run, position=run.step_position)
    return steps.order_by("-attempt")[0]


def move_step(step: StepRun, move: str, fields: Mapping[str, Any] | None = None) -> None:
    """Make `move` on a step of a locked run. Raises `IllegalMove`, having written nothing."""
    if step.status not in STEP_MOVES[move].sources:
        raise IllegalMove(
            subject=f"step {step.position} “{step.name}”",
            tried=move,
            status=step.status,
            allowed=allowed_moves(STEP_MOVES, step.status),
        )
    values = {**(fields or {}), "status": STEP_MOVES[move].target}
    for name, value in values.items():
        setattr(step, name, value)
    step.save(update_fields=list(values))


def add_attempt(run: FlowRun, due_at: datetime | None = None) -> StepRun:
    """The next attempt of the step that failed.

    A step that has not failed needs none and goes on itself; the last one, passed over, is over.
    """
    step = find_current_step(run)
    if step.status != StepStatus.FAILED or step.was_passed_over:
        return step
    return StepRun.objects.create(
        tenant_id=run.tenant_id,
        run=run,
        position=step.position,
        name=step.name,
        attempt=step.attempt + 1,
        parameters=run.snapshot["steps"][step.position - 1]["parameters"],
        due_at=due_at,
    )


def step_data(step: StepRun, event: str, **more: JSON) -> dict[str, JSON]:
    """What a transcript's line about a step carries beside its text."""
    return {"event": event, "position": step.position, "step": step.name, "attempt": step.attempt, **more}


def make_line(
    *,
    kind: EntryKind,
    native_id: str,
    text: str,
    now: datetime,
    data: dict[str, JSON] | None = None,
    attempt: int = 1,
) -> NewEntry:
    """A line about a run, for its transcript."""
    return NewEntry(
        kind=kind,
        native_id=native_id,
        occurred_at=now,
        text=text,
        data=data or {},
        attempt=attempt,
        is_error=kind is EntryKind.ERROR,
    )


def write_line(run: FlowRun, *, facts: RunFacts | None = None, **line: Any) -> int:
    """Add one line, as `make_line` makes it, to a run's transcript; its number there."""
    return write_lines(run, make_line(**line), facts=facts)


def write_lines(run: FlowRun, *lines: NewEntry, facts: RunFacts | None = None) -> int:
    """Add these lines to a run's transcript; the number of the first one there."""
    appended = append_entries(tenant_id=run.tenant_id, session=(KIND, run.pk), entries=lines, facts=facts)
    return appended.first_seq


def record_step(
    step: StepRun, *, run: FlowRun, actor: Actor, action: str, before: str, entry_seq: int
) -> None:
    """The audit entry of a move that a step makes while its run goes on."""
    record(
        tenant_id=run.tenant_id,
        actor=actor,
        action=action,
        object_kind="step_run",
        object_id=step.pk,
        object_title=f"{run.title}: {step}",
        changes={"status": (before, str(step.status))},
        session=(KIND, run.pk),
        entry_seq=entry_seq,
    )
