"""The columns and indexes that every kind's table has, so that the lens can read them as one list."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Concat, Lower

from workspace.tenancy import TenantOwned

__all__ = ["COLUMNS", "Origin", "SessionModel", "session_indexes"]


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

    `changed_at` is the last activity of the work. `version` moves on status, waiting reason, parameters or
    checkpoint, never on progress. `is_folded`: shown under another session unless its kind is asked for.
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
    error = models.CharField(max_length=500, blank=True)
    repo = models.CharField(max_length=300, blank=True)
    origin = models.CharField(max_length=20, choices=Origin, default=Origin.WEB)
    version = models.PositiveIntegerField(default=1)
    is_folded = models.BooleanField(default=False)
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


def session_indexes(prefix: str, partial: Mapping[str, Q]) -> list[models.Index]:
    """The indexes that the list queries of one kind need, each proved by a plan test.

    `partial` names conditions on `status`: the two halves of the table (live and rest, or open and ended) and
    each tone that is a small part of its half. `is_folded` stands before the order so that children of a
    fan-out are never walked; `status` goes along so that a page's order is found without looking at a row,
    and into the small index of live rows all that they are filtered by.
    """
    order = ("is_folded", "-changed_at", "-id")

    def ordered(name: str, *columns: str, condition: Q | None = None) -> models.Index:
        fields = ["tenant", *columns, *order]
        include = (
            ["status", "owner", "initiative", "plan", "repo", "origin"] if name == "live" else ["status"]
        )
        return models.Index(fields=fields, include=include, condition=condition, name=f"{prefix}_{name}")

    return [
        *(ordered(name, condition=condition) for name, condition in partial.items()),
        ordered("owner", "owner"),
        ordered("initiative", "initiative", condition=Q(initiative__isnull=False)),
        ordered("plan", "plan", condition=Q(plan__isnull=False)),
        ordered("repo", "repo", condition=~Q(repo="")),
        ordered("origin", "origin"),
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
