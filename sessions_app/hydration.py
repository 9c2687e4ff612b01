"""From keys to rows: one query for each kind on the page, then one each for people, initiatives and plans."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sessions_app.kinds import Moment, SessionRow
from sessions_app.registry import get_kind
from workspace.models import Initiative, Plan, Tenant, User

__all__ = ["present_rows"]

#: Kind and id: what names a session.
type SessionKey = tuple[str, uuid.UUID]


def present_rows(tenant: Tenant, keys: Iterable[SessionKey], moment: Moment) -> dict[SessionKey, SessionRow]:
    """The rows of those keys that the tenant has; a key of no registered kind raises KeyError."""
    by_kind: dict[str, list[uuid.UUID]] = defaultdict(list)
    for kind, session_id in keys:
        by_kind[kind].append(session_id)
    objects = {
        (kind, session_id): obj
        for kind, ids in by_kind.items()
        for session_id, obj in get_kind(kind).hydrate(tenant.pk, ids).items()
    }
    _fill_references(tenant, list(objects.values()))
    return {key: get_kind(key[0]).present(obj, moment, tenant.slug) for key, obj in objects.items()}


def _fill_references(tenant: Tenant, objects: list[Any]) -> None:
    """Put tenant, owner, initiative and plan where the objects' own attributes find them."""
    owners = User.objects.only("email", "name").in_bulk({obj.owner_id for obj in objects})
    initiative_ids = {obj.initiative_id for obj in objects} - {None}
    plan_ids = {obj.plan_id for obj in objects} - {None}
    initiatives = Initiative.objects.for_tenant(tenant.pk).only("name").in_bulk(initiative_ids)
    plans = Plan.objects.for_tenant(tenant.pk).only("name").in_bulk(plan_ids)
    for obj in objects:
        obj.tenant = tenant
        obj.owner = owners[obj.owner_id]
        obj.initiative = initiatives.get(obj.initiative_id)
        obj.plan = plans.get(obj.plan_id)
