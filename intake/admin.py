"""The operator's pages of imported sessions. See `docs/admin.md`."""

from __future__ import annotations

from django.contrib import admin

from intake.models import ImportedSession
from workspace.operating.filters import CreatedFilter, TenantFilter
from workspace.operating.model_admins import SessionRowsAdmin


@admin.register(ImportedSession)
class ImportedSessionAdmin(SessionRowsAdmin):
    list_display = ("native_id", "agent_id", "source", "session", "tenant", "created_at")
    list_filter = (TenantFilter, CreatedFilter)
