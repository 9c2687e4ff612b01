"""What is kept of redactions beside the findings themselves: where each surfaced, and sweeps."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from workspace.tenancy import TenantOwned, TenantQuerySet

__all__ = ["RedactionSweep", "Surfacing", "SweepStatus"]


class Surfacing(TenantOwned):
    """One value in one session: the name or rule that it was recorded by, and the first and last time.

    Written with the findings, as their sum (`audit.surfacing`), so that nobody has to count them. `count` is
    how often it stands in the session's texts; what a raw record repeats of an entry is not counted again, so
    0 says that only a record holds it. `digest` is "" for text that was withheld, since it was not scanned.
    """

    session_kind = models.CharField(max_length=40)
    session_id = models.UUIDField()
    is_known = models.BooleanField()
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, blank=True)
    count = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    objects = TenantQuerySet["Surfacing"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "session_kind", "session_id", "is_known", "name", "digest"],
                name="surfacing_once",
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "is_known", "name", "-last_at", "-id"], name="surfacing_by_name"),
            models.Index(fields=["tenant", "digest"], condition=~Q(digest=""), name="surfacing_by_digest"),
            # For the operator, who is told how much was withheld, over all tenants.
            models.Index(fields=["tenant"], condition=Q(digest=""), name="surfacing_withheld"),
        ]

    def __str__(self) -> str:
        return f"{self.name} in {self.session_kind} {self.session_id}"

    @property
    def is_withheld(self) -> bool:
        return not self.digest


class SweepStatus(models.TextChoices):
    PENDING = "pending", "Waiting"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Done"
    FAILED = "failed", "Failed"


class RedactionSweep(TenantOwned):
    """A walk over all stored text of a tenant that replaces what is a known secret by now.

        pending -> running -> completed | failed

    One runs at a time in a tenant, and one waits at most: a secret that is set meanwhile is looked for by the
    one that waits. `targets` says for each table how far it is: [{"key", "label", "done", "total", "changed",
    "cursor", "is_done"}], with "unscanned" and "unscanned_ids" where rows could not be looked through. A
    worker holds the sweep by a lease; `fence` moves with each claim, so that whoever was taken for dead
    writes nothing more.
    """

    reason = models.CharField(max_length=200)
    started_by = models.ForeignKey(
        "workspace.User", on_delete=models.SET_NULL, null=True, db_index=False, related_name="+"
    )
    status = models.CharField(max_length=10, choices=SweepStatus, default=SweepStatus.PENDING)
    targets = models.JSONField(default=list)
    fence = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=200, blank=True)

    objects = TenantQuerySet["RedactionSweep"].as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(status__in=SweepStatus.values), name="sweep_status_known"),
            models.UniqueConstraint(fields=["tenant"], condition=Q(status="pending"), name="sweep_one_waits"),
            models.UniqueConstraint(fields=["tenant"], condition=Q(status="running"), name="sweep_one_runs"),
        ]
        indexes = [models.Index(fields=["tenant", "-created_at"], name="sweep_newest")]

    def __str__(self) -> str:
        return self.reason

    @property
    def done(self) -> int:
        return sum(target["done"] for target in self.targets)

    @property
    def total(self) -> int:
        return sum(max(target["total"], target["done"]) for target in self.targets)

    @property
    def changed(self) -> int:
        return sum(target["changed"] for target in self.targets)

    @property
    def is_open(self) -> bool:
        return self.status in {SweepStatus.PENDING, SweepStatus.RUNNING}
