"""What intake remembers of agents that run elsewhere."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from workspace.models import SealedRow
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


class Upload(TenantOwned):
    """Files that a member handed in together, and the claim of the worker that imports them.

    They are imported one after another by one worker, since what a session's file tells of its sub-agents is
    needed for theirs. `claim` is the worker's fencing token, void once the lease has lapsed by the database's
    clock. `sent_at` says when a job was last sent for it; None where the next sweep must send one.
    """

    owner = models.ForeignKey("workspace.User", on_delete=models.PROTECT, db_index=False, related_name="+")
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
    claim = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["Upload"].as_manager()

    def __str__(self) -> str:
        return f"upload {self.pk}"


class FileState(models.TextChoices):
    RECEIVING = "receiving", "Receiving"
    WAITING = "waiting", "Waiting"
    IMPORTING = "importing", "Importing"
    DONE = "done", "Done"
    DEAD = "dead", "Set aside"


class StagedFile(TenantOwned):
    """One file of an upload. Its content waits sealed in `StagedPart` and leaves with the import.

        receiving -> waiting        all parts are here
        waiting -> importing        a worker began; counts as a try
        importing -> done           imported; the parts are gone
        importing -> waiting        the try failed; `not_before` says when the next one may begin
        importing -> dead           the third try failed: `reason` says why, the parts stay
        dead -> waiting             a person wants it tried again, three times

    `name` is the path below what was dropped, redacted. `digest` is an HMAC of the content with the tenant's
    key. `progress_bytes` counts what was received, then what was read. `report` is that of the import
    (`FileReport`), and until that is done only what its tries have stored so far; neither it nor `reason`
    quotes the file.
    """

    # Indexed alone: whoever deletes an upload looks for what hangs on it.
    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="files")
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=1000)
    size_bytes = models.PositiveBigIntegerField()
    written_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=FileState, default=FileState.RECEIVING)
    digest = models.CharField(max_length=64, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    progress_bytes = models.PositiveBigIntegerField(default=0)
    reason = models.CharField(max_length=500, blank=True)
    report = models.JSONField(null=True, blank=True)
    changed_at = models.DateTimeField(db_default=Now())

    objects = TenantQuerySet["StagedFile"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "upload", "position"], name="staged_file_in_its_place"),
            models.CheckConstraint(condition=Q(state__in=FileState.values), name="staged_file_state_known"),
            models.CheckConstraint(
                condition=Q(progress_bytes__lte=models.F("size_bytes")), name="staged_progress_within_size"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "-id"], name="staged_file_newest"),
            # Over all tenants: what the sweep looks at, which is little.
            models.Index(fields=["state", "changed_at"], name="staged_file_by_state"),
        ]

    def __str__(self) -> str:
        return self.name


class StagedPart(SealedRow):
    """A piece of a file that waits: AES-GCM over it, bound to tenant, file, number and key.

    `digest` is an HMAC of the piece with the tenant's key: the same piece sent twice is known by it.
    """

    # Indexed alone: whoever deletes a file looks for its parts.
    file = models.ForeignKey(StagedFile, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)

    objects = TenantQuerySet["StagedPart"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "file", "number"], name="staged_part_once"),
        ]

    def __str__(self) -> str:
        return f"part {self.number} of {self.file_id}"

    @property
    def sealed_as(self) -> str:
        return f"staged:{self.file_id}:{self.number}"
