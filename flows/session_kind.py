"""Flow runs as one kind of session."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.urls import reverse

from audit.looking import decision_on, last_output, open_call
from flows import services
from flows.access import can_control, can_decide
from flows.models import LIVE, LIVE_STATUSES, FlowRun, RunMode, RunStatus
from flows.moves import KIND, MOVES
from flows.peeking import peek_at_checkpoint
from flows.services.background import CAN_GO
from sessions_app.kinds import (
    ANY_MEMBER,
    Action,
    Evidence,
    Moment,
    Peek,
    Progress,
    SessionKind,
    StatusInfo,
    Tone,
)
from sessions_app.registry import register

if TYPE_CHECKING:
    from workspace.actors import Actor
    from workspace.models import Membership

__all__ = ["FlowRunKind"]

REVIEW = Action("review", "Review", is_primary=True)
RESUME = Action("resume", "Resume", is_primary=True)
DECISIONS = [
    Action("approve", "Approve", is_primary=True),
    Action("edit", "Edit and approve"),
    Action("skip", "Skip step", wants_comment=True),
    Action(
        "reject",
        "Reject",
        is_danger=True,
        wants_comment=True,
        confirm="Reject this step? The run ends here and cannot be taken up again.",
    ),
]
CONTROLS = [
    RESUME,
    Action("retry", "Retry", is_primary=True),
    Action("background", "To background"),
    Action("cancel", "Cancel run", is_danger=True, confirm="Cancel this run? Its open steps end with it."),
]
#: The services behind the actions, and the sentence that says what was done.
DECIDE: dict[str, tuple[Callable[..., FlowRun], str]] = {
    "approve": (services.approve_checkpoint, "Approved: the run goes on."),
    "skip": (services.skip_checkpoint, "Skipped: the run goes on without this step."),
    "reject": (services.reject_checkpoint, "Rejected: the run has ended."),
}
TAKE_UP: dict[str, tuple[Callable[..., FlowRun], str]] = {
    "resume": (services.resume_run, "Resumed: the run goes on where it stood."),
    "retry": (services.retry_run, "Retried: the run goes on from the step that failed."),
}


class FlowRunKind(SessionKind):
    key = KIND
    label = "Flow run"
    label_plural = "Flow runs"
    icon = "workflow"
    model = FlowRun
    statuses = {
        RunStatus.PENDING.value: StatusInfo("Pending", Tone.ACTIVE, "circle-dashed"),
        RunStatus.RUNNING.value: StatusInfo("Running", Tone.ACTIVE, "loader-circle", is_working=True),
        RunStatus.PAUSED.value: StatusInfo("Paused", Tone.ATTENTION, "circle-pause"),
        RunStatus.BLOCKED.value: StatusInfo("Blocked", Tone.ATTENTION, "octagon-alert"),
        RunStatus.INTERRUPTED.value: StatusInfo("Interrupted", Tone.ATTENTION, "unplug"),
        RunStatus.COMPLETED.value: StatusInfo("Completed", Tone.SUCCESS, "circle-check"),
        RunStatus.FAILED.value: StatusInfo("Failed", Tone.PROBLEM, "circle-x"),
        RunStatus.REJECTED.value: StatusInfo("Rejected", Tone.PROBLEM, "thumbs-down"),
        RunStatus.CANCELLED.value: StatusInfo("Cancelled", Tone.NEUTRAL, "ban"),
    }
    text_fields = ("title", "error", "checkpoint_message", "parameters", "snapshot", "repo", "evidence")
    unshown = frozenset({"search_text", "snapshot", "parameters"})
    page = "flows:run-detail"
    start_page = "flows:flow-list"
    start_label = "Run a flow"

    def live_q(self, moment: Moment) -> Q:
        return LIVE

    def rest_qs(self, moment: Moment) -> tuple[Q, ...]:
        return (~LIVE,)

    def is_live(self, obj: FlowRun, moment: Moment) -> bool:
        return obj.status in LIVE_STATUSES

    def progress(self, obj: FlowRun) -> Progress:
        done = obj.step_count if obj.status == RunStatus.COMPLETED else obj.step_position - 1
        return Progress(f"Step {obj.step_position} of {obj.step_count}", done, obj.step_count)

    def texts_replaced(self, tenant_id: uuid.UUID, session_id: uuid.UUID) -> None:
        services.renew_checkpoint(tenant_id=tenant_id, run_id=session_id)

    def waiting_on(self, obj: FlowRun) -> tuple[str, datetime | None]:
        if obj.status == RunStatus.PAUSED:
            return f"approval: {obj.checkpoint_message}", obj.waiting_since
        if obj.status in {RunStatus.BLOCKED, RunStatus.INTERRUPTED}:
            return "its owner", obj.waiting_since
        return "", None

    def awaits(self, obj: FlowRun) -> tuple[str, ...]:
        if obj.status != RunStatus.PAUSED:
            return super().awaits(obj)
        return tuple(str(user_id) for user_id in obj.approver_ids) or (ANY_MEMBER,)

    def awaits_qs(self, user_id: uuid.UUID) -> tuple[Q, ...]:
        may_decide = Q(approver_ids=[]) | Q(approver_ids__contains=[user_id])
        return Q(status="paused") & may_decide, Q(status__in=["blocked", "interrupted"], owner_id=user_id)

    def peek(self, obj: FlowRun, *, among: int = 1) -> Peek:
        if obj.status == RunStatus.PAUSED:
            return peek_at_checkpoint(obj, among=among)
        return last_output(obj.tenant_id, (KIND, obj.pk)) or super().peek(obj)

    def decision_on(self, obj: FlowRun, version: int) -> str:
        return decision_on(obj.tenant_id, (KIND, obj.pk), version)

    def more_evidence(self, obj: FlowRun) -> list[Evidence]:
        return [*super().more_evidence(obj), *open_call(obj.tenant_id, (KIND, obj.pk))]

    def primary_action(self, obj: FlowRun) -> Action | None:
        if obj.status == RunStatus.PAUSED:
            return REVIEW
        return RESUME if obj.status in {RunStatus.BLOCKED, RunStatus.INTERRUPTED} else None

    def actions(self, obj: FlowRun, member: Membership) -> list[Action]:
        allowed = [
            *(DECISIONS if can_decide(obj, member) else []),
            *(CONTROLS if can_control(obj, member) else []),
        ]
        offered = [action for action in allowed if _is_open_to(action.name, obj)]
        link = reverse("flows:checkpoint-edit", args=[member.tenant.slug, obj.pk])
        return [replace(action, link=link) if action.name == "edit" else action for action in offered]

    def perform(
        self,
        name: str,
        *,
        session_id: uuid.UUID,
        actor: Actor,
        tenant_id: uuid.UUID,
        version: int,
        comment: str,
        content_hash: str = "",
    ) -> str:
        """See `SessionKind.perform`. Raises ValueError for a name that is no action of a run."""
        run: dict[str, Any] = {"tenant_id": tenant_id, "run_id": session_id, "actor": actor}
        if name in DECIDE:
            decide, done = DECIDE[name]
            decided = decide(**run, seen_version=version, seen_hash=content_hash or None, comment=comment)
            if decided.status == RunStatus.COMPLETED:
                done = "Skipped: it was the last step, the run is complete."
        elif name in TAKE_UP:
            take_up, done = TAKE_UP[name]
            take_up(**run, seen_version=version)
        elif name == "cancel":
            services.cancel_run(**run)
            done = "Cancelled: the run has ended."
        elif name == "background":
            services.send_to_background(**run)
            done = "Sent to the background: a task stands for it in the list from now on."
        else:
            raise ValueError(f"a flow run has no action {name!r}")
        return done


def _is_open_to(name: str, run: FlowRun) -> bool:
    if name == "edit":
        return run.status == RunStatus.PAUSED
    if name == "background":
        return run.run_mode != RunMode.BACKGROUND and run.status in CAN_GO
    return run.status in MOVES[name].sources


register(FlowRunKind())
