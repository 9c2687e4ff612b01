"""Background tasks: agents at work that nobody watches."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from agents.models import profile_index
from sessions_app.kinds import Origin, SessionModel, open_field, session_indexes
from workspace.tenancy import TenantQuerySet


class TaskStatus(models.TextChoices):
    QUEUED = "queued"
    PROVISIONING = "provisioning"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DISMISSED = "dismissed"
    UNKNOWN = "unknown"


class WaitingOn(models.TextChoices):
    INPUT = "input", "your input"
    REVIEW = "review", "a review"
    APPROVAL = "approval", "an approval"
    CHILDREN = "children", "its sub-agents"


LIVE_STATUSES = (TaskStatus.PROVISIONING, TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.WAITING)
LIVE = Q(status__in=[s.value for s in LIVE_STATUSES])


class BackgroundTask(SessionModel):
    """One agent's piece of work, alone or as part of a fan-out.

        queued -> provisioning -> running <-> waiting(input | review | approval | children)
        running, waiting(review) -> completed;  any live status -> failed | cancelled
        waiting(review), completed, failed, cancelled, unknown -> dismissed
        failed, cancelled -> queued (retry)
        running -> unknown (its record stops inside its work) -> completed | failed | running
        unknown -> cancelled | completed | failed, completed <-> any of these (a grown import)

    `parent` is the task that fanned out to this one; the soft `source_*` says which session started it, and
    by which transcript entry. A task that carries a run or a chat's turn mirrors its source's state.
    `approver_ids` are those who may decide what it waits on approval for; empty: any member, None: its owner.
    """

    status = models.CharField(max_length=20, choices=TaskStatus, default=TaskStatus.QUEUED)
    is_open = open_field(LIVE)
    waiting_on = models.CharField(max_length=10, choices=WaitingOn, blank=True)
    waiting_reason = models.CharField(max_length=500, blank=True)
    waiting_since = models.DateTimeField(null=True, blank=True)
    substate = models.CharField(max_length=200, blank=True)
    prompt = models.TextField(blank=True)
    result = models.TextField(blank=True)
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="children"
    )
    source_kind = models.CharField(max_length=40, blank=True)
    source_id = models.UUIDField(null=True, blank=True)
    source_entry_id = models.UUIDField(null=True, blank=True)
    source_call_id = models.CharField(max_length=200, blank=True)
    is_carrier = models.BooleanField(default=False)
    approver_ids = ArrayField(models.UUIDField(), null=True, blank=True)
    profile = models.ForeignKey(
        "agents.Profile", on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="+"
    )
    turn_count = models.PositiveIntegerField(default=0)
    child_count = models.PositiveIntegerField(default=0)
    child_done_count = models.PositiveIntegerField(default=0)
    files_touched = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["BackgroundTask"].as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(status__in=TaskStatus.values), name="task_status_known"),
            models.CheckConstraint(condition=Q(origin__in=Origin.values), name="task_origin_known"),
            models.CheckConstraint(
                condition=Q(status="waiting", waiting_on__in=WaitingOn.values, waiting_since__isnull=False)
                | (~Q(status="waiting") & Q(waiting_on="", waiting_since__isnull=True)),
                name="task_waiting_says_on_what",
            ),
            models.CheckConstraint(
                condition=Q(child_done_count__lte=F("child_count")), name="task_children_done_within_count"
            ),
            models.CheckConstraint(
                condition=Q(is_carrier=False) | (Q(source_id__isnull=False) & ~Q(source_kind="")),
                name="task_carrier_has_source",
            ),
            models.UniqueConstraint(
                fields=["tenant", "source_kind", "source_id"],
                condition=Q(is_carrier=True) & LIVE,
                name="task_carries_source_once",
            ),
        ]
        indexes = [
            *session_indexes(
                "task",
                {
                    "live": LIVE,
                    "rest": ~LIVE,
                    "attention": Q(status="waiting"),
                    "problem": Q(status="failed"),
                    "neutral": Q(status__in=["cancelled", "dismissed", "unknown"]),
                },
            ),
            models.Index(
                fields=["tenant", "is_folded", "-changed_at", "-id"],
                condition=Q(waiting_on="review"),
                name="task_in_review",
            ),
            models.Index(
                fields=["tenant", "is_folded", "-changed_at", "-id"],
                include=["approver_ids"],
                condition=Q(waiting_on="approval", approver_ids__isnull=False),
                name="task_to_approve",
            ),
            models.Index(
                fields=["tenant", "parent", "created_at"],
                condition=Q(parent__isnull=False),
                name="task_by_parent",
            ),
            models.Index(
                fields=["tenant", "source_kind", "source_id"],
                condition=Q(source_id__isnull=False),
                name="task_by_source",
            ),
            profile_index("task"),
        ]

    @property
    def state(self) -> str:
        """The status, and of a waiting task on what: "waiting/review"."""
        return f"{self.status}/{self.waiting_on}" if self.waiting_on else str(self.status)
