"""The schedules of a flow: seen, made, changed, paused, used and deleted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from flows import triggers
from flows.access import can_manage_trigger
from flows.models import Flow, FlowTrigger
from flows.schedules import explain, next_times
from flows.trigger_forms import TriggerForm
from sessions_app.registry import get_kind
from workspace.access import MemberRequest, for_members
from workspace.actors import Actor

MOST_SHOWN = 100
UPCOMING = 3


@dataclass(frozen=True, slots=True)
class TriggerLine:
    """One schedule in words; `upcoming` are its next times in its own zone, none while it is paused."""

    trigger: FlowTrigger
    reading: str
    upcoming: Sequence[str]
    parameters: str
    last_run_url: str
    edit_url: str
    action_url: str
    can_manage: bool


@require_http_methods(["GET", "HEAD", "POST"])
@for_members
def trigger_list(request: MemberRequest, flow_id: uuid.UUID) -> HttpResponse:
    """A flow's schedules, the next due first, and the form of a new one; 422 with what is wrong in it."""
    flow = _find_flow(request, flow_id)
    form = TriggerForm(flow, initial={"time_zone": request.user.time_zone})
    if request.method == "POST":
        if not request.seat.can_run:
            raise PermissionDenied("viewers start nothing, by schedule neither")
        form = TriggerForm(flow, request.POST)
        if _keep(form, lambda given: _create(request, flow, given)):
            messages.success(request, "The schedule is kept: see below when it comes next.")
            return _to_list(request, flow)
    rows = FlowTrigger.objects.for_tenant(flow.tenant_id).filter(flow=flow)
    rows = rows.select_related("owner", "last_run").defer("last_run__snapshot", "last_run__search_text")
    context = {
        "flow": flow,
        "lines": [_line(request, trigger) for trigger in rows.order_by("paused_at", "next_at")[:MOST_SHOWN]],
        "form": form,
        "flow_url": reverse("flows:flow-detail", args=[request.seat.tenant.slug, flow.pk]),
        "can_run": request.seat.can_run,
    }
    return render(request, "flows/trigger_list.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@for_members
def trigger_edit(request: MemberRequest, flow_id: uuid.UUID, trigger_id: uuid.UUID) -> HttpResponse:
    """The form of one schedule, for its owner and admins."""
    flow = _find_flow(request, flow_id)
    trigger = _find_trigger(request, flow, trigger_id)
    form = TriggerForm(flow, initial=TriggerForm.initial_of(trigger))
    if request.method == "POST":
        form = TriggerForm(flow, request.POST)
        if _keep(form, lambda given: _update(request, trigger, given)):
            messages.success(request, "The schedule is changed.")
            return _to_list(request, flow)
    context = {"flow": flow, "form": form, "list_url": _list_url(request, flow)}
    return render(request, "flows/trigger_edit.html", context, status=422 if form.is_bound else 200)


@require_POST
@for_members
def trigger_action(request: MemberRequest, flow_id: uuid.UUID, trigger_id: uuid.UUID) -> HttpResponse:
    """Pause, resume, use now or delete one schedule; the list says what was done, or why not."""
    flow = _find_flow(request, flow_id)
    trigger = _find_trigger(request, flow, trigger_id)
    name = request.POST.get("action", "")
    if name not in ACTIONS:
        problem = {"parameter": "action", "message": f"none of {', '.join(ACTIONS)}"}
        return render(request, "400.html", {"problem": problem}, status=400)
    service, done = ACTIONS[name]
    try:
        service(tenant_id=trigger.tenant_id, trigger_id=trigger.pk, actor=Actor.member(request.user))
    except ValidationError as refused:
        messages.warning(request, " ".join(refused.messages))
    else:
        messages.success(request, done)
    return _to_list(request, flow)


ACTIONS: dict[str, tuple[Callable[..., object], str]] = {
    "pause": (triggers.pause_trigger, "Paused: it starts nothing until it is resumed."),
    "resume": (triggers.resume_trigger, "Resumed: it goes on with its next time."),
    "run": (triggers.run_trigger_now, "Started: the run is on the list of sessions."),
    "delete": (triggers.delete_trigger, "Deleted. Its runs are still there."),
}


def _keep(form: TriggerForm, service: Callable[[dict[str, Any]], object]) -> bool:
    """Hand a valid form to the service; False with the problems at their fields."""
    if not form.is_valid():
        return False
    given = {name: form.cleaned_data[name] for name in ("cron", "time_zone", "skips_overlap")}
    try:
        service({**given, "parameters": form.values()})
    except ValidationError as refused:
        form.refuse(refused.message_dict)
        return False
    return True


def _create(request: MemberRequest, flow: Flow, given: dict[str, Any]) -> None:
    user = request.user
    actor = Actor.member(user)
    triggers.create_trigger(tenant_id=flow.tenant_id, flow_id=flow.pk, owner_id=user.pk, actor=actor, **given)


def _update(request: MemberRequest, trigger: FlowTrigger, given: dict[str, Any]) -> None:
    """Hidden values, which the form does not show, stay; those that the flow does not take any more go."""
    hidden = {parameter["name"] for parameter in trigger.flow.parameters if parameter.get("hidden")}
    unseen = {name: value for name, value in trigger.parameters.items() if name in hidden}
    given["parameters"] = {**unseen, **given["parameters"]}
    actor = Actor.member(request.user)
    triggers.update_trigger(tenant_id=trigger.tenant_id, trigger_id=trigger.pk, actor=actor, **given)


def _line(request: MemberRequest, trigger: FlowTrigger) -> TriggerLine:
    slug = request.seat.tenant.slug
    args = [slug, trigger.flow_id, trigger.pk]
    count = 0 if trigger.paused_at else UPCOMING
    times = next_times(trigger.cron, trigger.time_zone, timezone.now(), count)
    zone = ZoneInfo(trigger.time_zone)
    return TriggerLine(
        trigger=trigger,
        reading=explain(trigger.cron),
        upcoming=[f"{at.astimezone(zone):%a %-d %b %Y, %H:%M %Z}" for at in times],
        parameters=", ".join(f"{name}={value}" for name, value in trigger.parameters.items()),
        last_run_url=get_kind("flow_run").url(trigger.last_run, slug) if trigger.last_run else "",
        edit_url=reverse("flows:trigger-edit", args=args),
        action_url=reverse("flows:trigger-action", args=args),
        can_manage=can_manage_trigger(trigger, request.seat.membership),
    )


def _find_flow(request: MemberRequest, flow_id: uuid.UUID) -> Flow:
    flow = Flow.objects.for_tenant(request.seat.tenant.pk).filter(pk=flow_id).first()
    if flow is None:
        raise Http404("no such flow")
    return flow


def _find_trigger(request: MemberRequest, flow: Flow, trigger_id: uuid.UUID) -> FlowTrigger:
    trigger = FlowTrigger.objects.for_tenant(flow.tenant_id).filter(flow=flow, pk=trigger_id).first()
    if trigger is None:
        raise Http404("no such trigger")
    if not can_manage_trigger(trigger, request.seat.membership):
        raise PermissionDenied("a schedule is for its owner, or for the workspace's admins")
    return trigger


def _list_url(request: MemberRequest, flow: Flow) -> str:
    return reverse("flows:trigger-list", args=[request.seat.tenant.slug, flow.pk])


def _to_list(request: MemberRequest, flow: Flow) -> HttpResponse:
    return HttpResponseRedirect(_list_url(request, flow))
