"""The steps of a run under way: started, asked about, finished, skipped, failed, and what they say."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain

from django.db import transaction
from django.utils import timezone

from audit.edits import edits_seen
from audit.entries import JSON, EntryKind, NewEntry
from audit.headlines import make_headline
from audit.imports import Delivery, append_delivery
from audit.moves import allowed_moves, lock_session, save_progress
from audit.services import Appended, content_hash, redact, redact_value
from flows.leases import check_fence
from flows.models import FlowRun, RunMode, RunStatus, StepRun, StepStatus
from flows.moves import (
    KIND,
    MOVES,
    find_current_step,
    lock_run,
    make_line,
    mirror_step,
    move_step,
    record_step,
    save_run,
    step_data,
    write_line,
    write_lines,
)
from flows.services.background import count_turns
from sessions_app.kinds import IllegalMove
from workspace.actors import Actor

__all__ = [
    "add_entries",
    "fail_step",
    "finish_step",
    "make_folder_line",
    "pause_at_checkpoint",
    "see_checkpoint",
    "see_edits",
    "see_results",
    "skip_step",
    "start_step",
]

#: Is shown a run and all attempts of its steps, as they are once the current step is done, and gives what the
#: next one begins with; None: it does not begin yet.
type LookAhead = Callable[[FlowRun, Sequence[StepRun]], Mapping[str, JSON] | None]

#: How the native id of a line begins that says that the run's folder was lost.
FRESH_FOLDER = "run:folder:"


@transaction.atomic
def start_step(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    arguments: Mapping[str, JSON] | None = None,
    fence: int | None = None,
    now: datetime | None = None,
) -> StepRun:
    """The current step is at work. `arguments` are its parameters with every reference put in.

    A worker names its claim of the run, here and in the services below: `fence`. They raise `LeaseLost` where
    it is not the run's any more, and have written nothing.
    """
    now = now or timezone.now()
    run = lock_run(tenant_id=tenant_id, run_id=run_id, move="start_step", fence=fence)
    step = find_current_step(run)
    clean = _clean_arguments(run, step, arguments)
    seq = write_lines(run, make_step_start(run, step, now, arguments=clean))
    _put_to_work(run, step, actor, now, clean, fence=fence, seq=seq)
    save_progress(run, kind=KIND, now=now, fields={})
    return step


def make_step_start(run: FlowRun, step: StepRun, now: datetime, *, arguments: JSON) -> NewEntry:
    """The line that says that a step is at work."""
    return make_line(
        kind=EntryKind.STATUS,
        native_id=f"step:{step.position}:{step.attempt}:start",
        text=f"Step {step.position} of {run.step_count} “{step.name}” started",
        now=now,
        data=step_data(step, "step_started", arguments=arguments),
        attempt=step.attempt,
    )


def _put_to_work(
    run: FlowRun, step: StepRun, actor: Actor, now: datetime, arguments: JSON, *, fence: int | None, seq: int
) -> None:
    """Start a step of a locked run; its line is the transcript's `seq`th."""
    first_seq = step.first_seq or seq
    fields = {"started_at": now, "parameters": arguments, "fence": fence, "first_seq": first_seq}
    move_step(step, "start", fields)
    mirror_step(run, now=now, step=step)
    record_step(step, run=run, actor=actor, action="start_step", before=StepStatus.PENDING, entry_seq=seq)


@transaction.atomic
def add_entries(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    delivery: Delivery,
    fence: int | None = None,
    now: datetime | None = None,
) -> Appended:
    """Add what the current step's agent says and does to the run's transcript, under the step's attempt.

    Raises IllegalMove unless the run is at work: an agent that was cut off or outlived its run adds nothing.
    """
    now = now or timezone.now()
    run = lock_session(FlowRun, tenant_id=tenant_id, session_id=run_id)
    check_fence(run, fence)
    if run.status != RunStatus.RUNNING:
        raise IllegalMove(
            subject=f"flow run “{run.title}”",
            tried="add_entries",
            status=run.status,
            allowed=allowed_moves(MOVES, run.status),
        )
    appended = _append(run, find_current_step(run), delivery, now)
    save_progress(run, kind=KIND, now=now, fields={})
    return appended


def _append(run: FlowRun, step: StepRun, delivery: Delivery, now: datetime, *lines: NewEntry) -> Appended:
    """Add a delivery under the step's attempt to a locked run, and lines of ours after it."""
    entries = (replace(entry, attempt=step.attempt) for entry in delivery.entries)
    delivery = replace(delivery, entries=chain(entries, lines))
    appended = append_delivery(run.tenant_id, (KIND, run.pk), delivery)
    if run.run_mode == RunMode.BACKGROUND:
        mirror_step(run, now=now, turns=count_turns(run, appended))
    return appended


