"""A file becomes a flow: the skills that it holds, then the flow itself, all of it or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Lower
from django.db.models.lookups import Exact

from agents.models import Profile, Skill
from agents.services import create_skill
from audit.services import redact
from flows.checking import Problem, find_problems, find_skill_problems, problems_of
from flows.design import FlowDesign, StepDesign
from flows.flow_files.reading import Path, WrongFile, read_yaml
from flows.flow_files.scheduling import check_triggers, store_triggers
from flows.flow_files.schema import FlowFile, read_flow_file
from flows.models import Flow
from flows.services.definition import create_flow, update_flow
from flows.services.skills import change_used_skill
from workspace.actors import Actor
from workspace.models import Initiative, Membership, Plan, Role
from workspace.tenancy import TenantOwned

__all__ = ["LoadedFlow", "find_flow", "load_flow"]

#: Stands for what is not there, so that the rest of the file is looked at as well.
NOBODY = uuid.UUID(int=0)
#: What the fields of a design are called in a file.
IN_FILE: Mapping[str, Path] = {
    "checkpoint_mode": ("checkpoints",),
    "run_mode": ("mode",),
    "max_turns": ("limits", "turns"),
    "max_minutes": ("limits", "minutes"),
    "wants_review": ("review",),
    "approver_ids": ("approvers",),
    "skill_id": ("skill",),
    "profile_id": ("profile",),
    "fallback_step": ("on_failure", "fallback"),
    "max_retries": ("on_failure", "retry"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFlow:
    """The flow as it stands now, and what was done: "created", "changed" or "unchanged"."""

    flow: Flow
    outcome: str
    skills: Mapping[str, str]


@transaction.atomic
def load_flow(
    *, tenant_id: uuid.UUID, actor: Actor, text: str, flow_id: uuid.UUID | None = None
) -> LoadedFlow:
    """Make the workspace's flow of the file's name what the file says, and the skills that stand in it.

    With `flow_id` it is that flow, whatever its name is by then; raises Flow.DoesNotExist if it is not there.

    A file that says what is there already changes nothing. Raises WrongFile with everything that is wrong,
    and has written nothing then.
    """
    file = read_flow_file(read_yaml(text))
    if not file.fields:
        raise WrongFile(file.problems)
    stored = _by_name(Skill, tenant_id)
    _check_skills(file, tenant_id, stored)
    design = _resolve(file, tenant_id, stored)
    check_triggers(file, tenant_id, design)
    if flow_id is not None:
        flow: Flow | None = Flow.objects.for_tenant(tenant_id).get(pk=flow_id)
    else:
        flow = find_flow(tenant_id, _clean_name(tenant_id, design.name))
    if flow is not None and flow.archived_at is not None:
        file.refuse(("name",), f"“{flow.name}” is archived; restore it first")
    if file.problems:
        raise WrongFile(file.problems)
    done = {name: _store_skill(file, tenant_id, actor, stored, flow, name) for name in file.skills}
    if file.problems:
        raise WrongFile(file.problems)
    stored = _by_name(Skill, tenant_id)
    design = _resolve(file, tenant_id, stored)
    try:
        made = _store(tenant_id, actor, flow, design)
    except ValidationError as refusal:
        _take_over(file, design, refusal)
        raise WrongFile(file.problems) from refusal
    changed = store_triggers(file, made, actor) > 0 or flow is None or made.version != flow.version
    outcome = ("created" if flow is None else "changed") if changed else "unchanged"
    return LoadedFlow(flow=made, outcome=outcome, skills=done)


def _store(tenant_id: uuid.UUID, actor: Actor, flow: Flow | None, design: FlowDesign) -> Flow:
    if flow is None:
        return create_flow(tenant_id=tenant_id, actor=actor, design=design)
    return update_flow(tenant_id=tenant_id, flow_id=flow.pk, actor=actor, design=design)


def find_flow(tenant_id: uuid.UUID, name: str) -> Flow | None:
    """The workspace's flow of this name, in whatever case."""
    return Flow.objects.for_tenant(tenant_id).filter(Exact(Lower("name"), Lower(Value(name)))).first()


def _by_name[M: TenantOwned](model: type[M], tenant_id: uuid.UUID) -> dict[str, M]:
    """The workspace's rows by their names in lower case."""
    rows: Iterable[M] = model._default_manager.filter(tenant_id=tenant_id)
    return {str(row).lower(): row for row in rows}


def _clean_name(tenant_id: uuid.UUID, name: str) -> str:
    return redact(tenant_id=tenant_id, text=name) if name else name


def _check_skills(file: FlowFile, tenant_id: uuid.UUID, stored: Mapping[str, Skill]) -> None:
    used = {step.skill.lower() for step in file.steps}
    names = [name.lower() for name in file.skills]
    for place, (name, given) in enumerate(file.skills.items()):
        if name.lower() not in used:
            file.refuse(("skills", name), "no step uses this skill")
        if name.lower() in names[:place]:
            file.refuse(("skills", name), "a skill of this name stands in the file already")
        skill = Skill(
            tenant_id=tenant_id,
            name=name,
            runtime=given.runtime,
            body=given.body,
            description=given.description,
        )
        try:
            skill.full_clean(exclude=["tenant"], validate_unique=False, validate_constraints=False)
        except ValidationError as refusal:
            for field, texts in refusal.message_dict.items():
                file.refuse(("skills", name, *(() if field == "name" else (field,))), " ".join(texts))


