"""What intake remembers of agents that run elsewhere."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from workspace.tenancy import TenantOwned, TenantQuerySet


class ImportedSession(TenantOwned):
    """Which of our sessions a session of another tool became, so that a second delivery finds it again.

    `agent_id` is "" for the session itself and the sub-agent's id for a child, or "call:" and the id of the
    call while only that is known. What the session that started a child told of it is kept for when the
    child's own file comes alone: the agent that started it ("": the session), the call, and the outcome.
    `last_at` and `record_count` say how far the file reached that the row was last made of.
    """

    source = models.CharField(max_length=30)
    native_id = models.CharField(max_length=200)
    agent_id = models.CharField(max_length=200, blank=True)
    parent_agent_id = models.CharField(max_length=200, blank=True)
    call_id = models.CharField(max_length=200, blank=True)
    outcome = models.CharField(max_length=20, blank=True)
    last_at = models.DateTimeField(null=True)
    record_count = models.PositiveIntegerField(default=0)
    session_kind = models.CharField(max_length=40)
    session_id = models.UUIDField()

    objects = TenantQuerySet["ImportedSession"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "source", "native_id", "agent_id"], name="imported_once_per_session"
            ),
            models.UniqueConstraint(
                fields=["tenant", "session_kind", "session_id"], name="imported_session_has_one_source"
            ),
            models.CheckConstraint(condition=~Q(native_id=""), name="imported_has_native_id"),
        ]
        # For the operator, who is told the other tool's id and looks over all tenants.
        indexes = [models.Index(fields=["native_id"], name="imported_by_native_id")]

    def __str__(self) -> str:
        return f"{self.source} {self.native_id} {self.agent_id}".strip()
