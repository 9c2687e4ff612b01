"""Background tasks as one kind of session.

Offered is what is done when the button was pressed. Retrying a task and sending a result back are not among
it: they need a worker that takes the task up, and none does yet.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q

from audit.looking import decision_on, last_output, open_call
from audit.moves import lock_session
from audit.services import content_hash as hash_of
from sessions_app.kinds import (
    ANY_MEMBER,
    Action,
    Evidence,
    Moment,
    Part,
    Peek,
    Progress,
    SessionKind,
    SessionModel,
    StaleVersion,
    StatusInfo,
    Tone,
)
from sessions_app.registry import get_kind, register
from tasks import services
from tasks.access import can_control, can_review
from tasks.models import LIVE, LIVE_STATUSES, BackgroundTask, TaskStatus, WaitingOn
from tasks.saving import lock_task
from tasks.states import KIND, MOVES, WAITING_FOR

if TYPE_CHECKING:
    from workspace.actors import Actor
    from workspace.models import Membership

__all__ = ["BackgroundTaskKind"]

IN_REVIEW = WAITING_FOR[WaitingOn.REVIEW]
REVIEW = Action("review", "Review", is_primary=True)
ACCEPT = Action("accept", "Accept", is_primary=True, wants_comment=True)
DISMISS_RESULT = Action(
    "dismiss",
    "Dismiss",
    is_danger=True,
    wants_comment=True,
    confirm="Dismiss this result? The task ends and is not taken up again.",
)
DISMISS = Action("dismiss", "Dismiss")
CANCEL = Action(
    "cancel", "Cancel task", is_danger=True, confirm="Cancel this task? Its sub-agents end with it."
)

#: The actions of a source that need no version: whatever it is in by now, it is to stop.
STOPS = frozenset({"cancel", "end"})


class BackgroundTaskKind(SessionKind):
    key = KIND
    label = "Background task"
    label_plural = "Tasks"
    icon = "bot"
    model = BackgroundTask
    statuses = {
        TaskStatus.QUEUED.value: StatusInfo("Queued", Tone.ACTIVE, "circle-dashed"),
        TaskStatus.PROVISIONING.value: StatusInfo("Provisioning", Tone.ACTIVE, "package", is_working=True),
        TaskStatus.RUNNING.value: StatusInfo("Running", Tone.ACTIVE, "loader-circle", is_working=True),
        TaskStatus.WAITING.value: StatusInfo("Waiting", Tone.ATTENTION, "hourglass"),
        TaskStatus.COMPLETED.value: StatusInfo("Completed", Tone.SUCCESS, "circle-check"),
        TaskStatus.FAILED.value: StatusInfo("Failed", Tone.PROBLEM, "circle-x"),
        TaskStatus.CANCELLED.value: StatusInfo("Cancelled", Tone.NEUTRAL, "ban"),
        TaskStatus.DISMISSED.value: StatusInfo("Dismissed", Tone.NEUTRAL, "circle-minus"),
        TaskStatus.UNKNOWN.value: StatusInfo("Unknown", Tone.NEUTRAL, "circle-question-mark"),
    }
    text_fields = (
        "title",
        "error",
        "waiting_reason",
        "substate",
        "prompt",
        "result",
        "repo",
        "evidence",
    )
    unshown = frozenset({"search_text", "prompt", "result"})
    page = "tasks:task-detail"

    def live_q(self, moment: Moment) -> Q:
        return LIVE

    def rest_qs(self, moment: Moment) -> tuple[Q, ...]:
        return (~LIVE,)

    def is_live(self, obj: BackgroundTask, moment: Moment) -> bool:
        return obj.status in LIVE_STATUSES

    def progress(self, obj: BackgroundTask) -> Progress:
        if obj.child_count:
            noun = "sub-agent" if obj.child_count == 1 else "sub-agents"
            label = f"{obj.child_done_count:,} of {obj.child_count:,} {noun}"
            return Progress(label, obj.child_done_count, obj.child_count)
        return Progress(f"{obj.turn_count:,} {'turn' if obj.turn_count == 1 else 'turns'}")

    def waiting_on(self, obj: BackgroundTask) -> tuple[str, datetime | None]:
        if obj.status != TaskStatus.WAITING:
            return "", None
        whom = WaitingOn(obj.waiting_on).label
        return f"{whom}: {obj.waiting_reason}" if obj.waiting_reason else str(whom), obj.waiting_since

    def liveness(self, obj: BackgroundTask, now: datetime) -> tuple[str, datetime | None]:
        """A carrier has no worker of its own: its source's row says whether one is at work."""
        return ("", None) if obj.is_carrier else super().liveness(obj, now)

    def awaits(self, obj: BackgroundTask) -> tuple[str, ...]:
        """A review is open to all who run things, a carried session's approval to those who decide there."""
        if obj.waiting_on == WaitingOn.REVIEW:
            return (ANY_MEMBER,)
        if obj.waiting_on == WaitingOn.APPROVAL and obj.approver_ids is not None:
            return tuple(str(user_id) for user_id in obj.approver_ids) or (ANY_MEMBER,)
        return () if obj.waiting_on == WaitingOn.CHILDREN else super().awaits(obj)

    def awaits_qs(self, user_id: uuid.UUID) -> tuple[Q, ...]:
        may_decide = Q(approver_ids=[]) | Q(approver_ids__contains=[user_id])
        to_approve = Q(waiting_on="approval", approver_ids__isnull=False) & may_decide
        is_owners = Q(waiting_on="input") | Q(waiting_on="approval", approver_ids__isnull=True)
        return Q(waiting_on="review"), to_approve, Q(status="waiting", owner_id=user_id) & is_owners

    def peek(self, obj: BackgroundTask, *, among: int = 1) -> Peek:
        """Of a carrier, what its source shows; of a review, the result that is to be accepted."""
        if obj.state == IN_REVIEW:
            return Peek(
                "Waiting for a review",
                obj.result or obj.waiting_reason,
                obj.waiting_since,
                content_hash=hash_of(services.describe_decision(obj)),
            )
        found = _find_source(obj) if obj.is_carrier else None
        if found:
            return found[0].peek(found[1], among=among)
        last = last_output(obj.tenant_id, (KIND, obj.pk)) or super().peek(obj)
        if obj.status != TaskStatus.WAITING:
            return last
        said = (Part(last.title, last.text),) if last.text else ()
        whom = str(WaitingOn(obj.waiting_on).label)
        return Peek(f"Waiting on {whom}", obj.waiting_reason, obj.waiting_since, said)

    def decision_on(self, obj: BackgroundTask, version: int) -> str:
        return decision_on(obj.tenant_id, (KIND, obj.pk), version)

    def more_evidence(self, obj: BackgroundTask) -> list[Evidence]:
        return [*super().more_evidence(obj), *open_call(obj.tenant_id, (KIND, obj.pk))]

    def primary_action(self, obj: BackgroundTask) -> Action | None:
        """A look at the task's page wherever somebody is to decide there."""
        decided_by_source = obj.is_carrier and obj.waiting_on in {WaitingOn.APPROVAL, WaitingOn.INPUT}
        return REVIEW if obj.state == IN_REVIEW or decided_by_source else None

    def actions(self, obj: BackgroundTask, member: Membership) -> list[Action]:
        if obj.state == IN_REVIEW:
            review = [ACCEPT, DISMISS_RESULT] if can_review(obj, member) else []
            cancel = [CANCEL] if can_control(obj, member) and not obj.is_carrier else []
            return review + cancel
        if obj.is_carrier:
            return _source_actions(obj, member)
        if not can_control(obj, member):
            return []
        return [action for action in (DISMISS, CANCEL) if obj.state in MOVES[action.name].sources]

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
        """See `SessionKind.perform`. Raises ValueError for a name that is no action of the task."""
        task = BackgroundTask.objects.for_tenant(tenant_id).get(pk=session_id)
        if task.is_carrier and task.state != IN_REVIEW:
            return _perform_on_source(
                task, name, actor=actor, version=version, comment=comment, content_hash=content_hash
            )
        key: dict[str, Any] = {"tenant_id": tenant_id, "task_id": session_id, "actor": actor}
        if name == "accept":
            services.accept(**key, comment=comment, seen_version=version, seen_hash=content_hash or None)
            return "Accepted: the task is complete."
        if name == "dismiss":
            services.dismiss(**key, comment=comment, seen_version=version, seen_hash=content_hash or None)
            return "Dismissed."
        if name == "cancel":
            services.cancel(**key)
            return "Cancelled: the task has ended, and the sub-agents that it had started."
        raise ValueError(f"a background task has no action {name!r}")


