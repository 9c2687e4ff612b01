"""Every write to profiles and skills."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError

from agents.models import Profile, Skill
from workspace.actors import Actor
from workspace.models import Secret
from workspace.records import change_record, create_record

__all__ = ["change_profile", "change_skill", "create_profile", "create_skill"]


def create_profile(
    *,
    tenant_id: uuid.UUID,
    actor: Actor,
    name: str,
    runtime: str,
    sandbox: str = "",
    model: str = "",
    env_secret_names: Sequence[str] = (),
    max_turns: int | None = None,
    max_minutes: int | None = None,
    max_memory_mb: int | None = None,
    max_output_kb: int | None = None,
) -> Profile:
    """Where and with what an agent runs, redacted. ValidationError by field, also for an unknown secret."""
    _refuse_unknown_secrets(tenant_id, env_secret_names)
    profile = Profile(
        tenant_id=tenant_id,
        name=name,
        runtime=runtime,
        sandbox=sandbox,
        model=model,
        env_secret_names=list(env_secret_names),
        max_turns=max_turns,
        max_minutes=max_minutes,
        max_memory_mb=max_memory_mb,
        max_output_kb=max_output_kb,
    )
    return create_record(profile, actor=actor)


def change_profile(*, profile: Profile, actor: Actor, **values: Any) -> Profile:
    """Give a profile these values of its fields, as `create_profile` takes them. Raises ValidationError."""
    _refuse_unknown_secrets(profile.tenant_id, values.get("env_secret_names", ()))
    return change_record(profile, values=values, actor=actor)


def _refuse_unknown_secrets(tenant_id: uuid.UUID, names: Sequence[str]) -> None:
    known = set(Secret.objects.for_tenant(tenant_id).filter(name__in=names).values_list("name", flat=True))
    if missing := sorted(set(names) - known):
        raise ValidationError({"env_secret_names": f"no such secret: {', '.join(missing)}"})


def create_skill(
    *,
    tenant_id: uuid.UUID,
    actor: Actor,
    name: str,
    runtime: str,
    body: str,
    description: str = "",
) -> Skill:
    """Named instructions, their text redacted. Raises ValidationError by field, also for a wrong template."""
    skill = Skill(
        tenant_id=tenant_id,
        name=name,
        runtime=runtime,
        description=description,
        body=body,
    )
    return create_record(skill, actor=actor)


def change_skill(*, skill: Skill, actor: Actor, **values: str) -> Skill:
    """Give a skill these values of its fields, redacted. Raises ValidationError by field."""
    return change_record(skill, values=values, actor=actor)