@transaction.atomic
def pause_at_checkpoint(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    arguments: Mapping[str, JSON] | None = None,
    message: str = "",
    again: str = "",
    fence: int | None = None,
    now: datetime | None = None,
) -> FlowRun:
    """Ask a person before the current step; what they will see is bound into the checkpoint's hash.

    `message` is the step's own unless given; `again` says what has changed since the step was approved.
    """
    now = now or timezone.now()
    run = lock_run(tenant_id=tenant_id, run_id=run_id, move="pause", fence=fence)
    step = find_current_step(run)
    move_step(step, "pause", {"parameters": _clean_arguments(run, step, arguments)})
    message = message or run.snapshot["steps"][step.position - 1]["checkpoint_message"]
    message = redact(tenant_id=run.tenant_id, text=message) or f"Go on with step {step}?"
    run.checkpoint_message = f"{message}\n\nAsked again: {again}." if again else message
    seq = write_line(
        run,
        kind=EntryKind.CHECKPOINT,
        native_id=f"step:{step.position}:{step.attempt}:checkpoint",
        text=run.checkpoint_message,
        now=now,
        data=step_data(step, "checkpoint", arguments=step.parameters),
        attempt=step.attempt,
    )
    step.first_seq = seq
    step.save(update_fields=["first_seq"])
    save_run(
        run,
        "pause",
        actor=actor,
        now=now,
        rule=f"It is at a checkpoint: a person decides before step {step.position} “{step.name}”.",
        fields={
            "checkpoint_message": run.checkpoint_message,
            "checkpoint_hash": content_hash(see_checkpoint(run, step, version=run.version + 1)),
            "waiting_since": now,
        },
        entry_seq=seq,
    )
    return run


def see_checkpoint(run: FlowRun, step: StepRun, *, version: int | None = None) -> dict[str, JSON]:
    """All that a person is shown before they decide: the step, its arguments, what led there, what changed.

    `version` is the run's while it is paused here, so that each pause has a hash of its own.
    """
    design = run.snapshot["steps"][step.position - 1]
    done = StepRun.objects.for_tenant(run.tenant_id).filter(run=run, position__lt=step.position)
    edits = see_edits(run)
    return {
        "run": str(run.pk),
        "version": run.version if version is None else version,
        "flow": run.snapshot["flow"]["name"],
        "flow_version": run.flow_version,
        "message": run.checkpoint_message,
        "step": {
            "position": step.position,
            "name": step.name,
            "attempt": step.attempt,
            "skill": design["skill"],
        },
        "arguments": step.parameters,
        "results": see_results(done.order_by("position", "attempt")),
        **({"file_edits": edits} if edits else {}),
    }


def see_edits(run: FlowRun) -> list[dict[str, JSON]]:
    """The diff so far, as digests: what steps have changed in the folder that the run has now."""
    return edits_seen(run.tenant_id, (KIND, run.pk), afresh=FRESH_FOLDER)


def make_folder_line(run: FlowRun, now: datetime) -> NewEntry:
    """The line that says that a run goes on in a fresh folder, without what earlier steps have changed."""
    return make_line(
        kind=EntryKind.STATUS,
        native_id=f"{FRESH_FOLDER}{run.fence}:{run.step_position}",
        text="The run's folder was gone: it goes on in a fresh one",
        now=now,
        data={"event": "run_folder"},
    )


def see_results(steps: Iterable[StepRun]) -> JSON:
    """What a person is shown of the attempts before the step that they decide on."""
    return [
        {
            "position": step.position,
            "name": step.name,
            "attempt": step.attempt,
            "status": str(step.status),
            "result": step.result,
        }
        for step in steps
    ]


@transaction.atomic
def renew_checkpoint(*, tenant_id: uuid.UUID, run_id: uuid.UUID) -> None:
    """Bind the decision that a paused run waits for to its texts as they are now: some were redacted."""
    run = lock_session(FlowRun, tenant_id=tenant_id, session_id=run_id)
    if run.status == RunStatus.PAUSED:
        run.checkpoint_hash = content_hash(see_checkpoint(run, find_current_step(run)))
        run.save(update_fields=["checkpoint_hash"])


