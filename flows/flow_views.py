"""The flows of a workspace: their list, the page of one with its form, its file."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Lower
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from uuid_utils.compat import uuid7

from flows import services
from flows.access import can_design
from flows.definition_views import tabs
from flows.flow_files.writing import dump_flow
from flows.models import Flow, FlowRun, FlowStep, FlowTrigger
from flows.run_forms import RunForm
from flows.schedules import explain
from sessions_app.kinds import Moment, SessionRow
from sessions_app.registry import get_kind
from workspace.access import MemberRequest, for_members
from workspace.actors import Actor
from workspace.models import User
from workspace.placement import Placement

PAGE_SIZE = 50
#: How many of its runs the page of a flow shows.
RECENT = 10
STARTED = "Started: a worker takes it up."
STARTED_BEFORE = (
    "This was started already, by the same form. Open the page of the flow anew to start it again."
)


@dataclass(frozen=True, slots=True)
class FlowLine:
    """One flow of the list; `last_run` is the one that changed last."""

    flow: Flow
    url: str
    steps: int
    scope: str
    last_run: FlowRun | None
    last_run_url: str
    last_run_status: Any


@require_safe
@for_members
def flow_list(request: MemberRequest) -> HttpResponse:
    """One page of flows by name; `after` is the lower-case name that the page before ended with."""
    is_archived = request.GET.get("archived") == "1"
    found = list(list_flows(request, is_archived=is_archived)[: PAGE_SIZE + 1])
    shown: list[Any] = found[:PAGE_SIZE]
    more = {"after": shown[-1].sort_name} if len(found) > PAGE_SIZE else {}
    slug = request.seat.tenant.slug
    context = {
        "lines": _lines(slug, shown),
        "older_url": f"?{urlencode({**more, **({'archived': 1} if is_archived else {})})}" if more else "",
        "is_archived": is_archived,
        "placed": _placed(request),
        "can_design": can_design(request.seat.membership),
        "create_url": reverse("flows:flow-create", args=[slug]),
        "tabs": tabs(slug, "flow"),
        "load_command": f"manage.py load_flow flow.yaml --workspace {slug}",
    }
    return render(request, "flows/flow_list.html", context)


def list_flows(request: MemberRequest, *, is_archived: bool) -> QuerySet[Flow]:
    """The flows that are asked for, by name, with their number of steps and the id of their last run."""
    runs = FlowRun.objects.filter(tenant_id=OuterRef("tenant_id"), flow_id=OuterRef("pk"))
    steps = FlowStep.objects.filter(tenant_id=OuterRef("tenant_id"), flow_id=OuterRef("pk")).order_by()
    rows = (
        Flow.objects.for_tenant(request.seat.tenant.pk)
        .filter(archived_at__isnull=not is_archived)
        .select_related("initiative", "plan")
        .annotate(
            sort_name=Lower("name"),
            last_run_id=Subquery(runs.order_by("-changed_at").values("pk")[:1]),
            step_count=Subquery(steps.values("flow_id").annotate(n=Count("pk")).values("n")),
        )
        .order_by("sort_name")
    )
    after = request.GET.get("after", "").replace("\x00", "")
    return rows.filter(sort_name__gt=after) if after else rows


def _lines(slug: str, flows: Sequence[Any]) -> list[FlowLine]:
    kind = get_kind("flow_run")
    ids = [flow.last_run_id for flow in flows if flow.last_run_id]
    runs = kind.hydrate(flows[0].tenant_id, ids) if ids else {}
    return [
        FlowLine(
            flow=flow,
            url=reverse("flows:flow-detail", args=[slug, flow.pk]),
            steps=flow.step_count or 0,
            scope=str(flow.initiative or flow.plan or ""),
            last_run=(run := runs.get(flow.last_run_id)),
            last_run_url=kind.url(run, slug) if run else "",
            last_run_status=kind.statuses[run.status] if run else None,
        )
        for flow in flows
    ]


def _placed(request: MemberRequest) -> str:
    """The part of the address that says which initiative or plan a run is to serve."""
    named = {name: request.GET.get(name, "") for name in ("initiative", "plan")}
    return urlencode({name: value for name, value in named.items() if value})


@require_http_methods(["GET", "HEAD", "POST"])
@for_members
def flow_detail(request: MemberRequest, flow_id: uuid.UUID) -> HttpResponse:
    """A flow with its runs, and the form that starts one; 422 with what is wrong in it."""
    flow = find_flow(request, flow_id)
    placed = {name: request.GET[name] for name in ("initiative", "plan") if request.GET.get(name)}
    if placed:
        placed = {"initiative": "", "plan": "", **placed}
    form = RunForm(flow, initial=placed)
    if request.method == "POST":
        if not request.seat.can_run:
            raise PermissionDenied("viewers start no runs")
        form = RunForm(flow, request.POST)
        now = timezone.now()
        run = _start(request, flow, form, now)
        if run is not None:
            # What this request has started changed last right now; nothing else did.
            is_new = run.changed_at == now
            messages.success(request, STARTED if is_new else STARTED_BEFORE)
            return HttpResponseRedirect(get_kind("flow_run").url(run, request.seat.tenant.slug))
    context = {**_facts(request, flow), "form": form, "start_key": request.POST.get("start_key") or uuid7()}
    return render(request, "flows/flow_detail.html", context, status=422 if form.is_bound else 200)


def _start(request: MemberRequest, flow: Flow, form: RunForm, now: datetime) -> FlowRun | None:
    """The run that the form asks for, however often it is sent; None with what is wrong at its fields."""
    if not form.is_valid():
        return None
    given = form.cleaned_data
    placement = Placement(
        owner_id=request.user.pk,
        initiative_id=given["initiative"].pk if given["initiative"] else None,
        plan_id=given["plan"].pk if given["plan"] else None,
    )
    try:
        return services.start_run(
            tenant_id=flow.tenant_id,
            flow_id=flow.pk,
            placement=placement,
            actor=Actor.member(request.user),
            parameters=form.values(),
            run_mode=given["run_mode"],
            key=request.POST.get("start_key", ""),
            now=now,
        )
    except ValidationError as refused:
        form.refuse(refused.message_dict)
        return None


def _facts(request: MemberRequest, flow: Flow) -> dict[str, Any]:
    slug = request.seat.tenant.slug
    steps = flow.steps.select_related("skill", "profile").order_by("position")
    triggers = FlowTrigger.objects.for_tenant(flow.tenant_id).filter(flow=flow).order_by("next_at")
    args = [slug, flow.pk]
    return {
        "flow": flow,
        "steps": [_step(slug, step) for step in steps],
        "approvers": User.objects.filter(pk__in=flow.approver_ids).order_by("email"),
        "runs": _recent_runs(request, flow),
        "triggers": [(trigger, explain(trigger.cron)) for trigger in triggers[:RECENT]],
        "can_run": request.seat.can_run and flow.archived_at is None,
        "can_design": can_design(request.seat.membership, flow),
        "list_url": reverse("flows:flow-list", args=[slug]),
        "edit_url": reverse("flows:flow-edit", args=args),
        "file_url": reverse("flows:flow-file", args=args),
        "triggers_url": reverse("flows:trigger-list", args=args),
        "action_url": reverse("flows:flow-action", args=args),
        "text": dump_flow(flow),
    }


def _step(slug: str, step: FlowStep) -> dict[str, Any]:
    profile = reverse("flows:profile-detail", args=[slug, step.profile_id]) if step.profile_id else ""
    return {
        "step": step,
        "skill_url": reverse("flows:skill-detail", args=[slug, step.skill_id]),
        "profile_url": profile,
    }


def _recent_runs(request: MemberRequest, flow: Flow) -> list[SessionRow]:
    kind = get_kind("flow_run")
    tenant = request.seat.tenant
    runs = FlowRun.objects.for_tenant(tenant.pk).filter(flow=flow).order_by("-changed_at")
    runs = runs.select_related("owner", "initiative", "plan").defer(*kind.unshown)
    moment = Moment.of(tenant, timezone.now())
    return [kind.present(run, moment, tenant.slug) for run in runs[:RECENT]]


@require_safe
@for_members
def flow_file(request: MemberRequest, flow_id: uuid.UUID) -> HttpResponse:
    """The flow as a file that `load_flow` reads."""
    flow = find_flow(request, flow_id)
    response = HttpResponse(dump_flow(flow), content_type="application/yaml; charset=utf-8")
    name = f"{slugify(flow.name) or 'flow'}.yaml"
    response.headers["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response


@require_POST
@for_members
def flow_action(request: MemberRequest, flow_id: uuid.UUID) -> HttpResponse:
    """Archive or restore a flow."""
    flow = find_flow(request, flow_id)
    if not can_design(request.seat.membership, flow):
        raise PermissionDenied("viewers change nothing")
    named: dict[str, Any] = {
        "tenant_id": flow.tenant_id,
        "flow_id": flow.pk,
        "actor": Actor.member(request.user),
    }
    match request.POST.get("action"):
        case "archive":
            services.archive_flow(**named)
            messages.success(request, "Archived: it starts no more runs; those under way go on.")
        case "restore":
            services.restore_flow(**named)
            messages.success(request, "Restored: it can be run again.")
        case _:
            problem = {"parameter": "action", "message": "none of archive, restore"}
            return render(request, "400.html", {"problem": problem}, status=400)
    return HttpResponseRedirect(reverse("flows:flow-detail", args=[request.seat.tenant.slug, flow.pk]))


def find_flow(request: MemberRequest, flow_id: uuid.UUID) -> Flow:
    """The flow of the seat's workspace. Raises Http404."""
    rows = Flow.objects.for_tenant(request.seat.tenant.pk).select_related("initiative", "plan")
    flow = rows.filter(pk=flow_id).first()
    if flow is None:
        raise Http404("no such flow")
    return flow
