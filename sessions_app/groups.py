"""Initiatives and plans: their lists, and one page each with the sessions under it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.db import models
from django.db.models.functions import Lower
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from sessions_app.listing import render_list
from sessions_app.registry import all_kinds
from workspace.access import MemberRequest, for_members
from workspace.models import Initiative, Plan

#: How many initiatives or plans one page lists, by name.
PAGE_SIZE = 100


@require_safe
@for_members
def initiative_list(request: MemberRequest) -> HttpResponse:
    rows = Initiative.objects.for_tenant(request.seat.tenant.pk)

    def item(initiative: Initiative) -> dict[str, Any]:
        return {"name": initiative.name, "url": _url(request, initiative), "summary": initiative.summary}

    return _render_groups(request, "sessions_app/initiative_list.html", rows, item)


@require_safe
@for_members
def plan_list(request: MemberRequest) -> HttpResponse:
    rows = Plan.objects.for_tenant(request.seat.tenant.pk).select_related("initiative")

    def item(plan: Plan) -> dict[str, Any]:
        parent = plan.initiative
        return {
            "name": plan.name,
            "url": _url(request, plan),
            "parent_name": parent.name if parent else "",
            "parent_url": _url(request, parent) if parent else "",
        }

    return _render_groups(request, "sessions_app/plan_list.html", rows, item)


@require_safe
@for_members
def initiative_detail(request: MemberRequest, initiative_id: uuid.UUID) -> HttpResponse:
    tenant = request.seat.tenant
    initiative = Initiative.objects.for_tenant(tenant.pk).filter(pk=initiative_id).first()
    if initiative is None:
        raise Http404("no such initiative")
    plans = Plan.objects.for_tenant(tenant.pk).filter(initiative=initiative, archived_at__isnull=True)
    context = {
        "initiative": {"name": initiative.name, "description": initiative.summary},
        "plans": [{"name": plan.name, "url": _url(request, plan)} for plan in plans.order_by(Lower("name"))],
        "crumbs": [("Initiatives", reverse("sessions_app:initiative-list", args=[tenant.slug]))],
        "starts": _starts(request, initiative=initiative.pk),
    }
    return render_list(
        request,
        "sessions_app/initiative_detail.html",
        title=initiative.name,
        within=initiative,
        context=context,
    )


@require_safe
@for_members
def plan_detail(request: MemberRequest, plan_id: uuid.UUID) -> HttpResponse:
    tenant = request.seat.tenant
    plan = Plan.objects.for_tenant(tenant.pk).select_related("initiative").filter(pk=plan_id).first()
    if plan is None:
        raise Http404("no such plan")
    crumbs = [("Plans", reverse("sessions_app:plan-list", args=[tenant.slug]))]
    if plan.initiative:
        crumbs.append((plan.initiative.name, _url(request, plan.initiative)))
    context = {
        "plan": {"name": plan.name, "description": plan.body},
        "crumbs": crumbs,
        "starts": _starts(request, plan=plan.pk),
    }
    return render_list(
        request, "sessions_app/plan_detail.html", title=plan.name, within=plan, context=context
    )


def _starts(request: MemberRequest, **named: uuid.UUID) -> list[tuple[str, str]]:
    """The label and the address of each way to start work under a group; none for viewers."""
    if not request.seat.can_run:
        return []
    slug = request.seat.tenant.slug
    kinds = [kind for kind in all_kinds() if kind.start_page]
    return [
        (kind.start_label, f"{reverse(kind.start_page, args=[slug])}?{urlencode(named)}") for kind in kinds
    ]


def _url(request: MemberRequest, group: Initiative | Plan) -> str:
    name = "initiative-detail" if isinstance(group, Initiative) else "plan-detail"
    return reverse(f"sessions_app:{name}", args=[request.seat.tenant.slug, group.pk])


def _render_groups[M: models.Model](
    request: MemberRequest, template: str, rows: models.QuerySet[M], item: Callable[[M], dict[str, Any]]
) -> HttpResponse:
    """One page of groups by name; `after` is the lower-case name that the page before ended with."""
    after = request.GET.get("after", "").replace("\x00", "")
    ordered = rows.filter(archived_at__isnull=True).annotate(sort_name=Lower("name")).order_by("sort_name")
    found = list(ordered.filter(sort_name__gt=after)[: PAGE_SIZE + 1] if after else ordered[: PAGE_SIZE + 1])
    shown: list[Any] = found[:PAGE_SIZE]
    older_url = f"?{urlencode({'after': shown[-1].sort_name})}" if len(found) > PAGE_SIZE else ""
    return render(request, template, {"items": [item(row) for row in shown], "older_url": older_url})
