"""Who may see and do what. A stranger to a workspace gets 404, as if it were not there."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, cast

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django_htmx.middleware import HtmxDetails

from workspace.models import Membership, Tenant, User

__all__ = ["MemberRequest", "Seat", "find_seat", "for_members"]


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
