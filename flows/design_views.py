"""The page on which a flow is made or changed."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from agents.access import can_define
from flows import services
from flows.access import can_design
from flows.checking import problems_of
from flows.design import FlowDesign
from flows.design_forms import DesignForm
from flows.flow_views import find_flow
from flows.models import Flow
from sessions_app.kinds import StaleVersion, read_version
from workspace.access import MemberRequest, for_members
from workspace.actors import Actor


@require_http_methods(["GET", "HEAD", "POST"])
@for_members
def flow_create(request: MemberRequest) -> HttpResponse:
    """The form of a new flow, for members who may run it."""
    if not can_design(request.seat.membership):
        raise PermissionDenied("viewers make no flows")
    if request.method == "POST":
        return _answer(request, DesignForm(request.seat.tenant.pk, request.POST), None)
    return _show(request, DesignForm(request.seat.tenant.pk), None)


@require_http_methods(["GET", "HEAD", "POST"])
@for_members
def flow_edit(request: MemberRequest, flow_id: uuid.UUID) -> HttpResponse:
    """The form of a flow as it is now; what is saved is its next version."""
    flow = find_flow(request, flow_id)
    if not can_design(request.seat.membership, flow):
        raise PermissionDenied("viewers change no flows")
    if request.method == "POST":
        return _answer(request, DesignForm(flow.tenant_id, request.POST, flow), flow)
    return _show(request, DesignForm.of_design(flow, services.read_design(flow)), flow)


def _answer(request: MemberRequest, form: DesignForm, flow: Flow | None) -> HttpResponse:
    """Rearrange the rows, or save: 422 with what is wrong, 409 for a version that is not the newest."""
    button = request.POST.get("do", "save")
    if button != "save":
        return _show(request, form.rearranged(button), flow)
    design = form.design()
    if design is None:
        return _show(request, form, flow, status=422)
    try:
        saved = _save(request, form, design, flow)
    except StaleVersion as stale:
        form.errors.append(f"{stale} Open the flow anew to see it; what you entered is still here.")
        return _show(request, form, flow, status=409)
    except ValidationError as refused:
        form.refuse(problems_of(refused))
        return _show(request, form, flow, status=422)
    if flow is not None and saved.version == flow.version:
        messages.info(request, "Nothing has changed.")
    else:
        messages.success(request, f"Saved as version {saved.version}.")
    return HttpResponseRedirect(reverse("flows:flow-detail", args=[request.seat.tenant.slug, saved.pk]))


def _save(request: MemberRequest, form: DesignForm, design: FlowDesign, flow: Flow | None) -> Flow:
    actor, tenant_id = Actor.member(request.user), request.seat.tenant.pk
    if flow is None:
        return services.create_flow(tenant_id=tenant_id, actor=actor, design=design)
    seen = read_version(form.version) or 0
    return services.update_flow(
        tenant_id=tenant_id, flow_id=flow.pk, actor=actor, design=design, seen_version=seen
    )


def _show(request: MemberRequest, form: DesignForm, flow: Flow | None, status: int = 200) -> HttpResponse:
    slug = request.seat.tenant.slug
    back = (
        reverse("flows:flow-detail", args=[slug, flow.pk])
        if flow
        else reverse("flows:flow-list", args=[slug])
    )
    context = {
        "form": form,
        "flow": flow,
        "skill_create_url": reverse("flows:skill-create", args=[slug])
        if can_define(request.seat.membership)
        else "",
        "next_version": flow.version + 1 if flow else 1,
        "back_url": back,
    }
    return render(request, "flows/flow_edit.html", context, status=status)
