"""Making and changing flows. Runs that have started keep the version that they started with."""

from __future__ import annotations

import uuid
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from agents.models import Profile, Skill
from audit.entries import JSON
from audit.services import record, redact_value
from flows.checking import Problem, WrongDesign, check_design, check_skills
from flows.design import FlowDesign, ParameterDesign, StepDesign
from flows.models import Flow, FlowScope, FlowStep
from sessions_app.kinds import StaleVersion
from workspace.actors import Actor
from workspace.models import Initiative, Membership, Plan, Role
from workspace.records import lock_tenant, refuse_taken_name
from workspace.tenancy import TenantOwned

__all__ = ["archive_flow", "create_flow", "read_design", "restore_flow", "update_flow"]

#: The fields of a design that are columns of the same name.
COLUMNS = (
    "name",
    "description",
    "initiative_id",
    "plan_id",
    "checkpoint_mode",
    "run_mode",
    "max_turns",
    "max_minutes",
    "repo_path",
    "wants_review",
)
#: The fields of a step that people write freely, beside its parameters.
STEP_TEXTS = ("name", "condition", "fallback_step", "checkpoint_message")


@transaction.atomic
def create_flow(*, tenant_id: uuid.UUID, actor: Actor, design: FlowDesign) -> Flow:
    """A flow with its steps. Raises ValidationError with all that is wrong, by field of the design."""
    design = _check(tenant_id, design)
    flow = Flow(tenant_id=tenant_id)
    _write(flow, design)
    _record(flow, actor, "create_flow", {"version": (None, flow.version)})
    return flow


@transaction.atomic
def update_flow(
    *,
    tenant_id: uuid.UUID,
    flow_id: uuid.UUID,
    actor: Actor,
    design: FlowDesign,
    seen_version: int | None = None,
) -> Flow:
    """Make the flow what the design says, as its next version; a design that changes nothing makes none.

    Raises Flow.DoesNotExist, ValidationError, or StaleVersion if it is not the version that was seen.
    """
    flow = _lock_flow(tenant_id, flow_id)
    if seen_version is not None and seen_version != flow.version:
        raise StaleVersion(
            subject=f"flow “{flow.name}”", seen=seen_version, current=flow.version, status="a newer version"
        )
    before = read_design(flow)
    design = _check(tenant_id, design, flow=flow)
    names = [field.name for field in fields(design)]
    changed = [name for name in names if getattr(before, name) != getattr(design, name)]
    if changed:
        flow.version += 1
        _write(flow, design)
        changes: dict[str, tuple[Any, Any]] = {
            name: (_summarise(getattr(before, name)), _summarise(getattr(design, name))) for name in changed
        }
        _record(flow, actor, "update_flow", {"version": (flow.version - 1, flow.version), **changes})
    return flow


@transaction.atomic
def archive_flow(
    *, tenant_id: uuid.UUID, flow_id: uuid.UUID, actor: Actor, now: datetime | None = None
) -> Flow:
    """Put the flow away: it starts no more runs, those under way go on. Doing it again changes nothing."""
    flow = _lock_flow(tenant_id, flow_id)
    if flow.archived_at is None:
        flow.archived_at = now or timezone.now()
        flow.save(update_fields=["archived_at"])
        _record(flow, actor, "archive_flow", {"archived_at": (None, flow.archived_at.isoformat())})
    return flow


@transaction.atomic
def restore_flow(*, tenant_id: uuid.UUID, flow_id: uuid.UUID, actor: Actor) -> Flow:
    """Take an archived flow up again, as it was put away. Doing it again changes nothing."""
    flow = _lock_flow(tenant_id, flow_id)
    if flow.archived_at is not None:
        before, flow.archived_at = flow.archived_at, None
        flow.save(update_fields=["archived_at"])
        _record(flow, actor, "restore_flow", {"archived_at": (before.isoformat(), None)})
    return flow


def read_design(flow: Flow) -> FlowDesign:
    """The flow as its design, equal to the one that it was made from."""
    return FlowDesign(
        **{name: getattr(flow, name) for name in COLUMNS},
        parameters=tuple(ParameterDesign.from_json(stored) for stored in flow.parameters),
        steps=tuple(_read_step(step) for step in flow.steps.order_by("position")),
        approver_ids=frozenset(flow.approver_ids),
    )


def _read_step(step: FlowStep) -> StepDesign:
    values = {field.name: getattr(step, field.name) for field in fields(StepDesign)}
    return StepDesign(**{**values, "artifacts": tuple(step.artifacts)})


def _lock_flow(tenant_id: uuid.UUID, flow_id: uuid.UUID) -> Flow:
    return Flow.objects.for_tenant(tenant_id).select_for_update(no_key=True, of=("self",)).get(pk=flow_id)


