"""Who may see and do what. A stranger to a workspace gets 404, as if it were not there."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, cast

from django.contrib.auth.decorators import login_required
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django_htmx.middleware import HtmxDetails

from workspace.models import Membership, Tenant, User

__all__ = ["Admission", "MemberRequest", "Seat", "admit", "find_seat", "for_members", "still_admitted"]

STILL_ADMITTED = """
SELECT asked.number
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[]) WITH ORDINALITY
    AS asked (tenant_id, user_id, session_key, stamp, number)
JOIN django_session ON django_session.session_key = asked.session_key AND django_session.expire_date > %s
JOIN workspace_user ON workspace_user.id = asked.user_id AND workspace_user.is_active
    AND encode(sha256(convert_to(workspace_user.password, 'UTF8')), 'hex') = asked.stamp
JOIN workspace_membership ON workspace_membership.tenant_id = asked.tenant_id
    AND workspace_membership.user_id = asked.user_id
JOIN workspace_tenant ON workspace_tenant.id = asked.tenant_id AND workspace_tenant.suspended_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Seat:
    """A person in a workspace: what every page of it is asked with."""

    tenant: Tenant
    membership: Membership
    user: User

    @property
    def can_run(self) -> bool:
        return self.membership.can_run

    @property
    def can_manage(self) -> bool:
        return self.membership.can_manage

    def owns(self, owner_id: uuid.UUID) -> bool:
        return self.user.pk == owner_id


class MemberRequest(HttpRequest):
    """A request that `for_members` has let through."""

    user: User
    htmx: HtmxDetails
    seat: Seat


def find_seat(user: User, slug: str) -> Seat | None:
    """The person's seat, or None: no such workspace, no membership, or suspended — all the same outside."""
    membership = (
        Membership.objects.select_related("tenant")
        .filter(user=user, tenant__slug=slug, tenant__suspended_at__isnull=True)
        .first()
    )
    return Seat(membership.tenant, membership, user) if membership else None


def for_members[**P](
    view: Callable[Concatenate[MemberRequest, P], HttpResponse],
) -> Callable[..., HttpResponse]:
    """A view under `/w/<workspace>/`: signed-in members get in with `request.seat`, strangers get 404."""

    @login_required
    @wraps(view)
    def inner(request: HttpRequest, workspace: str, *args: Any, **kwargs: Any) -> HttpResponse:
        member_request = cast(MemberRequest, request)
        seat = find_seat(member_request.user, workspace)
        if seat is None:
            raise Http404("no such workspace")
        member_request.seat = seat
        return cast(Callable[..., HttpResponse], view)(member_request, *args, **kwargs)

    return inner


@dataclass(frozen=True, slots=True)
class Admission:
    """What somebody's open connection stands on, to be looked at again while it is open.

    `stamp` is a digest of the stored password: a new password ends signed-in sessions.
    """

    tenant_id: uuid.UUID
    user_id: uuid.UUID
    session_key: str
    stamp: str


def admit(user: User, session_key: str, slug: str) -> tuple[Seat, Admission] | None:
    """The person's seat and what it stands on; None for strangers, as for workspaces that are not there."""
    seat = find_seat(user, slug)
    if seat is None:
        return None
    stamp = hashlib.sha256(user.password.encode()).hexdigest()
    return seat, Admission(seat.tenant.pk, user.pk, session_key, stamp)


def still_admitted(admissions: Collection[Admission], now: datetime) -> set[Admission]:
    """Those that hold: signed in, active, a member, the workspace open. One query for all of them."""
    asked = list(admissions)
    tenants, people = [each.tenant_id for each in asked], [each.user_id for each in asked]
    sessions, stamps = [each.session_key for each in asked], [each.stamp for each in asked]
    with connection.cursor() as cursor:
        cursor.execute(STILL_ADMITTED, [tenants, people, sessions, stamps, now])
        return {asked[number - 1] for (number,) in cursor.fetchall()}
