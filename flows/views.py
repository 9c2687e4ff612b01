from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import FileResponse, Http404, HttpResponse
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from audit.pages import Fact, find_session, render_session_page, session_context
from audit.presenting import format_arguments
from flows.models import Artifact, FlowRun, RunStatus, StepRun, StepStatus
from flows.moves import KIND
from flows.peeking import peek_at_checkpoint
from sessions_app.kinds import Action
from sessions_app.registry import get_kind
from tasks.queries import carriers_of
from workspace.access import MemberRequest, for_members

#: The actions that the checkpoint's card offers; the others stand in the page's head.
DECISIONS = {"approve", "skip", "reject"}
#: Says nothing of what an artifact is, so that no browser tries to show it.
OPAQUE = "application/octet-stream"
STEP_LOOKS = {
    StepStatus.PENDING: ("neutral", "circle-dashed"),
    StepStatus.RUNNING: ("active", "loader-circle"),
    StepStatus.PAUSED: ("attention", "circle-pause"),
    StepStatus.COMPLETED: ("success", "circle-check"),
    StepStatus.FAILED: ("problem", "circle-x"),
    StepStatus.SKIPPED: ("neutral", "skip-forward"),
    StepStatus.CANCELLED: ("neutral", "ban"),
}


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of the timeline, by its last attempt; `seconds` is None until it has ended."""

    number: int
    name: str
    tone: str
    icon: str
    status_label: str
    is_current: bool
    retry_count: int
    seconds: float | None
    started_at: datetime | None
    detail: str
    error: str
    result: str
    result_line: str
    transcript_url: str


@require_safe
@for_members
def run_detail(request: MemberRequest, run_id: uuid.UUID) -> HttpResponse:
    """A run's timeline, its checkpoint, artifacts, decisions and transcript."""
    kind = get_kind("flow_run")
    run: FlowRun = find_session(kind, request.seat.tenant.pk, run_id)

    def build() -> dict[str, object]:
        facts = [Fact("Flow", f"{run.snapshot['flow']['name']} (version {run.flow_version})")]
        context = session_context(request, kind, run, extra_facts=facts)
        url = kind.url(run, request.seat.tenant.slug)
        decisions = [action for action in context["actions"] if action.name in DECISIONS]
        return {
            **context,
            "actions": [action for action in context["actions"] if action not in decisions],
            "parameters": [Fact(name, format_arguments(value)) for name, value in run.parameters.items()],
            "steps": list(_steps(run, url)),
            "checkpoint": _checkpoint(run, decisions),
            "artifacts": list(_artifacts(run, request.seat.tenant.slug)),
            "related": list(_carriers(run, request.seat.tenant.slug)),
        }

    return render_session_page(request, "flows/run_detail.html", build)


def _carriers(run: FlowRun, slug: str) -> Iterator[dict[str, str]]:
    """The task that stands for a run in the background."""
    kind = get_kind("background_task")
    for task in carriers_of(run.tenant_id, KIND, run.pk)[:1]:
        yield {"label": f"Carried by: {task.title}", "url": kind.url(task, slug), "icon": kind.icon}


def _steps(run: FlowRun, url: str) -> Iterator[StepView]:
    attempts: dict[int, StepRun] = {}
    rows = StepRun.objects.for_tenant(run.tenant_id).filter(run=run).order_by("position", "attempt")
    for step in rows:
        attempts[step.position] = step
    designs = {step["position"]: step for step in run.snapshot["steps"]}
    for position, step in sorted(attempts.items()):
        yield _present_step(run, step, designs[position], url)


def _present_step(run: FlowRun, step: StepRun, design: dict[str, Any], url: str) -> StepView:
    tone, icon = STEP_LOOKS[StepStatus(step.status)]
    result = format_arguments(step.result)
    ended = step.started_at and step.finished_at
    return StepView(
        number=step.position,
        name=step.name,
        tone=tone,
        icon=icon,
        status_label=str(StepStatus(step.status).label),
        is_current=step.position == run.step_position and run.status != RunStatus.COMPLETED,
        retry_count=step.attempt - 1,
        seconds=(step.finished_at - step.started_at).total_seconds() if ended else None,  # type: ignore[operator]
        started_at=step.started_at,
        detail=design["skill"]["name"],
        error=step.error,
        result=result,
        result_line=result.partition("\n")[0][:120],
        transcript_url=f"{url}?at={step.first_seq}#e-{step.first_seq}" if step.first_seq else "",
    )


def _checkpoint(run: FlowRun, decisions: list[Action]) -> dict[str, object] | None:
    if run.status != RunStatus.PAUSED:
        return None
    return {
        "peek": peek_at_checkpoint(run),
        "decisions": decisions,
        "comment_label": "Comment",
        "waiting_text": "Waiting for somebody who may decide.",
    }


def _artifacts(run: FlowRun, slug: str) -> Iterator[dict[str, object]]:
    for artifact in Artifact.objects.for_tenant(run.tenant_id).filter(run=run).order_by("created_at"):
        yield {
            "name": artifact.name,
            "media_type": artifact.content_type,
            "size": artifact.size_bytes,
            "is_unscanned": not artifact.is_scanned,
            "download_url": reverse("flows:artifact-download", args=[slug, run.pk, artifact.pk]),
        }


@require_safe
@for_members
def artifact_download(request: MemberRequest, run_id: uuid.UUID, artifact_id: uuid.UUID) -> HttpResponse:
    """An artifact as an attachment, never shown inline: its content comes from an agent."""
    artifact = (
        Artifact.objects.for_tenant(request.seat.tenant.pk).filter(run_id=run_id, pk=artifact_id).first()
    )
    if artifact is None:
        raise Http404("no such artifact")
    content: HttpResponse = (
        FileResponse(artifact.file.open("rb"), content_type=OPAQUE)  # type: ignore[assignment]
        if artifact.file
        else HttpResponse(artifact.text, content_type=OPAQUE)
    )
    content.headers["Content-Disposition"] = content_disposition_header(True, artifact.name) or "attachment"
    return content
