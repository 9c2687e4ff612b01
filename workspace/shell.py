"""What the frame of every page shows: the workspaces to switch between, the main links, who is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from workspace.access import Seat
from workspace.models import Membership, User

__all__ = ["Link", "Shell", "shell"]


@dataclass(frozen=True, slots=True)
class Link:
    label: str
    url: str
    icon: str = ""
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class Shell:
    """The frame for a signed-in person; `workspace_name` is "" outside of any workspace."""

    home_url: str
    workspace_name: str
    workspaces: tuple[Link, ...]
    nav: tuple[Link, ...]
    user_name: str
    user_email: str
    time_zone: str
    user_links: tuple[Link, ...]
    sign_out_url: str


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `shell` costs one query, and only on a page that draws the frame."""
    user = getattr(request, "user", None)
    if not isinstance(user, User) and not getattr(user, "is_authenticated", False):
        return {"shell": None}
    return {"shell": SimpleLazyObject(partial(_build, request))}


def _build(request: HttpRequest) -> Shell:
    user: Any = request.user
    seat: Seat | None = getattr(request, "seat", None)
    memberships = (
        Membership.objects.select_related("tenant")
        .filter(user=user, tenant__suspended_at__isnull=True)
        .order_by("tenant__name")
    )
    workspaces = tuple(
        Link(
            m.tenant.name,
            reverse("sessions_app:session-list", args=[m.tenant.slug]),
            is_current=seat is not None and m.tenant_id == seat.tenant.pk,
        )
        for m in memberships
    )
    operator = (Link("Operator's admin", reverse("admin:index"), "settings"),) if user.is_staff else ()
    return Shell(
        home_url=reverse("workspace:home"),
        workspace_name=seat.tenant.name if seat else "",
        workspaces=workspaces,
        nav=_nav(request.path, seat) if seat else (),
        user_name=user.display_name,
        user_email=user.email,
        time_zone=user.time_zone,
        user_links=operator,
        sign_out_url=reverse("workspace:sign-out"),
    )


def _nav(path: str, seat: Seat) -> tuple[Link, ...]:
    pages: tuple[tuple[str, str, str], ...] = (
        ("Sessions", "sessions_app:session-list", "list"),
        ("Flows", "flows:flow-list", "workflow"),
        ("Initiatives", "sessions_app:initiative-list", "flag"),
        ("Plans", "sessions_app:plan-list", "map"),
        ("Import", "intake:upload-list", "download"),
        ("API tokens", "workspace:token-list", "terminal"),
    )
    if seat.can_manage:
        pages = (*pages, ("Secrets", "audit:secret-list", "key-round"))
    links = ((label, reverse(name, args=[seat.tenant.slug]), icon) for label, name, icon in pages)
    return tuple(Link(label, url, icon, path.startswith(url)) for label, url, icon in links)
