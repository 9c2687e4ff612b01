"""The page of a run."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit.pages import Fact, find_session, render_session_page, session_context
from audit.presenting import format_arguments
from flows.artifacts import present_artifacts
from flows.models import FlowRun, RunStatus
from flows.moves import KIND
from flows.peeking import peek_at_checkpoint
from flows.timeline import present_steps
from sessions_app.kinds import Action
from sessions_app.registry import get_kind
from tasks.queries import carriers_of
from workspace.access import MemberRequest, for_members

#: The actions that the checkpoint's card offers; the others stand in the page's head.
DECISIONS = {"approve", "edit", "skip", "reject"}


@require_safe
@for_members
def run_detail(request: MemberRequest, run_id: uuid.UUID) -> HttpResponse:
    """A run's timeline, its checkpoint, artifacts, decisions and transcript."""
    kind = get_kind("flow_run")
    run: FlowRun = find_session(kind, request.seat.tenant.pk, run_id)

    def build() -> dict[str, object]:
        context = session_context(request, kind, run, extra_facts=_facts(run, request.seat.tenant.slug))
        slug = request.seat.tenant.slug
        decisions = [action for action in context["actions"] if action.name in DECISIONS]
        return {
            **context,
            "actions": [action for action in context["actions"] if action not in decisions],
            "parameters": [Fact(name, format_arguments(value)) for name, value in run.parameters.items()],
            "steps": list(present_steps(run, kind.url(run, slug))),
            "checkpoint": _checkpoint(run, decisions),
            "artifacts": list(present_artifacts(run, slug)),
            "related": [*_carriers(run, slug), _schedules(run, slug)],
        }

    return render_session_page(request, "flows/run_detail.html", build)


def _facts(run: FlowRun, slug: str) -> list[Fact]:
    name = f"{run.snapshot['flow']['name']} (version {run.flow_version})"
    facts = [Fact("Flow", name, url=reverse("flows:flow-detail", args=[slug, run.flow_id]))]
    if run.started_at and run.finished_at:
        facts.append(Fact("Took", seconds=(run.finished_at - run.started_at).total_seconds()))
    return facts


def _carriers(run: FlowRun, slug: str) -> Iterator[dict[str, str]]:
    """The task that stands for a run in the background."""
    kind = get_kind("background_task")
    for task in carriers_of(run.tenant_id, KIND, run.pk)[:1]:
        yield {"label": f"Carried by: {task.title}", "url": kind.url(task, slug), "icon": kind.icon}


def _schedules(run: FlowRun, slug: str) -> dict[str, str]:
    label = f"Schedules of {run.snapshot['flow']['name']}"
    return {"label": label, "url": reverse("flows:trigger-list", args=[slug, run.flow_id]), "icon": "clock"}


def _checkpoint(run: FlowRun, decisions: list[Action]) -> dict[str, object] | None:
    if run.status != RunStatus.PAUSED:
        return None
    return {
        "peek": peek_at_checkpoint(run),
        "icon": "circle-pause",
        "decisions": decisions,
        "comment_label": "Comment",
        "waiting_text": "Waiting for somebody who may decide.",
    }
