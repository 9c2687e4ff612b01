"""The record: what changed (AuditEntry), how it came about (Transcript and entries), and what was decided."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models
from django.db.models import Q

from audit.entries import EntryKind
from audit.redaction_records import RedactionSweep, Surfacing, SweepStatus
from workspace.actors import ActorKind
from workspace.tenancy import TenantOwned, TenantQuerySet

__all__ = [
    "AppendOnlyError",
    "AuditEntry",
    "DecisionReceipt",
    "MessageUsage",
    "Outcome",
    "RawRecord",
    "RedactionFinding",
    "RedactionSweep",
    "RenderedEntry",
    "Surfacing",
    "SweepStatus",
    "Transcript",
    "TranscriptEntry",
]


class AppendOnlyError(Exception):
    """Somebody tried to change or delete a record that is only ever added to."""


class AppendOnlyQuerySet[M: models.Model](TenantQuerySet[M]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError(f"{self.model.__name__} is append-only: it cannot be updated")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError(f"{self.model.__name__} is append-only: it cannot be updated")

    def delete(self) -> NoReturn:
        raise AppendOnlyError(f"{self.model.__name__} is append-only: it cannot be deleted")


class AppendOnly(TenantOwned):
    """A row that is written once."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError(f"{type(self).__name__} is append-only: it cannot be updated")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError(f"{type(self).__name__} is append-only: it cannot be deleted")


class AuditEntry(AppendOnly):
    """What somebody changed on a record: `changes` is {field: [before, after]}.

    `session_kind`, `session_id` and `entry_seq` lead to the moment in the transcript that caused it.
    """

    actor_kind = models.CharField(max_length=10, choices=[(k.value, k.value) for k in ActorKind])
    actor = models.ForeignKey(
        "workspace.User", on_delete=models.PROTECT, null=True, db_index=False, related_name="+"
    )
    actor_name = models.CharField(max_length=200)
    action = models.CharField(max_length=60)
    object_kind = models.CharField(max_length=60)
    object_id = models.UUIDField()
    object_title = models.CharField(max_length=300)
    changes = models.JSONField(default=dict)
    session_kind = models.CharField(max_length=40, blank=True)
    session_id = models.UUIDField(null=True)
    entry_seq = models.PositiveIntegerField(null=True)

    objects = AppendOnlyQuerySet["AuditEntry"].as_manager()

    class Meta:
        verbose_name_plural = "audit entries"
        constraints = [
            models.CheckConstraint(
                condition=Q(actor_kind__in=[k.value for k in ActorKind]), name="auditentry_actor_kind_known"
            ),
            models.CheckConstraint(
                condition=~Q(actor_kind=ActorKind.MEMBER.value) | Q(actor__isnull=False),
                name="auditentry_member_is_named",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "-created_at", "-id"], name="auditentry_newest"),
            models.Index(
                fields=["tenant", "object_kind", "object_id", "-created_at"], name="auditentry_by_object"
            ),
            models.Index(
                fields=["tenant", "session_kind", "session_id", "-created_at"],
                condition=Q(session_id__isnull=False),
                name="auditentry_by_session",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.object_title}"


class Transcript(TenantOwned):
    """One per session: where and with what it ran (first and last where that changed), and its totals.

    `next_seq` is the number that the next entry takes; only `audit.services.append_entries` moves it. Token
    totals are sums over `MessageUsage`, one row a message, so nothing is counted twice.
    """

    session_kind = models.CharField(max_length=40)
    session_id = models.UUIDField()
    source = models.CharField(max_length=30, blank=True)
    native_session_id = models.CharField(max_length=200, blank=True)
    origin = models.CharField(max_length=20, blank=True)
    runtime = models.CharField(max_length=50, blank=True)
    runtime_version = models.CharField(max_length=50, blank=True)
    sandbox = models.CharField(max_length=100, blank=True)
    profile = models.CharField(max_length=100, blank=True)
    model_first = models.CharField(max_length=100, blank=True)
    model_last = models.CharField(max_length=100, blank=True)
    repo = models.CharField(max_length=300, blank=True)
    branch_first = models.CharField(max_length=300, blank=True)
    branch_last = models.CharField(max_length=300, blank=True)
    cwd_first = models.CharField(max_length=1000, blank=True)
    cwd_last = models.CharField(max_length=1000, blank=True)
    commit_first = models.CharField(max_length=64, blank=True)
    commit_last = models.CharField(max_length=64, blank=True)
    next_seq = models.PositiveIntegerField(default=1)
    redaction_count = models.PositiveIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cache_read_tokens = models.PositiveBigIntegerField(default=0)
    cache_write_tokens = models.PositiveBigIntegerField(default=0)

    objects = TenantQuerySet["Transcript"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "session_kind", "session_id"], name="transcript_once_per_session"
            )
        ]

    def __str__(self) -> str:
        return f"transcript of {self.session_kind} {self.session_id}"

    @property
    def entry_count(self) -> int:
        return self.next_seq - 1


