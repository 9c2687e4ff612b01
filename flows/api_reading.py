"""Reading for the HTTP API: flows, runs and their parts of one workspace, in the shapes of the API."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet

from audit.models import TranscriptEntry
from audit.transcripts import find_transcript
from flows.api_shapes import (
    CheckpointOut,
    EntriesAsked,
    EntryOut,
    EntryWindow,
    FlowDetail,
    FlowOut,
    FlowPage,
    FlowsAsked,
    FlowStepOut,
    RunDetail,
    RunOut,
    RunPage,
    RunsAsked,
    StepOut,
)
from flows.models import LIVE, LIVE_STATUSES, Flow, FlowRun, RunStatus, StepRun
from flows.moves import KIND, find_current_step
from flows.services import see_checkpoint
from sessions_app.registry import get_kind
from workspace.access import Seat
from workspace.models import Initiative, Plan
from workspace.placement import Placement

__all__ = ["find_run", "list_flows", "list_runs", "read_entries", "read_placement", "show_flow", "show_run"]

#: So much of one text is given; the page has all of it.
MAX_TEXT = 50_000
#: What the API offers of a run's actions, by the name of its operation.
ACTIONS = frozenset({"approve", "reject", "skip", "retry", "resume", "cancel"})


def list_flows(seat: Seat, asked: FlowsAsked) -> FlowPage:
    limit = asked.limit
    rows = (
        Flow.objects.for_tenant(seat.tenant.pk).filter(archived_at__isnull=not asked.archived).order_by("pk")
    )
    if asked.name:
        rows = rows.filter(name__iexact=asked.name)
    if asked.after is not None:
        rows = rows.filter(pk__gt=asked.after)
    found = list(rows[: limit + 1])
    return FlowPage(
        items=[FlowOut(**_flow_columns(flow)) for flow in found[:limit]],
        next=found[limit - 1].pk if len(found) > limit else None,
    )


def show_flow(flow: Flow) -> FlowDetail:
    steps = [
        FlowStepOut(
            position=step.position,
            name=step.name,
            skill=step.skill.name,
            runtime=step.skill.runtime,
            profile=step.profile.name if step.profile else None,
            has_checkpoint=step.has_checkpoint,
            checkpoint_message=step.checkpoint_message,
            condition=step.condition,
            on_failure=step.on_failure,
        )
        for step in flow.steps.select_related("skill", "profile").order_by("position")
    ]
    return FlowDetail(**_flow_columns(flow), steps=steps)


def _flow_columns(flow: Flow) -> dict[str, Any]:
    names = ("id", "name", "description", "version", "scope", "initiative_id", "plan_id", "run_mode")
    defaults = {"type": "string", "required": False, "default": None, "hidden": False}
    return {
        **{name: getattr(flow, name) for name in (*names, "checkpoint_mode")},
        "is_archived": flow.archived_at is not None,
        "parameters": [{**defaults, **parameter} for parameter in flow.parameters],
    }


def read_placement(seat: Seat, *, initiative: str, plan: str) -> Placement:
    """Where a run is to stand, whose owner is the token's. Raises ValidationError for what is not there."""
    rows: dict[str, QuerySet[Initiative] | QuerySet[Plan]] = {
        "initiative": Initiative.objects.for_tenant(seat.tenant.pk),
        "plan": Plan.objects.for_tenant(seat.tenant.pk),
    }
    found: dict[str, uuid.UUID | None] = {}
    problems: dict[str, str] = {}
    for name, given in (("initiative", initiative), ("plan", plan)):
        found[name] = _find_by_id_or_name(rows[name], given) if given else None
        if given and found[name] is None:
            problems[name] = f"there is no {name} of this id or name"
    if problems:
        raise ValidationError(problems)
    return Placement(owner_id=seat.user.pk, initiative_id=found["initiative"], plan_id=found["plan"])


def _find_by_id_or_name(rows: QuerySet[Initiative] | QuerySet[Plan], given: str) -> uuid.UUID | None:
    try:
        asked = Q(pk=uuid.UUID(given))
    except ValueError:
        asked = Q(name__iexact=given)
    key: uuid.UUID | None = rows.filter(asked).values_list("pk", flat=True).first()
    return key


def find_run(seat: Seat, run_id: uuid.UUID) -> FlowRun:
    """Raises FlowRun.DoesNotExist, also for one of another workspace."""
    return FlowRun.objects.for_tenant(seat.tenant.pk).select_related("flow", "owner").get(pk=run_id)