def _check(tenant_id: uuid.UUID, design: FlowDesign, flow: Flow | None = None) -> FlowDesign:
    """The design, redacted, once it holds by itself and all that it names is the workspace's own."""
    design = _clean(tenant_id, design)
    # After the redaction, which may have made a text longer, or a step's name none.
    check_design(design)
    lock_tenant(tenant_id)
    refuse_taken_name(Flow, tenant_id=tenant_id, name=design.name, except_id=flow.pk if flow else None)
    _refuse_strangers(tenant_id, design)
    _refuse_archived(tenant_id, design, flow)
    skills = Skill.objects.for_tenant(tenant_id).in_bulk([step.skill_id for step in design.steps])
    check_skills(design, skills)
    return design


def _refuse_strangers(tenant_id: uuid.UUID, design: FlowDesign) -> None:
    wanted: list[tuple[str, type[TenantOwned], set[uuid.UUID | None]]] = [
        ("initiative", Initiative, {design.initiative_id}),
        ("plan", Plan, {design.plan_id}),
        ("steps", Skill, {step.skill_id for step in design.steps}),
        ("steps", Profile, {step.profile_id for step in design.steps}),
    ]
    for field, model, named in wanted:
        ids = {pk for pk in named if pk is not None}
        if ids and model._default_manager.filter(tenant_id=tenant_id, pk__in=ids).count() < len(ids):
            raise ValidationError({field: f"it names a {model._meta.verbose_name} that is not there"})
    members = Membership.objects.for_tenant(tenant_id).exclude(role=Role.VIEWER)
    if members.filter(user_id__in=design.approver_ids).count() < len(design.approver_ids):
        raise ValidationError({"approvers": "an approver is a member of this workspace, and no viewer"})


def _refuse_archived(tenant_id: uuid.UUID, design: FlowDesign, flow: Flow | None) -> None:
    """Raise WrongDesign for steps that are newly given an archived skill or profile."""
    models: dict[str, type[Skill] | type[Profile]] = {"skill_id": Skill, "profile_id": Profile}
    problems = []
    for field, model in models.items():
        had = set(flow.steps.values_list(field, flat=True)) if flow else set()
        new = {getattr(step, field) for step in design.steps} - had
        rows = model._default_manager.filter(tenant_id=tenant_id, pk__in=new, archived_at__isnull=False)
        archived = dict(rows.values_list("pk", "name"))
        for place, step in enumerate(design.steps):
            if name := archived.get(getattr(step, field)):
                text = f"“{name}” is archived: restore it, or take another"
                problems.append(Problem(("steps", place, field), text))
    if problems:
        raise WrongDesign(design, problems)


def _clean(tenant_id: uuid.UUID, design: FlowDesign) -> FlowDesign:
    """The same design with every text in it redacted, in one pass."""
    texts: JSON = {
        "name": design.name.strip(),
        "description": design.description,
        "repo_path": design.repo_path.strip(),
        "parameters": [parameter.to_json() for parameter in design.parameters],
        "steps": [
            {name: getattr(step, name) for name in STEP_TEXTS}
            | {"parameters": dict(step.parameters), "artifacts": list(step.artifacts)}
            for step in design.steps
        ],
    }
    clean: Any = redact_value(tenant_id=tenant_id, value=texts)
    if not isinstance(clean, dict):
        raise ValidationError({"steps": "this flow's text could not be searched for credentials"})
    return replace(
        design,
        name=clean["name"],
        description=clean["description"],
        repo_path=clean["repo_path"],
        parameters=tuple(ParameterDesign.from_json(parameter) for parameter in clean["parameters"]),
        steps=tuple(
            replace(step, **{**texts, "artifacts": tuple(texts["artifacts"])})
            for step, texts in zip(design.steps, clean["steps"], strict=True)
        ),
    )


def _write(flow: Flow, design: FlowDesign) -> None:
    for name in COLUMNS:
        setattr(flow, name, getattr(design, name))
    flow.parameters = [parameter.to_json() for parameter in design.parameters]
    flow.scope = FlowScope.GLOBAL
    if design.initiative_id or design.plan_id:
        flow.scope = FlowScope.INITIATIVE if design.initiative_id else FlowScope.PLAN
    flow.approver_ids = sorted(design.approver_ids)
    flow.save()
    flow.steps.all().delete()
    FlowStep.objects.bulk_create(
        FlowStep(
            tenant_id=flow.tenant_id,
            flow=flow,
            position=position,
            **{field.name: getattr(step, field.name) for field in fields(step)},
        )
        for position, step in enumerate(design.steps, start=1)
    )


def _record(flow: Flow, actor: Actor, action: str, changes: dict[str, tuple[Any, Any]]) -> None:
    record(
        tenant_id=flow.tenant_id,
        actor=actor,
        action=action,
        object_kind="flow",
        object_id=flow.pk,
        object_title=flow.name,
        changes=changes,
    )


def _summarise(value: Any) -> JSON:
    """A field of a design as JSON for the record."""
    if isinstance(value, tuple):
        return [_summarise(item) for item in value]
    if isinstance(value, frozenset):
        return [*sorted(str(item) for item in value)]
    if isinstance(value, ParameterDesign | StepDesign):
        return {field.name: _summarise(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, uuid.UUID):
        return str(value)
    return cast(JSON, value)
