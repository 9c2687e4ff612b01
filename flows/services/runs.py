"""The life of a run as a whole: started, begun, held up, taken up again, ended."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import TextChoices
from django.utils import timezone

from agents.models import Profile, Skill
from audit.entries import JSON, EntryKind, RunFacts
from audit.headlines import make_headline, make_title
from audit.moves import allowed_moves, make_evidence
from audit.services import record, redact, redact_value
from flows.design import ParameterDesign, read_values
from flows.models import Flow, FlowRun, FlowStep, RunMode, StepRun, StepStatus
from flows.moves import KIND, MOVES, add_attempt, find_current_step, lock_run, move_step, save_run, write_line
from flows.services.background import carry_run
from flows.waking import wake
from sessions_app.kinds import IllegalMove, Origin
from sessions_app.live import announce
from workspace.actors import Actor
from workspace.placement import Placement, check_placement

__all__ = [
    "begin_run",
    "block_run",
    "cancel_run",
    "complete_run",
    "interrupt_run",
    "resume_run",
    "retry_run",
    "start_run",
]


#: What a run keeps of each profile that it works with.
PROFILE_COLUMNS = (
    "name",
    "runtime",
    "sandbox",
    "model",
    "env_secret_names",
    "max_turns",
    "max_minutes",
    "max_memory_mb",
    "max_output_kb",
)


@transaction.atomic
def start_run(
    *,
    tenant_id: uuid.UUID,
    flow_id: uuid.UUID,
    placement: Placement,
    actor: Actor,
    parameters: Mapping[str, JSON] | None = None,
    title: str = "",
    repo: str = "",
    origin: str = Origin.WEB,
    run_mode: str | None = None,
    now: datetime | None = None,
) -> FlowRun:
    """A pending run on a snapshot of the flow as it is now, with a first attempt of each step.

    Title and mode are the flow's unless given; so are initiative and plan where the placement names neither.
    Raises ValidationError by the name of each parameter that is missing, unknown or of a wrong type, for an
    origin or a mode that there is none of, and the DoesNotExist of the flow or of whatever the placement
    names in another tenant.
    """
    now = now or timezone.now()
    _refuse_unknown_words(run_mode=(run_mode, RunMode), origin=(origin, Origin))
    flow = Flow.objects.for_tenant(tenant_id).select_for_update(no_key=True, of=("self",)).get(pk=flow_id)
    if flow.archived_at is not None:
        raise ValidationError({"flow": f"“{flow.name}” is archived: it starts no more runs"})
    values = read_values(map(ParameterDesign.from_json, flow.parameters), parameters or {})
    if placement.initiative_id is None and placement.plan_id is None:
        placement = replace(placement, initiative_id=flow.initiative_id, plan_id=flow.plan_id)
    check_placement(tenant_id, placement)
    snapshot = take_snapshot(flow)
    run = FlowRun.objects.create(
        tenant_id=tenant_id,
        owner_id=placement.owner_id,
        title=make_title(tenant_id, title or flow.name),
        initiative_id=placement.initiative_id,
        plan_id=placement.plan_id,
        changed_at=now,
        repo=redact(tenant_id=tenant_id, text=repo)[:300],
        origin=origin,
        evidence=make_evidence(rule="It waits for a worker.", event="start", actor=actor, now=now),
        flow=flow,
        flow_version=flow.version,
        snapshot=snapshot,
        parameters=redact_value(tenant_id=tenant_id, value=values),
        run_mode=run_mode or flow.run_mode,
        is_folded=(run_mode or flow.run_mode) == RunMode.BACKGROUND,
        step_count=len(snapshot["steps"]),
        approver_ids=flow.approver_ids,
    )
    StepRun.objects.bulk_create(_make_step_runs(run))
    _tell_of_start(run, actor, now, values, RunFacts(origin=origin, repo=repo))
    if run.run_mode == RunMode.BACKGROUND:
        carry_run(run, actor=actor, now=now)
    wake(run)
    return run


def _refuse_unknown_words(**given: tuple[str | None, type[TextChoices]]) -> None:
    """Raise ValidationError by name for each word that is given and none of its choices."""
    problems = {
        name: f"“{word}” is none of {', '.join(choices.values)}"
        for name, (word, choices) in given.items()
        if word is not None and word not in choices.values
    }
    if problems:
        raise ValidationError(problems)


def _tell_of_start(
    run: FlowRun, actor: Actor, now: datetime, values: Mapping[str, JSON], facts: RunFacts
) -> None:
    """The first line of a new run's transcript, its audit entry and the announcement."""
    seq = write_line(
        run,
        kind=EntryKind.STATUS,
        native_id="run:1:start",
        text=f"{actor.name} started “{run.flow.name}”, version {run.flow_version}",
        now=now,
        data={"event": "run_started", "parameters": dict(values)},
        facts=facts,
    )
    record(
        tenant_id=run.tenant_id,
        actor=actor,
        action="start_run",
        object_kind=KIND,
        object_id=run.pk,
        object_title=run.title,
        changes={"status": (None, str(run.status))},
        session=(KIND, run.pk),
        entry_seq=seq,
    )
    announce(tenant_id=run.tenant_id, kind=KIND, id=run.pk)


def take_snapshot(flow: Flow) -> dict[str, Any]:
    """All of the flow that a run needs, so that no later change of flow, skill or profile reaches the run."""
    steps = flow.steps.select_related("skill", "profile").order_by("position")
    return {
        "flow": {
            "name": flow.name,
            "version": flow.version,
            "parameters": flow.parameters,
            "checkpoint_mode": flow.checkpoint_mode,
            "max_turns": flow.max_turns,
            "max_minutes": flow.max_minutes,
            "repo_path": flow.repo_path,
            "wants_review": flow.wants_review,
        },
        "steps": [_snapshot_step(step) for step in steps],
    }


def _snapshot_step(step: FlowStep) -> dict[str, Any]:
    return {
        "position": step.position,
        "name": step.name,
        "skill": _snapshot_skill(step.skill),
        "profile": _snapshot_profile(step.profile) if step.profile else None,
        "parameters": step.parameters,
        "has_checkpoint": step.has_checkpoint,
        "checkpoint_message": step.checkpoint_message,
        "condition": step.condition,
        "on_failure": step.on_failure,
        "fallback_step": step.fallback_step,
        "max_retries": step.max_retries,
        "backoff_seconds": step.backoff_seconds,
        "artifacts": step.artifacts,
    }


def _snapshot_skill(skill: Skill) -> dict[str, Any]:
    return {"id": str(skill.pk), "name": skill.name, "runtime": skill.runtime, "body": skill.body}


def _snapshot_profile(profile: Profile) -> dict[str, Any]:
    return {"id": str(profile.pk), **{name: getattr(profile, name) for name in PROFILE_COLUMNS}}


def _make_step_runs(run: FlowRun) -> list[StepRun]:
    return [
        StepRun(
            tenant_id=run.tenant_id,
            run=run,
            position=step["position"],
            name=step["name"],
            parameters=step["parameters"],
        )
        for step in run.snapshot["steps"]
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
