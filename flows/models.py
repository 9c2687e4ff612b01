"""Flows: templates of work in ordered steps, and their runs."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from sessions_app.kinds import Origin, SessionModel, open_field, session_indexes
from workspace.tenancy import TenantOwned, TenantQuerySet, name_index


class FlowScope(models.TextChoices):
    GLOBAL = "global"
    INITIATIVE = "initiative"
    PLAN = "plan"


class CheckpointMode(models.TextChoices):
    TEMPLATE = "template", "Where the steps say"
    ALL = "all", "Before every step"
    NONE = "none", "Never"


class RunMode(models.TextChoices):
    INTERACTIVE = "interactive"
    BACKGROUND = "background"


class OnFailure(models.TextChoices):
    STOP = "stop"
    SKIP = "skip"
    FALLBACK = "fallback"
    RETRY = "retry"


class Flow(TenantOwned):
    """A template: ordered steps, typed parameters and defaults. `version` moves with each change of it.

    `approver_ids` are the members who may decide the checkpoints of its runs; empty: any member.
    `repo_path` names a repository of the workspace on the worker's machine of which a run gets a worktree; it
    may hold expressions. With `wants_review` somebody looks at what a run in the background made before that
    is done.
    `parameters`: [{"name", "type": "string" | "number" | "boolean", "required", "default", "hidden"}].
    """

    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    version = models.PositiveIntegerField(default=1)
    parameters = models.JSONField(default=list, blank=True)
    scope = models.CharField(max_length=12, choices=FlowScope, default=FlowScope.GLOBAL)
    initiative = models.ForeignKey(
        "workspace.Initiative",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
    )
    plan = models.ForeignKey(
        "workspace.Plan", on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="+"
    )
    checkpoint_mode = models.CharField(max_length=10, choices=CheckpointMode, default=CheckpointMode.TEMPLATE)
    run_mode = models.CharField(max_length=12, choices=RunMode, default=RunMode.INTERACTIVE)
    max_turns = models.PositiveIntegerField(null=True, blank=True)
    max_minutes = models.PositiveIntegerField(null=True, blank=True)
    repo_path = models.CharField(max_length=500, blank=True)
    wants_review = models.BooleanField(default=False)
    approver_ids = ArrayField(models.UUIDField(), default=list, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["Flow"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("tenant", Lower("name"), name="flow_name_once"),
            models.CheckConstraint(condition=Q(scope__in=FlowScope.values), name="flow_scope_known"),
            models.CheckConstraint(
                condition=Q(checkpoint_mode__in=CheckpointMode.values), name="flow_checkpoint_mode_known"
            ),
            models.CheckConstraint(condition=Q(run_mode__in=RunMode.values), name="flow_run_mode_known"),
        ]
        indexes = [name_index("flow_by_name")]

    def __str__(self) -> str:
        return self.name


class FlowStep(TenantOwned):
    """One step of a flow. `position` counts from 1; a `checkpoint_message` asks a person before the step.

    `artifacts` are globs of the files, relative to the run's folder, that are kept when the step is done.
    The wait before a retry is `backoff_seconds`, doubled with each further one.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, db_index=False, related_name="steps")
    position = models.PositiveSmallIntegerField()
    name = models.SlugField(max_length=100, db_index=False)
    skill = models.ForeignKey("agents.Skill", on_delete=models.PROTECT, db_index=False, related_name="+")
    profile = models.ForeignKey(
        "agents.Profile", on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="+"
    )
    parameters = models.JSONField(default=dict, blank=True)
    has_checkpoint = models.BooleanField(default=False)
    checkpoint_message = models.TextField(blank=True)
    condition = models.CharField(max_length=500, blank=True)
    on_failure = models.CharField(max_length=10, choices=OnFailure, default=OnFailure.STOP)
    fallback_step = models.CharField(max_length=100, blank=True)
    max_retries = models.PositiveSmallIntegerField(default=0)
    backoff_seconds = models.PositiveIntegerField(default=1)
    artifacts = models.JSONField(default=list, blank=True)

    objects = TenantQuerySet["FlowStep"].as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "flow", "position"], name="flowstep_position_once"),
            models.UniqueConstraint(fields=["tenant", "flow", "name"], name="flowstep_name_once"),
            models.CheckConstraint(condition=Q(position__gte=1), name="flowstep_position_from_1"),
            models.CheckConstraint(
                condition=Q(on_failure__in=OnFailure.values), name="flowstep_on_failure_known"
            ),
            models.CheckConstraint(
                condition=~Q(on_failure="fallback") | ~Q(fallback_step=""), name="flowstep_fallback_is_named"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.name}"