class TranscriptEntry(AppendOnly):
    """One thing that happened, redacted before it was stored.

    `native_id` is the source's own id of the thing, unique in its transcript: a second import adds nothing;
    `ordinal` is that of the raw record which it was read from.
    `call_id` pairs a tool call with its result. A file edit has `path`, `before`, `after` and `patch`;
    `is_partial` says that the text before is not known whole; of a result, that more of it follows.
    `attempt` counts retries of the same step.
    """

    transcript = models.ForeignKey(
        Transcript, on_delete=models.PROTECT, db_index=False, related_name="entries"
    )
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=20, choices=[(k.value, k.value) for k in EntryKind])
    native_id = models.CharField(max_length=200)
    ordinal = models.PositiveIntegerField(null=True)
    occurred_at = models.DateTimeField(null=True)
    role = models.CharField(max_length=10, blank=True)
    text = models.TextField(blank=True)
    tool_name = models.CharField(max_length=200, blank=True)
    call_id = models.CharField(max_length=200, blank=True)
    arguments = models.JSONField(null=True)
    path = models.CharField(max_length=1000, blank=True)
    before = models.TextField(null=True)  # noqa: DJ001 - null: not known; "": an empty file
    after = models.TextField(null=True)  # noqa: DJ001
    patch = models.TextField(blank=True)
    is_partial = models.BooleanField(default=False)
    is_error = models.BooleanField(default=False)
    is_meta = models.BooleanField(default=False)
    duration_ms = models.PositiveBigIntegerField(null=True)
    model = models.CharField(max_length=100, blank=True)
    message_id = models.CharField(max_length=200, blank=True)
    attempt = models.PositiveSmallIntegerField(default=1)
    data = models.JSONField(default=dict)

    objects = AppendOnlyQuerySet["TranscriptEntry"].as_manager()

    class Meta:
        verbose_name_plural = "transcript entries"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "transcript", "seq"], name="entry_seq_once"),
            models.UniqueConstraint(
                fields=["tenant", "transcript", "native_id"], name="entry_native_id_once"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[k.value for k in EntryKind]), name="entry_kind_known"
            ),
            models.CheckConstraint(condition=Q(seq__gte=1), name="entry_seq_from_1"),
        ]
        indexes = [
            models.Index(
                fields=["tenant", "transcript", "call_id", "kind"],
                condition=~Q(call_id=""),
                name="entry_by_call",
            ),
            models.Index(fields=["tenant", "transcript", "kind", "seq"], name="entry_by_kind"),
            models.Index(
                fields=["tenant", "transcript", "seq"],
                condition=Q(kind=EntryKind.ERROR.value) | Q(is_error=True),
                name="entry_errors",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.seq} {self.kind}"


class MessageUsage(TenantOwned):
    """The tokens of one model message. A report of more tokens replaces one of fewer, never the reverse."""

    transcript = models.ForeignKey(
        Transcript, on_delete=models.PROTECT, db_index=False, related_name="usages"
    )
    message_id = models.CharField(max_length=200)
    model = models.CharField(max_length=100, blank=True)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cache_read_tokens = models.PositiveBigIntegerField(default=0)
    cache_write_tokens = models.PositiveBigIntegerField(default=0)

    objects = TenantQuerySet["MessageUsage"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "transcript", "message_id"], name="usage_once_per_message"
            )
        ]

    def __str__(self) -> str:
        return f"tokens of {self.message_id}"


