"""Every write to profiles and skills."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ManyToOneRel, ProtectedError, QuerySet
from django.utils import timezone

from agents.models import Profile, Skill
from audit.services import record
from sessions_app.kinds import StaleVersion
from workspace.actors import Actor
from workspace.models import Secret
from workspace.records import change_record, create_record, kind_of, lock_tenant

__all__ = [
    "archive_definition",
    "change_profile",
    "change_skill",
    "create_profile",
    "create_skill",
    "delete_definition",
    "restore_definition",
]


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


def change_profile(
    *, profile: Profile, actor: Actor, seen_version: int | None = None, **values: Any
) -> Profile:
    """Give a profile these values of its fields, as `create_profile` takes them: its next version.

    Raises ValidationError by field, or StaleVersion if it is not the version that was seen. Values that it
    has already make no version.
    """
    _refuse_unknown_secrets(profile.tenant_id, values.get("env_secret_names", ()))
    return _change(profile, values=values, actor=actor, seen_version=seen_version)


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


def change_skill(*, skill: Skill, actor: Actor, seen_version: int | None = None, **values: str) -> Skill:
    """Give a skill these values of its fields, redacted, as `change_profile` does with a profile's."""
    return _change(skill, values=values, actor=actor, seen_version=seen_version)


@transaction.atomic
def archive_definition[M: Profile | Skill](*, row: M, actor: Actor, now: datetime | None = None) -> M:
    """Put a skill or a profile away: no step is newly given it. Doing it again changes nothing."""
    stored = _lock(row)
    if stored.archived_at is None:
        _set_archived(stored, now or timezone.now(), actor, "archive")
    return stored


@transaction.atomic
def restore_definition[M: Profile | Skill](*, row: M, actor: Actor) -> M:
    """Take an archived skill or profile up again. Doing it again changes nothing."""
    stored = _lock(row)
    if stored.archived_at is not None:
        _set_archived(stored, None, actor, "restore")
    return stored


@transaction.atomic
def delete_definition[M: Profile | Skill](*, row: M, actor: Actor) -> None:
    """Delete a skill or a profile for good. Raises ValidationError for one that something refers to."""
    stored = _lock(row)
    # Asked of each table: Django would read all rows that refer to it before it refuses.
    if users := sorted(_users_of(stored)):
        raise ValidationError(f"it is used by {' and '.join(users)}: archive it instead")
    _record(stored, actor, "delete", {})
    try:
        stored.delete()
    except ProtectedError as refused:  # given to something just now
        raise ValidationError("it is used by now: archive it instead") from refused


def _users_of(row: Profile | Skill) -> Iterator[str]:
    """What refers to the row, in words."""
    for relation in row._meta.get_fields(include_hidden=True):
        if isinstance(relation, ManyToOneRel):
            field, model = relation.field, relation.field.model
            rows = model._default_manager.filter(tenant_id=row.tenant_id, **{field.name: row})
            if rows.exists():
                yield str(model._meta.verbose_name_plural)


def _lock[M: Profile | Skill](row: M) -> M:
    """The row as it is stored, its workspace locked: whoever gives it to a step or changes it waits."""
    lock_tenant(row.tenant_id)
    rows: QuerySet[M] = type(row)._default_manager.filter(tenant_id=row.tenant_id)  # type: ignore[assignment]
    return rows.select_for_update(no_key=True, of=("self",)).get(pk=row.pk)


@transaction.atomic
def _change[M: Profile | Skill](
    row: M, *, values: Mapping[str, Any], actor: Actor, seen_version: int | None
) -> M:
    before = _lock(row)
    if seen_version not in (None, before.version):
        raise StaleVersion(
            subject=f"{kind_of(type(row))} “{before}”",
            seen=seen_version,
            current=before.version,
            status="a newer version",
        )
    changed = change_record(row, values=values, actor=actor)
    if any(getattr(before, name) != getattr(changed, name) for name in values):
        changed.version += 1
        changed.save(update_fields=["version"])
    return changed


def _set_archived(row: Profile | Skill, at: datetime | None, actor: Actor, verb: str) -> None:
    before, row.archived_at = row.archived_at, at
    row.save(update_fields=["archived_at"])
    told = tuple(moment.isoformat() if moment else None for moment in (before, at))
    _record(row, actor, verb, {"archived_at": (told[0], told[1])})


def _record(
    row: Profile | Skill, actor: Actor, verb: str, changes: Mapping[str, tuple[object, object]]
) -> None:
    kind = kind_of(type(row))
    record(
        tenant_id=row.tenant_id,
        actor=actor,
        action=f"{verb}_{kind}",
        object_kind=kind,
        object_id=row.pk,
        object_title=str(row),
        changes=changes,
    )
