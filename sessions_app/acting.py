"""Doing what a session offers, and looking at it first: what is answered in place, on any page."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from sessions_app import queries
from sessions_app.claims import claim, claims_of, release
from sessions_app.hydration import SessionKey
from sessions_app.kinds import (
    Action,
    Evidence,
    IllegalMove,
    Moment,
    SessionKind,
    SessionRow,
    StaleVersion,
    Tone,
    read_version,
)
from sessions_app.registry import get_kind
from workspace.access import MemberRequest, for_members
from workspace.actors import Actor
from workspace.seeing import mark_sessions_seen

MAX_COMMENT = 4000


@dataclass(frozen=True, slots=True)
class Notice:
    """What became of an action."""

    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """The form of a session's actions; `comment_label` is "" where none of them takes a text."""

    decisions: Sequence[Action]
    comment_label: str


@require_safe
@for_members
def session_peek(request: MemberRequest, kind: str, session_id: uuid.UUID) -> HttpResponse:
    """The last output or the question of a session, and what this member may answer, without its page.

    As a page; for scripts the part alone, or (`part=evidence`) why its status is what it is.
    """
    session_kind = _find_kind(kind)
    obj = _find_session(session_kind, request, session_id)
    if request.htmx and request.GET.get("part") == "evidence":
        row = _row_of(session_kind, obj, request)
        context = {"evidence": _evidence(session_kind, obj, row)}
        return render(request, "sessions_app/session_peek.html#evidence", context)
    return _render_peek(request, session_kind, obj)


@require_POST
@for_members
def session_action(request: MemberRequest, kind: str, session_id: uuid.UUID) -> HttpResponse:
    """Do one of the session's actions, if this member may and the session has not moved on since.

    Goes back to the session's page, which says what was done, or why not; for scripts the answer is the
    session's peek with the same words, 409 where nothing was done. A member who may not do it gets 403, so
    that a page that is out of date tells them rather than nothing happening.
    """
    session_kind = _find_kind(kind)
    obj = _find_session(session_kind, request, session_id)
    version = read_version(request.POST.get("version", ""))
    if version is None:
        problem = {"parameter": "version", "message": "not the number of a version"}
        return render(request, "400.html", {"problem": problem}, status=400)
    notice = perform_action(
        request,
        session_kind,
        obj,
        name=request.POST.get("action", ""),
        version=version,
        content_hash=request.POST.get("content_hash", ""),
    )
    obj = _find_session(session_kind, request, session_id)
    if notice.tone == Tone.SUCCESS:
        settle(request, {(session_kind.key, session_id): obj})
    if request.htmx:
        return _render_peek(request, session_kind, obj, notice)
    add = messages.success if notice.tone == Tone.SUCCESS else messages.warning
    add(request, notice.text)
    return HttpResponseRedirect(session_kind.url(obj, request.seat.tenant.slug))


@require_POST
@for_members
def session_claim(request: MemberRequest, kind: str, session_id: uuid.UUID) -> HttpResponse:
    """This member is answering the session just now (or, with `release`, no more): 204.

    Only for those to whom it offers something; a claim keeps nobody from anything.
    """
    session_kind = _find_kind(kind)
    obj = _find_session(session_kind, request, session_id)
    key = (session_kind.key, session_id)
    if request.POST.get("release"):
        release(tenant_id=request.seat.tenant.pk, key=key, user=request.user)
    elif session_kind.actions(obj, request.seat.membership):
        claim(tenant_id=request.seat.tenant.pk, key=key, user=request.user)
    else:
        raise PermissionDenied("this session offers nothing to you")
    return HttpResponse(status=204)


def perform_action(
    request: MemberRequest, kind: SessionKind, obj: Any, *, name: str, version: int, content_hash: str
) -> Notice:
    """Do one action to one session in a transaction of its own, bound to what the member saw.

    The comment is the request's. Raises PermissionDenied for what is not this member's to do. Whoever calls
    it hands what was done to `settle`.
    """
    try:
        _authorise(kind, obj, name, version, request)
        done = kind.perform(
            name,
            session_id=obj.pk,
            actor=Actor.member(request.user),
            tenant_id=request.seat.tenant.pk,
            version=version,
            comment=request.POST.get("comment", "")[:MAX_COMMENT],
            content_hash=content_hash,
        )
    except (IllegalMove, StaleVersion) as refused:
        return Notice(Tone.ATTENTION, kind.decision_on(obj, version) or str(refused))
    return Notice(Tone.SUCCESS, done)


