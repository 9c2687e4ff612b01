"""The operator's pages of imported sessions, and of files that wait to be imported. See `docs/admin.md`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet

from intake.models import ImportedSession, StagedFile, StagedPart, Upload
from intake.staging import delete_file, retry_file
from workspace.actors import Actor
from workspace.operating.actions import service_action
from workspace.operating.filters import CreatedFilter, OwnerFilter, TenantFilter, by_reference
from workspace.operating.model_admins import OperatorAdmin, SessionRowsAdmin


@admin.register(ImportedSession)
class ImportedSessionAdmin(SessionRowsAdmin):
    list_display = ("native_id", "agent_id", "source", "session", "tenant", "created_at")
    list_filter = (TenantFilter, CreatedFilter)
    search_help_text = "An id: its own, that of the session, or the whole one of the other tool."
    word_lookups = ("native_id__exact",)

    def q_about(self, key: UUID) -> Q:
        return super().q_about(key) | Q(native_id=str(key))

    def narrow_by_words(self, rows: QuerySet[Any], words: Sequence[str]) -> QuerySet[Any]:
        return rows.filter(native_id=" ".join(words))


@admin.register(Upload)
class UploadAdmin(OperatorAdmin):
    list_display = ("id", "tenant", "owner", "sent_at", "lease_expires_at", "created_at")
    list_filter = (TenantFilter, OwnerFilter, CreatedFilter)
    list_select_related = ("tenant", "owner")


@admin.register(StagedFile)
class StagedFileAdmin(OperatorAdmin):
    """Those set aside have the state "Set aside", and say why."""

    list_display = ("name", "tenant", "state", "tries", "reason", "size_bytes", "created_at")
    list_filter = (TenantFilter, "state", by_reference("upload"), CreatedFilter)
    parents = ("upload",)
    search_help_text = "An id: its own, or that of the upload."
    actions = ("retry", "delete_file")

    @service_action("Retry")
    def retry(self, file: StagedFile, actor: Actor) -> None:
        retry_file(tenant_id=file.tenant_id, file_id=file.pk, actor=actor)

    @service_action("Delete", confirm="What was not imported of it is lost; its owner must send it again.")
    def delete_file(self, file: StagedFile, actor: Actor) -> None:
        delete_file(tenant_id=file.tenant_id, file_id=file.pk, actor=actor)


@admin.register(StagedPart)
class StagedPartAdmin(OperatorAdmin):
    list_display = ("id", "file", "number", "key_id", "tenant", "created_at")
    list_filter = (TenantFilter, by_reference("file"), CreatedFilter)
    list_select_related = ("tenant", "file")
    parents = ("file",)
    search_help_text = "An id: its own, or that of the file."
    hidden = ("sealed", "digest")
