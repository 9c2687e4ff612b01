"""Every write to a workspace's secrets: set, rotated, described, forgotten, deleted, ticked off."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from audit.redaction import refusal
from audit.services import record, redact
from audit.sweeps import start_sweep
from workspace.actors import Actor
from workspace.models import EarlierValue, RotationCheck, RotationStep, Secret
from workspace.records import lock_tenant
from workspace.sealing import derive_key, seal, unseal

__all__ = [
    "check_rotation_step",
    "create_secret",
    "delete_secret",
    "describe_secret",
    "forget_earlier_values",
    "open_secrets",
    "restart_rotation",
    "rotate_secret",
    "set_secret",
]


@transaction.atomic
def create_secret(*, tenant_id: uuid.UUID, name: str, value: str, actor: Actor, note: str = "") -> Secret:
    """Register a secret: from now on its value is replaced by its name wherever it shows up.

    Raises ValidationError by field: a name that is taken or no variable name, a value that ordinary text
    would hold or that another secret has.
    """
    lock_tenant(tenant_id)
    if Secret.objects.for_tenant(tenant_id).filter(name=name).exists():
        raise ValidationError({"name": f"there is a secret {name} already: set its new value on its page"})
    secret = Secret(tenant_id=tenant_id, name=name, created_by_id=actor.user_id)
    _put_value(secret, value)
    secret.note = _clean_note(tenant_id, note, value)
    _save(secret, actor, "create_secret")
    start_sweep(tenant_id=tenant_id, reason=f"{name} was registered", actor=actor)
    return secret


@transaction.atomic
def rotate_secret(*, tenant_id: uuid.UUID, name: str, value: str, actor: Actor) -> Secret:
    """Give a secret its new value. The one that it had is still replaced by its name wherever it shows up.

    Raises Secret.DoesNotExist, and ValidationError as `create_secret` does, also for the value that it has.
    """
    lock_tenant(tenant_id)
    secret = Secret.objects.for_tenant(tenant_id).select_for_update(no_key=True, of=("self",)).get(name=name)
    before = EarlierValue(
        tenant_id=tenant_id,
        secret=secret,
        sealed=bytes(secret.sealed),
        key_id=secret.key_id,
        digest=secret.digest,
    )
    _put_value(secret, value)
    EarlierValue.objects.bulk_create([before], ignore_conflicts=True)
    # A value that it had once and has again is no earlier one.
    EarlierValue.objects.for_tenant(tenant_id).filter(secret=secret, digest=secret.digest).delete()
    secret.rotated_at, secret.rotated_by_id = timezone.now(), actor.user_id
    _save(secret, actor, "rotate_secret")
    _tick(secret, RotationStep.VALUE, actor)
    start_sweep(tenant_id=tenant_id, reason=f"{name} was rotated", actor=actor)
    return secret


@transaction.atomic
def set_secret(*, tenant_id: uuid.UUID, name: str, value: str, actor: Actor) -> Secret:
    """Register a secret, or rotate it if there is one of this name. Raises ValidationError as both do."""
    lock_tenant(tenant_id)
    do = rotate_secret if Secret.objects.for_tenant(tenant_id).filter(name=name).exists() else create_secret
    return do(tenant_id=tenant_id, name=name, value=value, actor=actor)


@transaction.atomic
def describe_secret(*, tenant_id: uuid.UUID, name: str, note: str, actor: Actor) -> Secret:
    """Change what a secret's note says. Raises Secret.DoesNotExist, ValidationError for one too long."""
    secret = _lock(tenant_id, name)
    before, secret.note = secret.note, _clean_note(tenant_id, note)
    if secret.note != before:
        _save(secret, actor, "describe_secret", {"note": (before, secret.note)})
    return secret


@transaction.atomic
def forget_earlier_values(*, tenant_id: uuid.UUID, name: str, actor: Actor) -> int:
    """Look no longer for the values that a secret had before; returns how many. Raises Secret.DoesNotExist.

    What was replaced stays replaced; a text that comes later and holds one of them is not.
    """
    secret = _lock(tenant_id, name)
    earlier = EarlierValue.objects.for_tenant(tenant_id).filter(secret=secret)
    count = earlier.count()
    if count:
        earlier.delete()
        _record(secret, actor, "forget_earlier_values", {"earlier_values": (count, 0)})
    return count


