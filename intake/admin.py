"""The operator's pages of imported sessions. See `docs/admin.md`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet

from intake.models import ImportedSession
from workspace.operating.filters import CreatedFilter, TenantFilter
from workspace.operating.model_admins import SessionRowsAdmin


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
