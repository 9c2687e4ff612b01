"""Changing a skill under the flows that use it. Every way to change one comes through here."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from agents.models import Skill
from agents.services import change_skill
from agents.skills import find_body_problems
from flows.models import FlowStep
from workspace.actors import Actor
from workspace.records import lock_tenant

__all__ = ["change_used_skill", "find_problems_of_users"]

#: How many steps are named that a change would not fit.
MOST_TOLD = 10


@transaction.atomic
def change_used_skill(
    *,
    skill: Skill,
    actor: Actor,
    seen_version: int | None = None,
    except_flow_id: uuid.UUID | None = None,
    **values: Any,
) -> Skill:
    """`change_skill`, refused at the body where a step of a flow that can be run would not fit it any more.

    What changes neither runtime nor body is not looked at. `except_flow_id` is a flow whose steps the caller
    writes anew, and checks, itself. Raises ValidationError by field and StaleVersion, having changed nothing.
    """
    lock_tenant(skill.tenant_id)
    before = Skill.objects.for_tenant(skill.tenant_id).get(pk=skill.pk)
    changed = change_skill(skill=skill, actor=actor, seen_version=seen_version, **values)
    if (before.runtime, before.body) != (changed.runtime, changed.body):
        problems = find_problems_of_users(changed, except_flow_id=except_flow_id)
        if problems:
            raise ValidationError({"body": problems})
    return changed


def find_problems_of_users(skill: Skill, *, except_flow_id: uuid.UUID | None = None) -> list[str]:
    """What of this runtime and body does not fit the steps that use the skill: line, step and flow of each.

    The first `MOST_TOLD`; flows that are archived do not count.
    """
    steps = FlowStep.objects.for_tenant(skill.tenant_id).filter(skill_id=skill.pk, flow__archived_at=None)
    if except_flow_id is not None:
        steps = steps.exclude(flow_id=except_flow_id)
    problems = [
        f"{text} in the step “{step.name}” of the flow “{step.flow.name}”"
        for step in steps.select_related("flow").order_by("flow__name", "position")
        for text in find_body_problems(skill.runtime, skill.body, parameters=step.parameters)
    ]
    return problems[:MOST_TOLD]
