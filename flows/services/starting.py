"""How a run comes to be: on a snapshot of its flow, with its values and a first attempt of each step."""

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
from django.utils.crypto import salted_hmac
from uuid_utils.compat import uuid7

from agents.models import Profile, Skill
from audit.entries import JSON, EntryKind, RunFacts
from audit.headlines import make_title
from audit.moves import make_evidence
from audit.services import content_hash, record, redact, redact_value
from flows.design import ParameterDesign, read_values
from flows.models import Flow, FlowRun, FlowStep, RunMode, StepRun
from flows.moves import KIND, write_line
from flows.services.background import carry_run
from flows.waking import wake
from sessions_app.kinds import Origin
from sessions_app.live import announce
from workspace.actors import Actor
from workspace.placement import Placement, check_placement

__all__ = ["start_run", "take_snapshot"]

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
    key: str = "",
    now: datetime | None = None,
) -> FlowRun:
    """A pending run on a snapshot of the flow as it is now, with a first attempt of each step.

    `key` names this start among those of its actor: a second one with it, of the same flow with the same
    values, mode and placement, starts nothing and returns the run of the first, as it is by then.
    Title and mode are the flow's unless given; so are initiative and plan where the placement names neither.
    Raises ValidationError by the name of each parameter that is missing, unknown or of a wrong type, for an
    origin or a mode that there is none of, and the DoesNotExist of the flow or of whatever the placement
    names in another tenant.
    """
    now = now or timezone.now()
    _refuse_unknown_words(run_mode=(run_mode, RunMode), origin=(origin, Origin))
    flow = Flow.objects.for_tenant(tenant_id).select_for_update(no_key=True, of=("self",)).get(pk=flow_id)
    given: list[JSON] = [dict(parameters or {}), str(placement), run_mode, title, repo]
    run_id = _name_start(flow, actor, key, given) if key else uuid7()
    # Whoever came first has the flow locked until its run is there.
    if key and (started := FlowRun.objects.for_tenant(tenant_id).filter(pk=run_id).first()):
        return started
    if flow.archived_at is not None:
        raise ValidationError({"flow": f"“{flow.name}” is archived: it starts no more runs"})
    values = read_values(map(ParameterDesign.from_json, flow.parameters), parameters or {})
    if placement.initiative_id is None and placement.plan_id is None:
        placement = replace(placement, initiative_id=flow.initiative_id, plan_id=flow.plan_id)
    check_placement(tenant_id, placement)
    run = _make_run(flow, placement, actor, values, now)
    run.id, run.origin, run.run_mode = run_id, origin, run_mode or flow.run_mode
    run.is_folded = run.run_mode == RunMode.BACKGROUND
    run.title = make_title(tenant_id, title or flow.name)
    run.repo = redact(tenant_id=tenant_id, text=repo)[:300]
    run.save(force_insert=True)
    StepRun.objects.bulk_create(_make_step_runs(run))
    _tell_of_start(run, actor, now, values, RunFacts(origin=origin, repo=repo))
    if run.run_mode == RunMode.BACKGROUND:
        carry_run(run, actor=actor, now=now)
    wake(run)
    return run


def _name_start(flow: Flow, actor: Actor, key: str, given: JSON) -> uuid.UUID:
    """The id of the run that this start makes, whenever asked for; it tells nothing of what was given.

    It is a UUID of version 7, as all ids are, with the time of the key where that has one (RFC 9562, 5.7).
    """
    said = content_hash([str(flow.tenant_id), str(flow.pk), str(actor.user_id), key, given])
    digest = salted_hmac("flows.start_run", said, algorithm="sha256").digest()
    try:
        made_at = uuid.UUID(key).bytes[:6]
    except ValueError:
        made_at = digest[-6:]
    number = int.from_bytes(made_at + digest[:10])
    return uuid.UUID(int=number & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62)


def _make_run(
    flow: Flow, placement: Placement, actor: Actor, values: Mapping[str, JSON], now: datetime
) -> FlowRun:
    """A run of the flow as it is now, not stored yet."""
    snapshot = take_snapshot(flow)
    return FlowRun(
        tenant_id=flow.tenant_id,
        owner_id=placement.owner_id,
        initiative_id=placement.initiative_id,
        plan_id=placement.plan_id,
        changed_at=now,
        evidence=make_evidence(rule="It waits for a worker.", event="start", actor=actor, now=now),
        flow=flow,
        flow_version=flow.version,
        snapshot=snapshot,
        parameters=redact_value(tenant_id=flow.tenant_id, value=dict(values)),
        step_count=len(snapshot["steps"]),
        approver_ids=flow.approver_ids,
    )


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
