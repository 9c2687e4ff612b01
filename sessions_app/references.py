"""Who and what a person means by an id, an address or a name, inside one tenant."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from sessions_app.registry import all_kinds
from workspace.models import Initiative, Membership, Plan, User

__all__ = ["Reference", "find_references"]

#: An id; or "me", an e-mail address or a name.
type Reference = uuid.UUID | str


def find_references(
    name: str, wanted: Collection[Reference], *, tenant_id: uuid.UUID, me_id: uuid.UUID | None
) -> dict[Reference, uuid.UUID]:
    """The ids of those owners, initiatives or plans that are this tenant's; the others are left out."""
    if name == "owner":
        return _find_owners(wanted, tenant_id, me_id)
    rows = (Initiative.objects if name == "initiative" else Plan.objects).for_tenant(tenant_id)
    return _find_named(rows, wanted)


def _find_named(
    rows: QuerySet[Initiative] | QuerySet[Plan], wanted: Collection[Reference]
) -> dict[Reference, uuid.UUID]:
    ids, names = _split(wanted)
    by_name = Q(lower_name__in=names)
    found = rows.alias(lower_name=Lower("name")).filter(Q(pk__in=ids) | by_name)
    known: dict[str, uuid.UUID] = {}
    for key, text in found.values_list("pk", "name"):
        known |= {str(key): key, text.lower(): key}
    return _answer(wanted, known)


def _find_owners(
    wanted: Collection[Reference], tenant_id: uuid.UUID, me_id: uuid.UUID | None
) -> dict[Reference, uuid.UUID]:
    """Members, and people who have left but own sessions here."""
    ids, addresses = _split(wanted)
    meant = Q(pk__in=ids) | Q(email__in=addresses)
    people = dict(User.objects.filter(meant).values_list("pk", "email"))
    members = Membership.objects.for_tenant(tenant_id).filter(user_id__in=people)
    here = set(members.values_list("user_id", flat=True))
    here |= _owners_among(set(people) - here, tenant_id)
    known = {"me": me_id} if me_id else {}
    for key in here:
        known |= {str(key): key, people[key]: key}
    return _answer(wanted, known)


def _owners_among(ids: set[uuid.UUID], tenant_id: uuid.UUID) -> set[uuid.UUID]:
    """Those of the ids that own a session of the tenant: one look into an index for each."""
    if not ids:
        return set()
    first, *others = (
        kind.model._default_manager.filter(tenant_id=tenant_id, owner_id=key).values_list("owner_id")[:1]
        for kind in all_kinds()
        for key in sorted(ids)
    )
    return {key for (key,) in first.union(*others, all=True)}


def _split(wanted: Collection[Reference]) -> tuple[list[uuid.UUID], list[str]]:
    ids = [reference for reference in wanted if isinstance(reference, uuid.UUID)]
    return ids, [reference.lower() for reference in wanted if isinstance(reference, str)]


def _answer(wanted: Collection[Reference], known: dict[str, uuid.UUID]) -> dict[Reference, uuid.UUID]:
    return {r: known[str(r).lower()] for r in wanted if str(r).lower() in known}