def _store_skill(
    file: FlowFile,
    tenant_id: uuid.UUID,
    actor: Actor,
    stored: Mapping[str, Skill],
    flow: Flow | None,
    name: str,
) -> str:
    """What was done. A body that other flows do not fit is noted at its place."""
    given = file.skills[name]
    values: dict[str, Any] = {"runtime": given.runtime, "body": given.body, "description": given.description}
    skill = stored.get(_clean_name(tenant_id, name).lower())
    if skill is None:
        create_skill(tenant_id=tenant_id, actor=actor, name=name, **values)
        return "created"
    before = {field: getattr(skill, field) for field in values}
    try:
        after = change_used_skill(
            skill=skill, actor=actor, except_flow_id=flow.pk if flow else None, **values
        )
    except ValidationError as refusal:
        for field, texts in refusal.message_dict.items():
            file.refuse(("skills", name, field), "; ".join(texts))
        return "refused"
    return "unchanged" if before == {field: getattr(after, field) for field in values} else "changed"


def _resolve(file: FlowFile, tenant_id: uuid.UUID, stored: Mapping[str, Skill]) -> FlowDesign:
    """The file as a design, with all that is wrong with it noted: names first, then how it fits together."""
    profiles = _by_name(Profile, tenant_id)
    in_file = {name.lower(): uuid.uuid5(NOBODY, name.lower()) for name in file.skills}
    skills = {**in_file, **{name: skill.pk for name, skill in stored.items()}}
    bodies = {skill.pk: (skill.runtime, skill.body) for skill in stored.values()}
    for name, given in file.skills.items():
        bodies[skills[name.lower()]] = (given.runtime, given.body)
    steps = []
    for place, step in enumerate(file.steps):
        path: Path = ("steps", place)
        skill_id = _find(file, (*path, "skill"), skills, _clean_name(tenant_id, step.skill), "skill")
        profile = _find(file, (*path, "profile"), profiles, step.profile, "profile")
        steps.append(
            StepDesign(skill_id=skill_id or NOBODY, profile_id=profile.pk if profile else None, **step.fields)
        )
    initiative = _find(file, ("initiative",), _by_name(Initiative, tenant_id), file.initiative, "initiative")
    plan = _find(file, ("plan",), _by_name(Plan, tenant_id), file.plan, "plan")
    design = FlowDesign(
        **file.fields,
        steps=tuple(steps),
        initiative_id=initiative.pk if initiative else None,
        plan_id=plan.pk if plan else None,
        approver_ids=frozenset(_find_approvers(file, tenant_id)),
    )
    for problem in (*find_problems(design), *find_skill_problems(design, bodies)):
        file.refuse(_path_in_file(design, problem), problem.text)
    return design


def _find[T](file: FlowFile, path: Path, rows: Mapping[str, T], name: str, word: str) -> T | None:
    if not name:
        return None
    found = rows.get(name.lower())
    if found is None:
        near = get_close_matches(name.lower(), rows, 1)
        hint = f"; did you mean “{near[0]}”?" if near else ""
        file.refuse(path, f"there is no {word} “{name}” in this workspace{hint}")
    return found


def _find_approvers(file: FlowFile, tenant_id: uuid.UUID) -> list[uuid.UUID]:
    members = Membership.objects.for_tenant(tenant_id).exclude(role=Role.VIEWER).select_related("user")
    by_email = {member.user.email: member.user_id for member in members} if file.approvers else {}
    found = []
    for place, email in enumerate(file.approvers):
        user_id = by_email.get(email.strip().lower())
        if user_id is None:
            file.refuse(("approvers", place), f"{email} is no member of this workspace who may decide")
        else:
            found.append(user_id)
    return found


def _take_over(file: FlowFile, design: FlowDesign, refusal: ValidationError) -> None:
    """Note what the service refused that could not be seen before."""
    for problem in problems_of(refusal):
        file.refuse(_path_in_file(design, problem), problem.text)


def _path_in_file(design: FlowDesign, problem: Problem) -> Path:
    path = problem.path
    if path[0] == "parameters" and len(path) > 1 and isinstance(path[1], int):
        path = ("parameters", design.parameters[path[1]].name, *(key for key in path[2:] if key != "name"))
    if (
        path[0] == "steps"
        and path[2:] == ("checkpoint_message",)
        and design.steps[int(path[1])].has_checkpoint
    ):
        return ("steps", path[1], "checkpoint")
    place = 2 if path[0] == "steps" else 0
    if len(path) > place:
        return (*path[:place], *IN_FILE.get(str(path[place]), path[place : place + 1]), *path[place + 1 :])
    return path
