"""The operator's pages of the record: all of it is looked at, none of it changed. See `docs/admin.md`."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from audit.models import (
    AuditEntry,
    DecisionReceipt,
    MessageUsage,
    RawRecord,
    RedactionFinding,
    RedactionSweep,
    RenderedEntry,
    Surfacing,
    Transcript,
    TranscriptEntry,
)
from workspace.models import Membership
from workspace.operating.filters import CreatedFilter, TenantFilter, by_reference
from workspace.operating.links import link_to_list
from workspace.operating.model_admins import OperatorAdmin, SessionRowsAdmin
from workspace.operating.searching import find_owner, find_session
from workspace.records import kind_of


@admin.register(AuditEntry)
class AuditEntryAdmin(SessionRowsAdmin):
    list_display = ("created_at", "tenant", "actor_name", "action", "object_kind", "object_title", "session")
    list_filter = (TenantFilter, "actor_kind", CreatedFilter)
    search_help_text = "An id: its own, that of the session, or that of whatever was changed."
    tenant_ordering = ("-created_at", "-pk")

    def q_about(self, key: UUID) -> Q:
        about = super().q_about(key)
        owner = find_owner(key, [*self.admin_site._registry])
        if owner is not None:
            about |= Q(tenant_id=owner[0], object_kind=kind_of(owner[1]), object_id=key)
        # A workspace is on its own record, a person on that of each workspace that they are a member of.
        about |= Q(tenant_id=key, object_kind="tenant", object_id=key)
        tenants = Membership.objects.filter(user=key).values_list("tenant_id", flat=True)
        return about | Q(tenant_id__in=list(tenants), object_kind="user", object_id=key)


@admin.register(Transcript)
class TranscriptAdmin(SessionRowsAdmin):
    list_display = ("session", "tenant", "origin", "runtime", "model_last", "repo", "next_seq", "created_at")
    extra_fields = ("entries_link", "records_link")

    @admin.display(description="entries")
    def entries_link(self, transcript: Transcript) -> str:
        return link_to_list(TranscriptEntry, "Its entries", transcript=str(transcript.pk))

    @admin.display(description="raw records")
    def records_link(self, transcript: Transcript) -> str:
        return link_to_list(RawRecord, "Its raw records", transcript=str(transcript.pk))


class PartOfTranscriptAdmin(OperatorAdmin):
    """Rows of a transcript, found by its id or by that of its session."""

    list_filter: ClassVar[tuple[Any, ...]] = (TenantFilter, by_reference("transcript"), CreatedFilter)
    list_select_related = ("tenant", "transcript")
    search_help_text = "An id: its own, that of the transcript, or that of the session."
    parents = ("transcript",)

    def q_about(self, key: UUID) -> Q:
        about, place = super().q_about(key), find_session(key)
        if place is None:
            return about
        mine = Transcript.objects.for_tenant(place[0]).filter(session_kind=place[1], session_id=key)
        return about | Q(tenant_id=place[0], transcript__in=list(mine.values_list("pk", flat=True)))


@admin.register(TranscriptEntry)
class TranscriptEntryAdmin(PartOfTranscriptAdmin):
    list_display = (
        "seq",
        "kind",
        "role",
        "tool_name",
        "path",
        "is_error",
        "transcript",
        "tenant",
        "occurred_at",
    )
    list_filter = (TenantFilter, by_reference("transcript"), "kind", "is_error", CreatedFilter)


@admin.register(MessageUsage)
class MessageUsageAdmin(PartOfTranscriptAdmin):
    list_display = (
        "message_id",
        "model",
        "input_tokens",
        "output_tokens",
        "transcript",
        "tenant",
        "created_at",
    )


@admin.register(RawRecord)
class RawRecordAdmin(PartOfTranscriptAdmin):
    list_display = ("ordinal", "record_type", "native_id", "transcript", "tenant", "created_at")


@admin.register(RenderedEntry)
class RenderedEntryAdmin(OperatorAdmin):
    list_display = ("entry", "renderer_version", "tenant", "created_at")
    list_filter = (TenantFilter, by_reference("entry"), CreatedFilter)
    list_select_related = ("tenant", "entry")
    search_help_text = "An id: its own, or that of the entry."
    parents = ("entry",)


@admin.register(RedactionFinding)
class RedactionFindingAdmin(SessionRowsAdmin):
    list_display = ("name", "is_known", "field", "session", "entry", "tenant", "created_at")
    list_filter = (TenantFilter, "is_known", by_reference("entry"), CreatedFilter)
    list_select_related = ("tenant", "entry")
    search_help_text = "An id: its own, that of the session, or that of the entry."
    parents = ("entry",)


@admin.register(DecisionReceipt)
class DecisionReceiptAdmin(SessionRowsAdmin):
    list_display = ("subject", "outcome", "decided_by", "session", "tenant", "created_at")
    list_filter = (TenantFilter, "outcome", CreatedFilter)
    list_select_related = ("tenant", "decided_by")


class WithheldFilter(admin.SimpleListFilter):
    """Text that was withheld since it could not be scanned, which somebody should look into."""

    title = "withheld"
    parameter_name = "withheld"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("1", "Withheld, not scanned")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(digest="") if self.value() == "1" else queryset


@admin.register(Surfacing)
class SurfacingAdmin(SessionRowsAdmin):
    list_display = ("name", "is_known", "count", "session", "tenant", "first_at", "last_at")
    list_filter = (TenantFilter, WithheldFilter, "is_known", CreatedFilter)
    list_select_related = ("tenant",)


@admin.register(RedactionSweep)
class RedactionSweepAdmin(OperatorAdmin):
    list_display = ("reason", "status", "started_by", "tenant", "started_at", "finished_at", "created_at")
    list_filter = (TenantFilter, "status", CreatedFilter)
    list_select_related = ("tenant", "started_by")