def settle(request: MemberRequest, done: Mapping[SessionKey, Any]) -> None:
    """What a member has done themselves is nothing new to them, and they answer no more.

    `done` are the sessions as they are by now.
    """
    if not done:
        return
    seat, versions = request.seat, {key: obj.version for key, obj in done.items()}
    mark_sessions_seen(membership=seat.membership, versions=versions, now=timezone.now())
    for key in done:
        release(tenant_id=seat.tenant.pk, key=key, user=seat.user)


def _render_peek(
    request: MemberRequest, kind: SessionKind, obj: Any, notice: Notice | None = None
) -> HttpResponse:
    row = _row_of(kind, obj, request)
    claimed_by = claims_of(request.seat.tenant.pk, [(kind.key, obj.pk)]).get((kind.key, obj.pk))
    actions = kind.actions(obj, request.seat.membership)
    label = next((action.comment_label for action in actions if action.wants_comment), "")
    is_refused = notice is not None and notice.tone != Tone.SUCCESS
    context = {
        "session": row,
        "peek": kind.peek(obj),
        "evidence": _evidence(kind, obj, row),
        "card": Card(actions, label),
        "action_url": reverse(
            "sessions_app:session-action", args=[request.seat.tenant.slug, kind.key, obj.pk]
        ),
        "notice": notice,
        "claim": claimed_by[1] if claimed_by and claimed_by[0] != request.user.pk else "",
        "in_place": bool(request.htmx),
        # What was typed is not lost to a refusal.
        "typed": request.POST.get("comment", "")[:MAX_COMMENT] if is_refused else "",
    }
    part = "#peek" if request.htmx else ""
    template = f"sessions_app/session_peek.html{part}"
    response = render(request, template, context, status=409 if is_refused else 200)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _evidence(kind: SessionKind, obj: Any, row: SessionRow) -> list[Evidence]:
    """What the row says of its status, and what is looked up only here."""
    said = list(row.evidence) or [Evidence("Rule", "set by the service that owns it")]
    if row.liveness == "alive":
        said.append(Evidence("Process", "alive"))
    elif row.liveness:
        said.append(Evidence("Process", f"{row.liveness}, last confirmed", row.liveness_since))
    return said + kind.more_evidence(obj)


def _row_of(kind: SessionKind, obj: Any, request: MemberRequest) -> SessionRow:
    """The session's row, which reads its references."""
    tenant = request.seat.tenant
    moment = Moment.of(tenant, timezone.now())
    row = queries.row(tenant=tenant, kind=kind.key, session_id=obj.pk, moment=moment)
    if row is None:
        raise Http404("no such session")
    return row


def _find_session(kind: SessionKind, request: MemberRequest, session_id: uuid.UUID) -> Any:
    obj = kind.hydrate(request.seat.tenant.pk, [session_id]).get(session_id)
    if obj is None:
        raise Http404("no such session")
    return obj


def _find_kind(key: str) -> SessionKind:
    try:
        return get_kind(key)
    except KeyError:
        raise Http404("no such kind of session") from None


def _authorise(kind: SessionKind, obj: Any, name: str, version: int, request: MemberRequest) -> None:
    """Let pass what the page would offer to this member now.

    Raises PermissionDenied, or `StaleVersion` where the session has moved on, so that the person hears what
    changed and not that they may not.
    """
    actions = kind.actions(obj, request.seat.membership)
    offered = {action.name for action in actions if not action.link}
    if name in offered:
        return
    if obj.version != version and request.seat.can_run:
        status = kind.statuses[obj.status].label.lower()
        raise StaleVersion(subject=f"“{obj}”", seen=version, current=obj.version, status=status)
    raise PermissionDenied("this action is for the session's owner, or for the workspace's admins")
