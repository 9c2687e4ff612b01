"""The HTTP API of flows, at /api/v1/. See `docs/api.md`.

Each request brings a token; cookies count for nothing here, so nobody can be made to send one across sites.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from ninja import Query, Status

from flows import services
from flows.access import can_control
from flows.api_reading import (
    find_run,
    list_flows,
    list_runs,
    read_entries,
    read_placement,
    show_flow,
    show_run,
)
from flows.api_shapes import (
    ApprovalIn,
    ArtifactOut,
    DecisionIn,
    EntriesAsked,
    EntryWindow,
    FlowDetail,
    FlowPage,
    FlowsAsked,
    RunDetail,
    RunIn,
    RunPage,
    RunsAsked,
    TakeUpIn,
)
from flows.artifacts import send_artifact
from flows.models import Artifact, Flow, FlowRun
from sessions_app.kinds import Origin
from workspace.actors import Actor
from workspace.problems import ProblemAPI, TokenAuth, fields_below, problems, refuse_unknown_names
from workspace.tokens import Bearer, Scope

__all__ = ["api"]

READ, RUN, DECIDE = TokenAuth(Scope.READ), TokenAuth(Scope.RUN), TokenAuth(Scope.DECIDE)

api = ProblemAPI(
    title="Sessions",
    version="1",
    description="Flows and their runs. Every request brings a token: Authorization: Bearer sess_...",
    urls_namespace="api",
)
#: What may be wrong with a body, and with a run that is asked to move.
TAKEN = problems(400, 404, 409, 413, 415)


class Request(HttpRequest):
    """A request that a token came with."""

    auth: Bearer


@api.get("/flows", auth=READ, response={200: FlowPage, **problems()})
def flow_list(request: Request, asked: Query[FlowsAsked]) -> FlowPage:
    """The flows of the workspace, or the one of a name."""
    refuse_unknown_names(request, asked)
    return list_flows(request.auth.seat, asked)


@api.get("/flows/{flow_id}", auth=READ, response={200: FlowDetail, **problems(404)})
def flow_detail(request: Request, flow_id: uuid.UUID) -> FlowDetail:
    """A flow with its parameters and steps."""
    return show_flow(Flow.objects.for_tenant(request.auth.seat.tenant.pk).get(pk=flow_id))


@api.post("/flows/{flow_id}/runs", auth=RUN, response={201: RunDetail, **problems(400, 404, 413, 415)})
def run_start(request: Request, flow_id: uuid.UUID, body: RunIn) -> Status[RunDetail]:
    """Start a run. What is missing or wrong is told by field, and nothing has begun then."""
    seat = request.auth.seat
    flow = Flow.objects.for_tenant(seat.tenant.pk).get(pk=flow_id)
    if flow.archived_at is not None:
        raise ValidationError({"flow_id": "this flow is archived: it starts no more runs"})
    placement = read_placement(seat, initiative=body.initiative, plan=body.plan)
    parameters = {*body.parameters, *(parameter["name"] for parameter in flow.parameters)}
    with fields_below("parameters", parameters):
        run = services.start_run(
            tenant_id=seat.tenant.pk,
            flow_id=flow_id,
            placement=placement,
            actor=_actor(request.auth),
            parameters=body.parameters,
            title=body.title,
            origin=Origin.API,
            run_mode=body.mode,
        )
    return Status(201, _show(request, run.pk))


@api.get("/runs", auth=READ, response={200: RunPage, **problems()})
def run_list(request: Request, asked: Query[RunsAsked]) -> RunPage:
    """Runs, those that changed last first."""
    refuse_unknown_names(request, asked)
    return list_runs(request.auth.seat, asked)


@api.get("/runs/{run_id}", auth=READ, response={200: RunDetail, **problems(404)})
def run_detail(request: Request, run_id: uuid.UUID) -> RunDetail:
    """A run with each attempt of its steps, and what it asks while it is paused."""
    return _show(request, run_id)


@api.get("/runs/{run_id}/entries", auth=READ, response={200: EntryWindow, **problems(404)})
def entry_list(request: Request, run_id: uuid.UUID, asked: Query[EntriesAsked]) -> EntryWindow:
    """The run's transcript, in order. Ask again with the last number to follow a run that is at work."""
    refuse_unknown_names(request, asked)
    return read_entries(find_run(request.auth.seat, run_id), asked)


