"""Rows that people keep by hand (initiatives, plans, profiles, skills): adding and changing them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.utils.text import camel_case_to_spaces

from audit.services import record, redact
from workspace.actors import Actor
from workspace.models import Tenant
from workspace.tenancy import TenantOwned

__all__ = ["change_record", "create_record", "kind_of", "lock_tenant", "refuse_taken_name"]


def kind_of(model: type[models.Model]) -> str:
    """The name of a model's rows in the record: `TenantOwned` is "tenant_owned"."""
    return camel_case_to_spaces(model.__name__).replace(" ", "_")


def lock_tenant(tenant_id: uuid.UUID) -> Tenant:
    """The tenant's row, locked until the transaction ends: who looks for a name and then takes it goes alone.

    Rows that point to the tenant are written meanwhile as ever. Raises Tenant.DoesNotExist.
    """
    return Tenant.objects.select_for_update(no_key=True).get(pk=tenant_id)


def refuse_taken_name(
    model: type[TenantOwned], *, tenant_id: uuid.UUID, name: str, except_id: uuid.UUID | None = None
) -> None:
    """Raise ValidationError for a name that another row has, in whatever case. The tenant is locked."""
    others = model._default_manager.filter(tenant_id=tenant_id)
    if except_id is not None:
        others = others.exclude(pk=except_id)
    # Compared as the unique constraints compare: `iexact` folds other letters than they do.
    if others.filter(Exact(Lower("name"), Lower(models.Value(name)))).exists():
        raise ValidationError({"name": f"{model._meta.verbose_name} “{name}” is there already"})


@transaction.atomic
def create_record[M: TenantOwned](obj: M, *, actor: Actor) -> M:
    """Store a new row, its text redacted. Raises ValidationError by field, also for a name that is taken."""
    for field in obj._meta.concrete_fields:
        setattr(obj, field.attname, _redacted(obj.tenant_id, field, getattr(obj, field.attname)))
    lock_tenant(obj.tenant_id)
    _check(obj)
    obj.save(force_insert=True)
    _record(obj, actor=actor, verb="create", changes={})
    return obj


@transaction.atomic
def change_record[M: TenantOwned | Tenant](obj: M, *, values: Mapping[str, Any], actor: Actor) -> M:
    """Give a row these values, its text redacted, and record those that differ from what was stored.

    Returns the row as stored. Raises ValidationError by field; nothing has changed then.
    """
    model = type(obj)
    lock_tenant(_tenant_of(obj))
    rows: models.QuerySet[M] = model._default_manager.all()  # type: ignore[assignment]
    stored = rows.select_for_update(no_key=True, of=("self",)).get(pk=obj.pk)
    changes: dict[str, tuple[Any, Any]] = {}
    for name, value in values.items():
        field = model._meta.get_field(name)
        before = getattr(stored, name)
        after = _redacted(_tenant_of(stored), field, value)
        if before != after:
            setattr(stored, name, after)
            changes[name] = (_plain(before), _plain(after))
    if changes:
        _check(stored)
        stored.save(update_fields=list(changes))
        _record(stored, actor=actor, verb="change", changes=changes)
    return stored


def _check(obj: TenantOwned | Tenant) -> None:
    """Raise ValidationError by field, also for a row of another tenant that this one points to."""
    for field in obj._meta.concrete_fields:
        if isinstance(field.remote_field, models.ManyToOneRel) and getattr(obj, field.attname):
            other = getattr(obj, field.name)
            if isinstance(other, TenantOwned) and other.tenant_id != _tenant_of(obj):
                raise ValidationError({field.name: "this row belongs to another workspace"})
    if isinstance(obj, TenantOwned):
        refuse_taken_name(type(obj), tenant_id=obj.tenant_id, name=str(obj), except_id=obj.pk)
    obj.full_clean()


def _record(
    obj: TenantOwned | Tenant, *, actor: Actor, verb: str, changes: Mapping[str, tuple[Any, Any]]
) -> None:
    kind = kind_of(type(obj))
    record(
        tenant_id=_tenant_of(obj),
        actor=actor,
        action=f"{verb}_{kind}",
        object_kind=kind,
        object_id=obj.pk,
        object_title=str(obj),
        changes=changes,
    )


def _tenant_of(obj: TenantOwned | Tenant) -> uuid.UUID:
    return obj.pk if isinstance(obj, Tenant) else obj.tenant_id


def _redacted(tenant_id: uuid.UUID, field: Any, value: Any) -> Any:
    is_free_text = isinstance(field, models.CharField | models.TextField) and not field.choices
    return redact(tenant_id=tenant_id, text=value) if is_free_text and value else value


def _plain(value: Any) -> Any:
    """As the record keeps it: JSON as it is, a row by its id, anything else in words."""
    if isinstance(value, models.Model):
        return str(value.pk)
    return value if value is None or isinstance(value, bool | int | float | str | list | dict) else str(value)
