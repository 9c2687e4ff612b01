"""Every write to profiles and skills."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import transaction

from agents.models import Profile, Skill
from audit.services import record, redact
from workspace.actors import Actor
from workspace.models import Secret

__all__ = ["create_profile", "create_skill"]


@transaction.atomic
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
) -> Profile:
    """Where and with what an agent runs. Raises ValidationError, also for an unknown secret."""
    known = set(Secret.objects.for_tenant(tenant_id).values_list("name", flat=True))
    if missing := sorted(set(env_secret_names) - known):
        raise ValidationError({"env_secret_names": f"no such secret: {', '.join(missing)}"})
    profile = Profile(
        tenant_id=tenant_id,
        name=name,
        runtime=runtime,
        sandbox=sandbox,
        model=model,
        env_secret_names=list(env_secret_names),
        max_turns=max_turns,
        max_minutes=max_minutes,
    )
    return _insert(profile, "profile", actor)


@transaction.atomic
def create_skill(
    *,
    tenant_id: uuid.UUID,
    actor: Actor,
    name: str,
    runtime: str,
    body: str,
    description: str = "",
) -> Skill:
    """Named instructions; description and body are redacted first. Raises ValidationError by field."""
    skill = Skill(
        tenant_id=tenant_id,
        name=name,
        runtime=runtime,
        description=redact(tenant_id=tenant_id, text=description),
        body=redact(tenant_id=tenant_id, text=body),
    )
    return _insert(skill, "skill", actor)


def _insert[M: (Profile, Skill)](row: M, kind: str, actor: Actor) -> M:
    row.full_clean()
    row.save(force_insert=True)
    record(
        tenant_id=row.tenant_id,
        actor=actor,
        action=f"create_{kind}",
        object_kind=kind,
        object_id=row.pk,
        object_title=row.name,
    )
    return row