@api.get("/runs/{run_id}/artifacts", auth=READ, response={200: list[ArtifactOut], **problems(404)})
def artifact_list(request: Request, run_id: uuid.UUID) -> list[ArtifactOut]:
    """The files that a run has made, the oldest first."""
    run = find_run(request.auth.seat, run_id)
    rows = (
        Artifact.objects.for_tenant(run.tenant_id).filter(run=run).defer("text").order_by("created_at", "pk")
    )
    return [ArtifactOut.from_orm(artifact) for artifact in rows]


_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


@api.get(
    "/runs/{run_id}/artifacts/{artifact_id}",
    auth=READ,
    response=problems(404),
    openapi_extra={"responses": {200: {"description": "The file", **_BYTES}}},
)
def artifact_download(request: Request, run_id: uuid.UUID, artifact_id: uuid.UUID) -> HttpResponse:
    """A file as it was kept."""
    rows = Artifact.objects.for_tenant(request.auth.seat.tenant.pk)
    return send_artifact(rows.get(run_id=run_id, pk=artifact_id))


@api.post("/runs/{run_id}/cancel", auth=RUN, response={200: RunDetail, **problems(404, 409)})
def run_cancel(request: Request, run_id: uuid.UUID) -> RunDetail:
    """End a run where it stands. What it is doing ends within seconds."""
    return _control(request, run_id, services.cancel_run)


@api.post("/runs/{run_id}/retry", auth=RUN, response={200: RunDetail, **TAKEN})
def run_retry(request: Request, run_id: uuid.UUID, body: TakeUpIn) -> RunDetail:
    """Try the step again that a run failed at."""
    return _control(request, run_id, services.retry_run, seen_version=body.version)


@api.post("/runs/{run_id}/resume", auth=RUN, response={200: RunDetail, **TAKEN})
def run_resume(request: Request, run_id: uuid.UUID, body: TakeUpIn) -> RunDetail:
    """Let a blocked or interrupted run go on where it stands."""
    return _control(request, run_id, services.resume_run, seen_version=body.version)


@api.post("/runs/{run_id}/approve", auth=DECIDE, response={200: RunDetail, **TAKEN})
def run_approve(request: Request, run_id: uuid.UUID, body: ApprovalIn) -> RunDetail:
    """Approve the step that a paused run asks about, with other arguments if some are given."""
    with fields_below("arguments", body.arguments):
        return _decide(request, run_id, services.approve_checkpoint, body, arguments=body.arguments)


@api.post("/runs/{run_id}/reject", auth=DECIDE, response={200: RunDetail, **TAKEN})
def run_reject(request: Request, run_id: uuid.UUID, body: DecisionIn) -> RunDetail:
    """Reject the step that a paused run asks about: the run ends."""
    return _decide(request, run_id, services.reject_checkpoint, body)


@api.post("/runs/{run_id}/skip", auth=DECIDE, response={200: RunDetail, **TAKEN})
def run_skip(request: Request, run_id: uuid.UUID, body: DecisionIn) -> RunDetail:
    """Pass over the step that a paused run asks about."""
    return _decide(request, run_id, services.skip_checkpoint, body)


def _control(request: Request, run_id: uuid.UUID, service: Callable[..., FlowRun], **given: Any) -> RunDetail:
    seat = request.auth.seat
    if not can_control(find_run(seat, run_id), seat.membership):
        raise PermissionDenied("A run is controlled by its owner and by admins.")
    service(tenant_id=seat.tenant.pk, run_id=run_id, actor=_actor(request.auth), **given)
    return _show(request, run_id)


def _decide(
    request: Request, run_id: uuid.UUID, service: Callable[..., FlowRun], body: DecisionIn, **given: Any
) -> RunDetail:
    service(
        tenant_id=request.auth.seat.tenant.pk,
        run_id=run_id,
        actor=_actor(request.auth),
        seen_version=body.version,
        seen_hash=body.content_hash,
        comment=body.comment,
        **given,
    )
    return _show(request, run_id)


def _show(request: Request, run_id: uuid.UUID) -> RunDetail:
    return show_run(find_run(request.auth.seat, run_id), request.auth.seat)


def _actor(bearer: Bearer) -> Actor:
    """The member, and the token that they did it by."""
    return Actor.by_token(bearer.seat.user, name=bearer.token_name, prefix=bearer.token_prefix)