class RawRecord(AppendOnly):
    """A record as its source wrote it, strings redacted, so that a better reader can read it again.

    `digest` is a keyed HMAC of the original bytes' meaning: the same record delivered again is recognised.
    """

    transcript = models.ForeignKey(
        Transcript, on_delete=models.PROTECT, db_index=False, related_name="raw_records"
    )
    ordinal = models.PositiveIntegerField()
    native_id = models.CharField(max_length=200, blank=True)
    record_type = models.CharField(max_length=60, blank=True)
    digest = models.CharField(max_length=64)
    body = models.JSONField()

    objects = AppendOnlyQuerySet["RawRecord"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "transcript", "digest"], name="raw_record_once")
        ]
        indexes = [
            models.Index(fields=["tenant", "transcript", "ordinal"], name="raw_record_by_ordinal"),
            models.Index(
                fields=["tenant", "transcript", "native_id"],
                condition=~Q(native_id=""),
                name="raw_record_by_native_id",
            ),
        ]

    def __str__(self) -> str:
        return f"record {self.ordinal} ({self.record_type})"


class RenderedEntry(TenantOwned):
    """An entry's sanitised HTML by one version of the renderer; made by a job or at first view."""

    entry = models.ForeignKey(
        TranscriptEntry, on_delete=models.CASCADE, db_index=False, related_name="rendered"
    )
    renderer_version = models.PositiveSmallIntegerField()
    html = models.TextField()

    objects = TenantQuerySet["RenderedEntry"].as_manager()

    class Meta:
        verbose_name_plural = "rendered entries"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "entry", "renderer_version"], name="rendered_once_per_version"
            )
        ]

    def __str__(self) -> str:
        return f"HTML of entry {self.entry_id}"


class RedactionFinding(AppendOnly):
    """A credential that was replaced: its name or the rule that found it, and where its placeholder stands.

    Offsets are characters of the stored, redacted text of `field`: a path in the entry, or, with no entry,
    "raw/<ordinal>/..." in the body of a raw record. `digest` is an HMAC by the tenant's key,
    which says "the same secret again" and nothing else.
    """

    session_kind = models.CharField(max_length=40)
    session_id = models.UUIDField()
    entry = models.ForeignKey(
        TranscriptEntry, on_delete=models.PROTECT, null=True, db_index=False, related_name="findings"
    )
    field = models.CharField(max_length=200)
    name = models.CharField(max_length=100)
    is_known = models.BooleanField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)

    objects = AppendOnlyQuerySet["RedactionFinding"].as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "entry"], name="finding_by_entry"),
            models.Index(fields=["tenant", "session_kind", "session_id"], name="finding_by_session"),
            models.Index(fields=["tenant", "is_known", "name", "-created_at"], name="finding_by_name"),
            models.Index(fields=["tenant", "digest"], name="finding_by_digest"),
        ]

    def __str__(self) -> str:
        return self.name


class Outcome(models.TextChoices):
    APPROVED = "approved"
    EDITED = "edited"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    OVERRIDDEN = "overridden"
    EXPIRED = "expired"


class DecisionReceipt(AppendOnly):
    """One decision at a checkpoint, on a tool call or in a review: who decided what, on what they saw.

    `seen` holds the step, its arguments and what led there; `content_hash` is the SHA-256 of its canonical
    JSON. Expired means that nobody answered; it is never an approval.
    """

    session_kind = models.CharField(max_length=40)
    session_id = models.UUIDField()
    subject = models.CharField(max_length=300)
    outcome = models.CharField(max_length=12, choices=Outcome)
    comment = models.TextField(blank=True)
    decided_by = models.ForeignKey(
        "workspace.User", on_delete=models.PROTECT, null=True, db_index=False, related_name="+"
    )
    content_hash = models.CharField(max_length=64)
    seen = models.JSONField()

    objects = AppendOnlyQuerySet["DecisionReceipt"].as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="receipt_outcome_known"),
            models.CheckConstraint(
                condition=Q(outcome=Outcome.EXPIRED) | Q(decided_by__isnull=False),
                name="receipt_decider_is_named",
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant", "session_kind", "session_id", "created_at"], name="receipt_by_session"
            )
        ]

    def __str__(self) -> str:
        return f"{self.outcome}: {self.subject}"