def list_runs(seat: Seat, asked: RunsAsked) -> RunPage:
    """The runs of the workspace, those that changed last first."""
    rows = FlowRun.objects.for_tenant(seat.tenant.pk).select_related("flow", "owner").defer("snapshot")
    limit = asked.limit
    if asked.status:
        rows = rows.filter(status=asked.status)
    if asked.cursor:
        changed_at, run_id = _read_cursor(asked.cursor)
        rows = rows.filter(Q(changed_at__lt=changed_at) | Q(changed_at=changed_at, pk__lt=run_id))
    rows = rows.order_by("-changed_at", "-pk")
    parts = [rows.filter(part)[: limit + 1] for part in _parts(asked.status, asked.flow_id)]
    found = sorted(chain(*parts), key=lambda run: (run.changed_at, run.pk), reverse=True)
    return RunPage(
        items=[RunOut(**_run_columns(run, seat)) for run in found[:limit]],
        next=_make_cursor(found[limit - 1]) if len(found) > limit else None,
    )


def _parts(status: str | None, flow_id: uuid.UUID | None) -> Iterable[Q]:
    """Conditions that together are all runs asked for, each with an index that has them in their order."""
    if flow_id is not None:
        return [Q(flow_id=flow_id)]
    halves = [LIVE, ~LIVE] if not status else [LIVE] if status in LIVE_STATUSES else [~LIVE]
    return [half & Q(is_folded=is_folded) for half in halves for is_folded in (False, True)]


def _make_cursor(run: FlowRun) -> str:
    return base64.urlsafe_b64encode(f"{run.changed_at.isoformat()} {run.pk}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, uuid.UUID]:
    try:
        moment, _, key = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition(" ")
        changed_at, run_id = datetime.fromisoformat(moment), uuid.UUID(key)
        if changed_at.tzinfo is None:
            raise ValueError("no time zone")
    except (ValueError, binascii.Error) as error:
        raise ValidationError({"cursor": "take the cursor as it was given, or leave it out"}) from error
    return changed_at, run_id


def _run_columns(run: FlowRun, seat: Seat) -> dict[str, Any]:
    kind = get_kind(KIND)
    names = (
        "id title status error version flow_id flow_version initiative_id plan_id origin step_position"
        " step_count created_at started_at finished_at changed_at waiting_since"
    )
    return {
        **{name: getattr(run, name) for name in names.split()},
        "flow_name": run.flow.name,
        "owner": run.owner.display_name,
        "mode": run.run_mode,
        "actions": [one.name for one in kind.actions(run, seat.membership) if one.name in ACTIONS],
        "url": f"{settings.PUBLIC_URL}{kind.url(run, seat.tenant.slug)}",
    }


def show_run(run: FlowRun, seat: Seat) -> RunDetail:
    """A run with every attempt of its steps, and what is asked while it is paused."""
    attempts = StepRun.objects.for_tenant(run.tenant_id).filter(run=run).order_by("position", "attempt")
    names = "position name attempt status result error started_at finished_at due_at was_cut_off"
    steps = [
        StepOut(**{name: getattr(step, name) for name in names.split()}, arguments=step.parameters)
        for step in attempts
    ]
    checkpoint = None
    if run.status == RunStatus.PAUSED:
        checkpoint = CheckpointOut(
            message=run.checkpoint_message,
            content_hash=run.checkpoint_hash,
            seen=see_checkpoint(run, find_current_step(run)),
        )
    return RunDetail(**_run_columns(run, seat), parameters=run.parameters, steps=steps, checkpoint=checkpoint)


def read_entries(run: FlowRun, asked: EntriesAsked) -> EntryWindow:
    """The lines of a run's transcript behind a number, in their order."""
    transcript = find_transcript(run.tenant_id, (KIND, run.pk))
    if transcript is None:
        return EntryWindow(items=[], next=None)
    rows = TranscriptEntry.objects.for_tenant(run.tenant_id).filter(
        transcript=transcript, seq__gt=asked.after
    )
    found = list(rows.defer("before", "after", "patch", "data").order_by("seq")[: asked.limit + 1])
    names = "seq kind role tool_name call_id arguments path is_error model attempt occurred_at"
    items = [
        EntryOut(
            **{name: getattr(entry, name) for name in names.split()},
            text=entry.text[:MAX_TEXT],
            is_cut=len(entry.text) > MAX_TEXT,
        )
        for entry in found[: asked.limit]
    ]
    return EntryWindow(items=items, next=items[-1].seq if len(found) > asked.limit else None)
