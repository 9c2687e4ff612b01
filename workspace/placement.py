"""Whose a session is and what it serves, checked to be of one tenant."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from workspace.models import Initiative, Membership, Plan

__all__ = ["Placement", "check_placement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The owner of a session and the initiative and plan that it is to serve."""

    owner_id: uuid.UUID
    initiative_id: uuid.UUID | None = None
    plan_id: uuid.UUID | None = None


def check_placement(tenant_id: uuid.UUID, placement: Placement) -> None:
    """Raise the DoesNotExist of `Membership`, `Initiative` or `Plan` for whatever is not of this tenant."""
    Membership.objects.for_tenant(tenant_id).get(user_id=placement.owner_id)
    if placement.initiative_id is not None:
        Initiative.objects.for_tenant(tenant_id).get(pk=placement.initiative_id)
    if placement.plan_id is not None:
        Plan.objects.for_tenant(tenant_id).get(pk=placement.plan_id)