def _find_source(task: BackgroundTask) -> tuple[SessionKind, Any] | None:
    """The kind and the row of the session that a task carries; None if either is not there."""
    try:
        kind = get_kind(task.source_kind)
    except KeyError:
        return None
    if task.source_id is None:
        return None
    source = kind.hydrate(task.tenant_id, [task.source_id]).get(task.source_id)
    return (kind, source) if source is not None else None


def _source_actions(task: BackgroundTask, member: Membership) -> list[Action]:
    found = _find_source(task)
    return found[0].actions(found[1], member) if found else []


def _perform_on_source(
    task: BackgroundTask, name: str, *, actor: Actor, version: int, comment: str, content_hash: str
) -> str:
    """The member saw the carrier: its version says whether what they saw is what the source is in.

    The source is locked before the two are compared, so that what is acted on is what was compared; the
    carrier after it, as mirroring does. Stopping something needs only a legal state.
    """
    with transaction.atomic():
        kind, source = _lock_source(task)
        carrier = lock_task(task.tenant_id, task.pk).task
        if name not in STOPS and carrier.version != version:
            subject = f"background task “{carrier.title}”"
            raise StaleVersion(subject=subject, seen=version, current=carrier.version, status=carrier.state)
        return kind.perform(
            name,
            session_id=source.pk,
            actor=actor,
            tenant_id=task.tenant_id,
            version=source.version,
            comment=comment,
            content_hash=content_hash,
        )


def _lock_source(task: BackgroundTask) -> tuple[SessionKind, SessionModel]:
    """The kind of what a task carries, and its locked row. Raises ValueError if either is not there."""
    found = _find_source(task)
    if found is None:
        raise ValueError(f"the {task.source_kind} that this task carries is not there")
    kind, source = found
    return kind, lock_session(kind.model, tenant_id=task.tenant_id, session_id=source.pk)


register(BackgroundTaskKind())