@transaction.atomic
def delete_secret(*, tenant_id: uuid.UUID, name: str, actor: Actor) -> None:
    """Look no longer for a secret, nor for what it was before. Raises Secret.DoesNotExist.

    What was replaced by its name stays so, and stays listed where it surfaced.
    """
    secret = _lock(tenant_id, name)
    _record(secret, actor, "delete_secret")
    secret.delete()


@transaction.atomic
def check_rotation_step(
    *, tenant_id: uuid.UUID, name: str, step: RotationStep, is_done: bool, actor: Actor
) -> None:
    """Tick a step of a secret's rotation off, or take the tick away. Raises Secret.DoesNotExist."""
    secret = _lock(tenant_id, name)
    if is_done:
        _tick(secret, step, actor)
    else:
        RotationCheck.objects.for_tenant(tenant_id).filter(secret=secret, step=step).delete()


@transaction.atomic
def restart_rotation(*, tenant_id: uuid.UUID, name: str) -> None:
    """Take all ticks away, for the next rotation. Raises Secret.DoesNotExist."""
    secret = _lock(tenant_id, name)
    RotationCheck.objects.for_tenant(tenant_id).filter(secret=secret).delete()


def open_secrets(*, tenant_id: uuid.UUID, names: Collection[str]) -> dict[str, str]:
    """The present values of these secrets by name, of those that there are.

    For the environment of work that names them, right before it begins, and for nothing else: no page, row,
    message or log gets to see them. Raises `Unsealable`.
    """
    return {
        secret.name: unseal(
            bytes(secret.sealed), key_id=secret.key_id, tenant_id=tenant_id, name=secret.sealed_as
        )
        for secret in Secret.objects.for_tenant(tenant_id).filter(name__in=names)
    }


def _lock(tenant_id: uuid.UUID, name: str) -> Secret:
    return Secret.objects.for_tenant(tenant_id).select_for_update(no_key=True, of=("self",)).get(name=name)


def _put_value(secret: Secret, value: str) -> None:
    """Seal a new value into the row. The tenant is locked: nobody registers the same one meanwhile."""
    tenant_id, bare = secret.tenant_id, value.strip()
    if reason := refusal(value):
        raise ValidationError({"value": reason})
    if bare in secret.name:
        raise ValidationError({"value": "its name holds the value, so that it would be shown everywhere"})
    digest = hmac.new(derive_key("redaction-mark", tenant_id), bare.encode(), hashlib.sha256).hexdigest()
    if digest == secret.digest:
        raise ValidationError({"value": "that is the value which it has"})
    others = Secret.objects.for_tenant(tenant_id).filter(digest=digest).values_list("name", flat=True)
    earlier = EarlierValue.objects.for_tenant(tenant_id).filter(digest=digest).exclude(secret=secret.pk)
    other = others.first() or earlier.values_list("secret__name", flat=True).first()
    if other:
        raise ValidationError({"value": f"{other} has this value, or had it: a value goes by one name"})
    secret.digest = digest
    secret.sealed, secret.key_id = seal(value, tenant_id=tenant_id, name=secret.sealed_as)


def _clean_note(tenant_id: uuid.UUID, note: str, value: str = "") -> str:
    note = note.strip()
    if value.strip() and value.strip() in note:
        raise ValidationError({"note": "the note holds the value"})
    return redact(tenant_id=tenant_id, text=note)


def _save(
    secret: Secret, actor: Actor, action: str, changes: dict[str, tuple[object, object]] | None = None
) -> None:
    secret.full_clean(exclude=["created_by", "rotated_by", "sealed"])
    secret.save()
    _record(secret, actor, action, changes)


def _tick(secret: Secret, step: RotationStep, actor: Actor) -> None:
    row = RotationCheck(tenant_id=secret.tenant_id, secret=secret, step=step, checked_by_id=actor.user_id)
    RotationCheck.objects.bulk_create([row], ignore_conflicts=True)


def _record(
    secret: Secret, actor: Actor, action: str, changes: dict[str, tuple[object, object]] | None = None
) -> None:
    record(
        tenant_id=secret.tenant_id,
        actor=actor,
        action=action,
        object_kind="secret",
        object_id=secret.pk,
        object_title=secret.name,
        changes=changes,
    )
