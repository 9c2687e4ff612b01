"""The operator's pages of profiles; those of skills are in `flows.admin`. See `docs/admin.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin

from agents import services
from agents.models import Profile
from workspace.actors import Actor
from workspace.operating.actions import service_action
from workspace.operating.filters import CreatedFilter, TenantFilter
from workspace.operating.model_admins import NamedAdmin


class AgentAdmin(NamedAdmin):
    list_display = ("name", "tenant", "runtime", "archived_at", "created_at")
    list_filter = (TenantFilter, "runtime", ("archived_at", admin.EmptyFieldListFilter), CreatedFilter)
    actions = ("archive", "restore")

    @service_action("Archive")
    def archive(self, row: Any, actor: Actor) -> None:
        services.archive_definition(row=row, actor=actor)

    @service_action("Restore")
    def restore(self, row: Any, actor: Actor) -> None:
        services.restore_definition(row=row, actor=actor)


@admin.register(Profile)
class ProfileAdmin(AgentAdmin):
    edit_fields = (
        *("name", "runtime", "sandbox", "model", "env_secret_names"),
        *("max_turns", "max_minutes", "max_memory_mb", "max_output_kb"),
    )
    add_fields = ("workspace", *edit_fields)

    def change(self, obj: Any, *, values: Mapping[str, Any], actor: Actor) -> None:
        services.change_profile(profile=obj, actor=actor, **values)
