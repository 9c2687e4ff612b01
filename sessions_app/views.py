from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Sequence
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from sessions_app.center import Scope, needs_of, read_center
from sessions_app.claims import claims_of
from sessions_app.hydration import SessionKey
from sessions_app.kinds import Moment
from sessions_app.listing import render_list
from sessions_app.registry import all_kinds, get_kind
from sessions_app.revs import current_rev
from sessions_app.unread import Unread, summarise, unread_of
from workspace.access import MemberRequest, Seat, for_members
from workspace.seeing import mark_all_seen, mark_seen


@require_safe
@for_members
def session_list(request: MemberRequest) -> HttpResponse:
    """Every session of the workspace: live ones first, filtered by the address, a page at a time."""
    return render_list(request, "sessions_app/session_list.html", title="Sessions")


@require_safe
@for_members
def command_center(request: MemberRequest) -> HttpResponse:
    """What needs this member, what is active, what changed of late: as a page, or for scripts its content.

    `scope=everyone` for all sessions of the workspace, `not_kind` (repeated) for kinds to leave out; anything
    else is as if it were not said: the panel keeps what was chosen in an earlier version of the product.
    """
    known = {kind.key for kind in all_kinds()}
    scope = Scope(
        is_everyone=request.GET.get("scope") == "everyone",
        without=frozenset(known.intersection(request.GET.getlist("not_kind"))),
    )
    rev, now = current_rev(request.seat.tenant.pk), timezone.now()
    center = read_center(request.seat, scope, Moment.of(request.seat.tenant, now))
    unread = unread_of(request.seat, now)
    url = reverse("sessions_app:command-center", args=[request.seat.tenant.slug])

    def link(label: str, target: Scope, *, is_current: bool, icon: str = "") -> dict[str, object]:
        address = f"{url}?{target.query()}" if target.query() else url
        return {"label": label, "url": address, "is_current": is_current, "icon": icon}

    context = {
        "tenant_slug": request.seat.tenant.slug,
        "center": center,
        "away": summarise(unread, now),
        "mine": json.dumps(_mine(request.seat, rev, unread, center.needs)),
        "scope": scope,
        "whose": [
            link("Mine", Scope(False, scope.without), is_current=not scope.is_everyone),
            link("Everyone", Scope(True, scope.without), is_current=scope.is_everyone),
        ],
        "kinds": [
            link(
                kind.label_plural,
                scope.toggled(kind.key),
                is_current=kind.key not in scope.without,
                icon=kind.icon,
            )
            for kind in all_kinds()
        ],
    }
    part = "#body" if request.htmx else ""
    response = render(request, f"sessions_app/command_center.html{part}", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
@for_members
def unread_sessions(request: MemberRequest) -> HttpResponse:
    """What is this member's own of the sessions, for the pages whose rows are the same for all."""
    rev = current_rev(request.seat.tenant.pk)
    unread = unread_of(request.seat, timezone.now())
    return JsonResponse(_mine(request.seat, rev, unread, needs_of(request.seat)))


@require_safe
@for_members
def empty_frame(request: MemberRequest) -> HttpResponse:
    """What stands around every page of the workspace, for one that could not be drawn with it."""
    return render(request, "base.html")


def _mine(seat: Seat, rev: str, unread: Sequence[Unread], needs: Collection[SessionKey]) -> dict[str, Any]:
    """Keys of what the member has not seen and of what needs them, and who is answering any of that.

    `rev` was read before all of it: what is told of a later one goes on top.
    """
    claims = claims_of(seat.tenant.pk, needs)
    return {
        "rev": rev,
        "unread": [one.key for one in unread],
        "needs": sorted(_key(*key) for key in needs),
        "claims": {_key(*key): f"{user_id} {name}" for key, (user_id, name) in claims.items()},
    }


def _key(kind: str, session_id: uuid.UUID) -> str:
    return f"{kind}:{session_id}"


@require_POST
@for_members
def everything_seen(request: MemberRequest) -> HttpResponse:
    """Whatever has changed up to now counts as seen by this member."""
    mark_all_seen(membership=request.seat.membership, now=timezone.now())
    if request.htmx:
        return HttpResponse(status=204)
    return HttpResponseRedirect(reverse("sessions_app:command-center", args=[request.seat.tenant.slug]))


@require_POST
@for_members
def session_seen(request: MemberRequest, kind: str, session_id: uuid.UUID) -> HttpResponse:
    """This member has looked at the session as it stands: 204."""
    try:
        found = get_kind(kind).hydrate(request.seat.tenant.pk, [session_id]).get(session_id)
    except KeyError:
        found = None
    if found is None:
        raise Http404("no such session")
    mark_seen(
        membership=request.seat.membership,
        kind=kind,
        session_id=session_id,
        version=found.version,
        now=timezone.now(),
    )
    return HttpResponse(status=204)
