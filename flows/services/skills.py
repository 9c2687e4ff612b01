"""Changing a skill under the flows that use it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from agents.models import Skill
from agents.services import change_skill
from agents.skills import find_body_problems
from flows.models import FlowStep
from workspace.actors import Actor

__all__ = ["change_used_skill"]

#: How many steps are named that a change would not fit.
MOST_TOLD = 10


@transaction.atomic
def change_used_skill(*, skill: Skill, actor: Actor, seen_version: int | None = None, **values: Any) -> Skill:
    """`change_skill`, refused at the body where a step of a flow that can be run would not fit it any more.

    Raises ValidationError by field and StaleVersion; nothing has changed then.
    """
    changed = change_skill(skill=skill, actor=actor, seen_version=seen_version, **values)
    if problems := _find_problems_of_users(changed):
        raise ValidationError({"body": problems[:MOST_TOLD]})
    return changed


def _find_problems_of_users(skill: Skill) -> list[str]:
    steps = FlowStep.objects.for_tenant(skill.tenant_id).filter(skill=skill, flow__archived_at=None)
    return [
        f"{text} in the step “{step.name}” of the flow “{step.flow.name}”"
        for step in steps.select_related("flow").order_by("flow__name", "position")
        for text in find_body_problems(skill.runtime, skill.body, parameters=step.parameters)
    ]
