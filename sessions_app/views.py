from __future__ import annotations

import uuid

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from sessions_app.kinds import IllegalMove, SessionKind, StaleVersion
from sessions_app.listing import render_list
from sessions_app.registry import get_kind
from workspace.access import MemberRequest, for_members
from workspace.actors import Actor

MAX_COMMENT = 4000


@require_safe
@for_members
def session_list(request: MemberRequest) -> HttpResponse:
    """Every session of the workspace: live ones first, filtered by the address, a page at a time."""
    return render_list(request, "sessions_app/session_list.html", title="Sessions")


@require_POST
@for_members
def session_action(request: MemberRequest, kind: str, session_id: uuid.UUID) -> HttpResponse:
    """Do one of the session's actions, if this member may and the session has not moved on since.

    Goes back to the session's page, which says what was done, or why not. A member who may not do it gets
    403, so that a page that is out of date tells them rather than nothing happening.
    """
    session_kind = _find_kind(kind)
    tenant = request.seat.tenant
    obj = session_kind.hydrate(tenant.pk, [session_id]).get(session_id)
    if obj is None:
        raise Http404("no such session")
    name, version = request.POST.get("action", ""), request.POST.get("version", "")
    if not version.isascii() or not version.isdigit():
        problem = {"parameter": "version", "message": "not the number of a version"}
        return render(request, "400.html", {"problem": problem}, status=400)
    try:
        _authorise(session_kind, obj, name, int(version), request)
        done = session_kind.perform(
            name,
            session_id=session_id,
            actor=Actor.member(request.user),
            tenant_id=tenant.pk,
            version=int(version),
            comment=request.POST.get("comment", "")[:MAX_COMMENT],
        )
    except (IllegalMove, StaleVersion) as refused:
        messages.warning(request, str(refused))
    else:
        messages.success(request, done)
    return HttpResponseRedirect(session_kind.url(obj, tenant.slug))


def _find_kind(key: str) -> SessionKind:
    try:
        return get_kind(key)
    except KeyError:
        raise Http404("no such kind of session") from None


def _authorise(kind: SessionKind, obj: object, name: str, version: int, request: MemberRequest) -> None:
    """Let pass what the page would offer to this member now.

    Raises PermissionDenied, or `StaleVersion` where the session has moved on, so that the person hears what
    changed and not that they may not.
    """
    offered = {action.name for action in kind.actions(obj, request.seat.membership)}
    if name in offered:
        return
    current = getattr(obj, "version", 0)
    if current != version and request.seat.can_run:
        status = kind.statuses[getattr(obj, "status", "")].label.lower()
        raise StaleVersion(subject=f"“{obj}”", seen=version, current=current, status=status)
    raise PermissionDenied("this action is for the session's owner, or for the workspace's admins")