class RunStatus(models.TextChoices):
    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    BLOCKED = "blocked"
    INTERRUPTED = "interrupted"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


LIVE_STATUSES = (RunStatus.PAUSED, RunStatus.PENDING, RunStatus.RUNNING)
LIVE = Q(status__in=[s.value for s in LIVE_STATUSES])


class FlowRun(SessionModel):
    """One run of a flow, on a snapshot of the version that it runs.

        pending -> running <-> paused (at a checkpoint: approve, skip -> running; reject -> rejected)
        pending, running -> blocked (something is missing) -> running (resume)
        running -> completed | failed | interrupted (recovery gave up) -> running (resume)
        failed -> running (retry from the failed step)
        pending, running, paused, blocked, interrupted -> cancelled

    `step_position` is the current or next step, from 1; `step_count` counts skipped steps too.
    `checkpoint_hash` is the SHA-256 of what a person is asked to approve; "" when not paused.
    `approver_ids` are the only people who may decide; empty: any member.
    """

    flow = models.ForeignKey(Flow, on_delete=models.PROTECT, db_index=False, related_name="runs")
    flow_version = models.PositiveIntegerField()
    snapshot = models.JSONField()
    parameters = models.JSONField(default=dict)
    run_mode = models.CharField(max_length=12, choices=RunMode, default=RunMode.INTERACTIVE)
    status = models.CharField(max_length=20, choices=RunStatus, default=RunStatus.PENDING)
    is_open = open_field(LIVE)
    step_position = models.PositiveSmallIntegerField(default=1)
    step_count = models.PositiveSmallIntegerField()
    checkpoint_message = models.TextField(blank=True)
    checkpoint_hash = models.CharField(max_length=64, blank=True)
    approver_ids = ArrayField(models.UUIDField(), default=list, blank=True)
    waiting_since = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["FlowRun"].as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(status__in=RunStatus.values), name="flowrun_status_known"),
            models.CheckConstraint(
                condition=Q(step_position__gte=1, step_position__lte=F("step_count")),
                name="flowrun_step_within_count",
            ),
            models.CheckConstraint(condition=Q(run_mode__in=RunMode.values), name="flowrun_run_mode_known"),
            models.CheckConstraint(condition=Q(origin__in=Origin.values), name="flowrun_origin_known"),
            models.CheckConstraint(
                condition=Q(status="paused", waiting_since__isnull=False) & ~Q(checkpoint_hash="")
                | (~Q(status="paused") & Q(checkpoint_hash="")),
                name="flowrun_paused_at_a_checkpoint",
            ),
        ]
        indexes = [
            *session_indexes(
                "flowrun",
                {
                    "live": LIVE,
                    "rest": ~LIVE,
                    "attention": Q(status__in=["blocked", "interrupted", "paused"]),
                    "problem": Q(status__in=["failed", "rejected"]),
                    "neutral": Q(status="cancelled"),
                },
            ),
            models.Index(fields=["tenant", "flow", "-changed_at"], name="flowrun_by_flow"),
            models.Index(
                fields=["lease_expires_at", "id"],
                include=["tenant"],
                condition=Q(status__in=["pending", "running"]),
                name="flowrun_to_claim",
            ),
            models.Index(
                fields=["tenant", "is_folded", "-changed_at", "-id"],
                include=["approver_ids"],
                condition=Q(status="paused"),
                name="flowrun_paused",
            ),
        ]


