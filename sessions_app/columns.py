"""The columns and indexes that every kind's table has, so that the lens can read them as one list."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import ExpressionWrapper, F, Q, Value
from django.db.models.functions import Concat, Lower, Now

from workspace.tenancy import TenantOwned

__all__ = ["COLUMNS", "Origin", "SessionModel", "open_field", "session_indexes"]


class Origin(models.TextChoices):
    """Where a session was started."""

    WEB = "web", "Web"
    VSCODE = "vscode", "VS Code"
    CLI = "cli", "Command line"
    API = "api", "API"
    SCHEDULE = "schedule", "Schedule"
    FLOW = "flow", "Flow step"
    AGENT = "agent", "Another agent"
    DESKTOP = "desktop", "Desktop app"


class SessionModel(TenantOwned):
    """The columns that every kind has, of exactly the same types, so that the lens can read them as one list.

    `changed_at` is the last activity of the work. `touched_at` is when the row was last written, whatever was
    written: a trigger keeps it. `version` moves on status, waiting reason, parameters or checkpoint, never on
    progress. `is_folded`: shown under another session unless its kind is asked for.
    `has_redactions`: its transcript holds a replaced credential; `audit.surfacing` sets it.
    Each kind adds `status` and `is_open` (`open_field`): whether the status is one that a live session has.
    `evidence` is the reason of the present status as `[{"label", "text", "at"}]`.
    A lease says that a worker holds the session: liveness is read from it, never from silence alone.
    """

    owner = models.ForeignKey("workspace.User", on_delete=models.PROTECT, db_index=False, related_name="+")
    title = models.CharField(max_length=300)
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
    changed_at = models.DateTimeField()
    touched_at = models.DateTimeField(db_default=Now(), editable=False)
    error = models.CharField(max_length=500, blank=True)
    repo = models.CharField(max_length=300, blank=True)
    origin = models.CharField(max_length=20, choices=Origin, default=Origin.WEB)
    version = models.PositiveIntegerField(default=1)
    is_folded = models.BooleanField(default=False)
    has_redactions = models.BooleanField(default=False, editable=False)
    evidence = models.JSONField(default=list, blank=True)
    lease_holder = models.CharField(max_length=100, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveBigIntegerField(default=0)
    search_text = models.GeneratedField(
        expression=Lower(Concat("title", Value("\n"), "error")),
        output_field=models.TextField(),
        db_persist=True,
    )

    if TYPE_CHECKING:
        status: Any
        initiative_id: uuid.UUID | None
        plan_id: uuid.UUID | None
        owner_id: uuid.UUID
        tenant_id: uuid.UUID

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.title

    @property
    def state(self) -> str:
        """What the table of legal moves goes by: the status, or the part of it that a kind tells apart."""
        return str(self.status)


def open_field(condition: Q) -> models.GeneratedField:
    """The column `is_open`, kept by the database: `condition` on the status holds for what may be live."""
    expression = ExpressionWrapper(condition, output_field=models.BooleanField())
    return models.GeneratedField(expression=expression, output_field=models.BooleanField(), db_persist=True)


def session_indexes(prefix: str, partial: Mapping[str, Q]) -> list[models.Index]:
    """The indexes that the list queries of one kind need, each proved by a plan test.

    `partial` names conditions on `status`: the two halves of the table (live and rest, or open and ended) and
    each tone that is a small part of its half. `is_folded` stands before the order so that children of a
    fan-out are never walked, and in the indexes of filters `is_open` as well, so that both halves are ranges
    of them; `status` goes along so that keys are found without looking at a row. `attention` is always among
    the conditions: what waits on its owner is a range of one index more, and so is what was written
    of late, for whoever looks for changes that nobody announced.
    """
    order = ("-changed_at", "-id")

    def ordered(name: str, *columns: str, condition: Q | None = None) -> models.Index:
        fields = ["tenant", *columns, *order]
        return models.Index(fields=fields, include=["status"], condition=condition, name=f"{prefix}_{name}")

    def by(name: str, condition: Q | None = None) -> models.Index:
        return ordered(name, name, "is_folded", "is_open", condition=condition)

    return [
        *(ordered(name, "is_folded", condition=condition) for name, condition in partial.items()),
        by("owner"),
        by("initiative", Q(initiative__isnull=False)),
        by("plan", Q(plan__isnull=False)),
        by("repo", ~Q(repo="")),
        by("origin"),
        ordered("awaited", "owner", "is_folded", condition=partial["attention"]),
        models.Index(fields=["tenant", "touched_at"], name=f"{prefix}_touched"),
        ordered("redacted", "is_folded", "is_open", condition=Q(has_redactions=True)),
        GinIndex(F("tenant"), OpClass(F("search_text"), name="gin_trgm_ops"), name=f"{prefix}_text"),
    ]


#: The common columns, in the order in which every branch of the list projects them.
COLUMNS = (
    "kind",
    "id",
    "tenant_id",
    "owner_id",
    "title",
    "status",
    "initiative_id",
    "plan_id",
    "changed_at",
    "error",
    "repo",
    "origin",
)
