"""From keys to rows: one query for each kind on the page that is not at hand, then one for all names."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Model

from sessions_app.kinds import Moment, SessionRow
from sessions_app.registry import get_kind
from sessions_app.sql import Sql, all_of, any_of, fetch, union
from sessions_app.wide_rows import bare_object
from workspace.models import Initiative, Plan, Tenant, User

__all__ = ["SessionKey", "present_rows"]

#: Kind and id: what names a session.
type SessionKey = tuple[str, uuid.UUID]

#: What a row names, each shown by the attribute of that name.
REFERENCES: dict[str, type[Model]] = {"owner": User, "initiative": Initiative, "plan": Plan}

NONE_AT_HAND: Mapping[SessionKey, Any] = {}


def present_rows(
    tenant: Tenant,
    keys: Iterable[SessionKey],
    moment: Moment,
    at_hand: Mapping[SessionKey, Any] = NONE_AT_HAND,
) -> dict[SessionKey, SessionRow]:
    """The rows of those keys that the tenant has; a key of no registered kind raises KeyError.

    `at_hand` are objects that have been read already.
    """
    objects = {**at_hand}
    by_kind: dict[str, list[uuid.UUID]] = defaultdict(list)
    for key in keys:
        if key not in objects:
            by_kind[key[0]].append(key[1])
    for kind, ids in by_kind.items():
        found = get_kind(kind).hydrate(tenant.pk, ids)
        objects |= {(kind, session_id): obj for session_id, obj in found.items()}
    _fill_references(tenant, list(objects.values()))
    return {key: get_kind(key[0]).present(obj, moment, tenant.slug) for key, obj in objects.items()}


def _fill_references(tenant: Tenant, objects: list[Any]) -> None:
    """Put tenant, owner, initiative and plan where the objects' own attributes find them."""
    named: dict[str, dict[Any, Any]] = {name: {} for name in REFERENCES}
    for what, key, name, email in fetch(_references_of(tenant, objects)):
        values = {"id": key, "name": name, **({"email": email} if what == "owner" else {})}
        named[what][key] = bare_object(REFERENCES[what], values)
    for obj in objects:
        cache = obj._state.fields_cache
        cache["tenant"] = tenant
        cache["owner"] = named["owner"][obj.owner_id]
        cache["initiative"] = named["initiative"].get(obj.initiative_id)
        cache["plan"] = named["plan"].get(obj.plan_id)


def _references_of(tenant: Tenant, objects: list[Any]) -> Sql | None:
    """Kind of reference, id, name and address of all that the objects refer to, in one question."""
    parts = []
    if owners := {obj.owner_id for obj in objects}:
        which = any_of("id", owners)
        text = f"SELECT 'owner', id, name, email FROM {_table(User)} WHERE {which.text}"  # noqa: S608
        parts.append(Sql(text, which.params))
    for what, model in (("initiative", Initiative), ("plan", Plan)):
        if ids := {getattr(obj, f"{what}_id") for obj in objects} - {None}:
            where = all_of([Sql("tenant_id = %s", (tenant.pk,)), any_of("id", ids)])
            text = f"SELECT '{what}', id, name, '' FROM {_table(model)} WHERE {where.text}"  # noqa: S608
            parts.append(Sql(text, where.params))
    return union(parts)


def _table(model: type[Model]) -> str:
    return model._meta.db_table