@transaction.atomic
def finish_step(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    result: JSON = None,
    last: Delivery | None = None,
    look_ahead: LookAhead | None = None,
    fence: int | None = None,
    now: datetime | None = None,
) -> StepRun:
    """The current step is done with this result; the next one is the current one, if there is one.

    `last` is what its agent said and did at the end, as `add_entries` adds it. Where `look_ahead` gives
    arguments, the next step is at work with them from the same moment on.
    """
    now = now or timezone.now()
    run = lock_run(tenant_id=tenant_id, run_id=run_id, move="finish_step", fence=fence)
    step = find_current_step(run)
    clean = redact_value(tenant_id=tenant_id, value=result)
    move_step(step, "finish", {"result": clean, "finished_at": now})
    run.step_position = next_position(run)
    following = _find_following(run, look_ahead) if look_ahead else None
    finished = make_line(
        kind=EntryKind.STATUS,
        native_id=f"step:{step.position}:{step.attempt}:finish",
        text=f"Step {step.position} of {run.step_count} “{step.name}” finished",
        now=now,
        data=step_data(step, "step_finished", result=result),
        attempt=step.attempt,
    )
    lines = [finished]
    if following is not None:
        lines.append(make_step_start(run, following[0], now, arguments=following[1]))
    last_seq = _append(run, step, last or Delivery(), now, *lines).last_seq
    seq = last_seq - len(lines) + 1
    record_step(step, run=run, actor=actor, action="finish_step", before=StepStatus.RUNNING, entry_seq=seq)
    if following is not None:
        _put_to_work(run, following[0], actor, now, following[1], fence=fence, seq=last_seq)
    save_progress(run, kind=KIND, now=now, fields={"step_position": run.step_position})
    return step


def _find_following(run: FlowRun, look_ahead: LookAhead) -> tuple[StepRun, JSON] | None:
    """The step that a locked run begins with at once, and its arguments, redacted; None if it looks first."""
    steps = list(StepRun.objects.for_tenant(run.tenant_id).filter(run=run))
    arguments = look_ahead(run, steps)
    if arguments is None:
        return None
    step = max((s for s in steps if s.position == run.step_position), key=lambda s: s.attempt)
    return step, _clean_arguments(run, step, arguments)


@transaction.atomic
def skip_step(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    reason: str = "",
    fence: int | None = None,
    now: datetime | None = None,
) -> StepRun:
    """Pass over the current step, which has not started: its condition does not hold."""
    now = now or timezone.now()
    run = lock_run(tenant_id=tenant_id, run_id=run_id, move="skip_step", fence=fence)
    step = find_current_step(run)
    move_step(step, "skip", {"finished_at": now})
    because = f": {reason}" if reason else ""
    seq = write_line(
        run,
        kind=EntryKind.STATUS,
        native_id=f"step:{step.position}:{step.attempt}:skip",
        text=f"Step {step.position} of {run.step_count} “{step.name}” skipped{because}",
        now=now,
        data=step_data(step, "step_skipped"),
        attempt=step.attempt,
    )
    record_step(step, run=run, actor=actor, action="skip_step", before=StepStatus.PENDING, entry_seq=seq)
    save_progress(run, kind=KIND, now=now, fields={"step_position": next_position(run)})
    return step


@transaction.atomic
def fail_step(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    error: str,
    fence: int | None = None,
    now: datetime | None = None,
) -> FlowRun:
    """The current step has failed, and the run with it; the list shows the first line of the error."""
    now = now or timezone.now()
    run = lock_run(tenant_id=tenant_id, run_id=run_id, move="fail_step", fence=fence)
    step = find_current_step(run)
    clean = redact(tenant_id=tenant_id, text=error)
    move_step(step, "fail", {"error": clean, "finished_at": now})
    seq = write_line(
        run,
        kind=EntryKind.ERROR,
        native_id=f"step:{step.position}:{step.attempt}:fail",
        text=error,
        now=now,
        data=step_data(step, "step_failed"),
        attempt=step.attempt,
    )
    save_run(
        run,
        "fail_step",
        actor=actor,
        now=now,
        rule=f"Step {step.position} “{step.name}” failed (attempt {step.attempt}).",
        fields={"error": make_headline(tenant_id, error), "finished_at": now},
        entry_seq=seq,
    )
    return run


def next_position(run: FlowRun) -> int:
    """Where the run stands once its current step is done: at the next step, or still at the last one."""
    return min(run.step_position + 1, run.step_count)


def _clean_arguments(run: FlowRun, step: StepRun, arguments: Mapping[str, JSON] | None) -> JSON:
    if arguments is None:
        return dict(step.parameters)
    clean: JSON = redact_value(tenant_id=run.tenant_id, value=dict(arguments))
    return clean
