"""The page of a workspace's API tokens: one's own, for admins everybody's."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from sessions_app.kinds import IllegalMove
from workspace.access import MemberRequest, for_members
from workspace.actors import Actor
from workspace.models import ApiToken
from workspace.token_forms import NewTokenForm
from workspace.tokens import create_token, revoke_token

PAGE = 100


@require_safe
@never_cache
@for_members
def token_list(request: MemberRequest) -> HttpResponse:
    """The tokens that this member may revoke, the newest first."""
    return _render_list(request, NewTokenForm(member=request.seat.membership))


@require_POST
@never_cache
@for_members
def token_create(request: MemberRequest) -> HttpResponse:
    """Make a token. The answer shows it, this once: nothing keeps it, so there is nothing to redirect to."""
    form = NewTokenForm(request.POST, member=request.seat.membership)
    if form.is_valid():
        try:
            token, text = create_token(
                tenant_id=request.seat.tenant.pk,
                owner=request.seat.membership,
                actor=Actor.member(request.user),
                **form.cleaned_data,
            )
        except ValidationError as refused:
            for field, reasons in refused.message_dict.items():
                form.add_error(field if field in form.fields else None, reasons)
        else:
            fresh = NewTokenForm(member=request.seat.membership)
            return _render_list(request, fresh, status=201, made=token, text=text)
    return _render_list(request, form, status=422)


@require_POST
@for_members
def token_revoke(request: MemberRequest, token_id: uuid.UUID) -> HttpResponse:
    """Make a token worthless: its owner or an admin may."""
    tenant = request.seat.tenant
    token = ApiToken.objects.for_tenant(tenant.pk).filter(pk=token_id).first()
    if token is None:
        raise Http404("no such token")
    if not (request.seat.owns(token.user_id) or request.seat.can_manage):
        raise PermissionDenied("a token is revoked by its owner or by an admin")
    try:
        revoke_token(tenant_id=tenant.pk, token_id=token.pk, actor=Actor.member(request.user))
    except IllegalMove:
        messages.info(request, f"“{token.name}” was revoked already.")
    else:
        messages.success(request, f"“{token.name}” is revoked: nobody gets in with it any more.")
    return HttpResponseRedirect(reverse("workspace:token-list", args=[tenant.slug]))


def _render_list(
    request: MemberRequest, form: NewTokenForm, *, status: int = 200, **made: Any
) -> HttpResponse:
    slug, now = request.seat.tenant.slug, timezone.now()
    rows = ApiToken.objects.for_tenant(request.seat.tenant.pk).select_related("user").order_by("-pk")
    if not request.seat.can_manage:
        rows = rows.filter(user=request.user)
    lines = [
        {
            "token": token,
            "is_own": request.seat.owns(token.user_id),
            "state": "revoked" if token.revoked_at else "expired" if token.expires_at <= now else "",
            "revoke_url": reverse("workspace:token-revoke", args=[slug, token.pk]),
        }
        for token in rows[:PAGE]
    ]
    context = {
        "form": form,
        "lines": lines,
        "token_create_url": reverse("workspace:token-create", args=[slug]),
        "schema_url": request.build_absolute_uri("/api/v1/openapi.json"),
        **made,
    }
    return render(request, "workspace/token_list.html", context, status=status)