class StepStatus(models.TextChoices):
    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class StepRun(TenantOwned):
    """One try of one step of a run; a retried step has a row for each attempt.

        pending -> paused (a checkpoint asks) -> running;  pending -> running (nothing asks)
        running -> completed | failed | cancelled;  pending, paused -> skipped | cancelled

    A step that was cut off by an interruption has failed; the run goes on with its next attempt.
    `first_seq` is the number of the attempt's first entry in the run's transcript. `fence` is the claim of
    the run under which a worker took the attempt up; None: none has. `due_at` is when a retry may begin.
    `was_cut_off`: its worker was lost in the middle of it, or was shut down and handed it back.
    `was_passed_over`: it has failed and the run goes on without it.
    """

    run = models.ForeignKey(FlowRun, on_delete=models.PROTECT, db_index=False, related_name="step_runs")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=100)
    attempt = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=10, choices=StepStatus, default=StepStatus.PENDING)
    parameters = models.JSONField(default=dict)
    result = models.JSONField(null=True, blank=True)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    first_seq = models.PositiveIntegerField(null=True, blank=True)
    fence = models.PositiveBigIntegerField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    was_cut_off = models.BooleanField(default=False)
    was_handed_back = models.BooleanField(default=False, db_default=False)
    was_passed_over = models.BooleanField(default=False, db_default=False)

    objects = TenantQuerySet["StepRun"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "run", "position", "attempt"], name="steprun_once_per_attempt"
            ),
            models.CheckConstraint(condition=Q(status__in=StepStatus.values), name="steprun_status_known"),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.name} (attempt {self.attempt})"


class Artifact(TenantOwned):
    """A file that a run made. Text is redacted before it is kept; binary content is marked as not scanned."""

    run = models.ForeignKey(FlowRun, on_delete=models.PROTECT, db_index=False, related_name="artifacts")
    step_run = models.ForeignKey(
        StepRun, on_delete=models.PROTECT, null=True, db_index=False, related_name="artifacts"
    )
    name = models.CharField(max_length=300)
    content_type = models.CharField(max_length=100)
    size_bytes = models.PositiveBigIntegerField()
    text = models.TextField(blank=True)
    file = models.FileField(upload_to="artifacts/%Y/%m/", blank=True)
    is_scanned = models.BooleanField()

    objects = TenantQuerySet["Artifact"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["tenant", "run", "created_at"], name="artifact_by_run")]

    def __str__(self) -> str:
        return self.name


class FlowTrigger(TenantOwned):
    """A schedule that starts a flow: `cron` in `time_zone`, next due at `next_at`, paused or not.

    `last_run` is the newest run that it started; with `skips_overlap` it starts none while that one is live.
    `note` says what there is to know of its last time, or why it is paused.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, db_index=False, related_name="triggers")
    owner = models.ForeignKey("workspace.User", on_delete=models.PROTECT, db_index=False, related_name="+")
    cron = models.CharField(max_length=100)
    time_zone = models.CharField(max_length=64, default="UTC")
    parameters = models.JSONField(default=dict, blank=True)
    next_at = models.DateTimeField()
    last_run_at = models.DateTimeField(null=True, blank=True)
    last_run = models.ForeignKey(
        FlowRun, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    skips_overlap = models.BooleanField(default=False)
    note = models.CharField(max_length=500, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["FlowTrigger"].as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "flow"], name="flowtrigger_by_flow"),
            models.Index(fields=["next_at"], condition=Q(paused_at__isnull=True), name="flowtrigger_due"),
        ]

    def __str__(self) -> str:
        return f"{self.flow_id} at {self.cron}"
