"""The operator's pages of profiles and skills. See `docs/admin.md`."""

from __future__ import annotations

from django.contrib import admin

from agents.models import Profile, Skill
from workspace.operating.filters import CreatedFilter, TenantFilter
from workspace.operating.model_admins import NamedAdmin


class AgentAdmin(NamedAdmin):
    list_display = ("name", "tenant", "runtime", "created_at")
    list_filter = (TenantFilter, "runtime", CreatedFilter)


@admin.register(Profile)
class ProfileAdmin(AgentAdmin):
    edit_fields = (
        *("name", "runtime", "sandbox", "model", "env_secret_names"),
        *("max_turns", "max_minutes", "max_memory_mb", "max_output_kb"),
    )
    add_fields = ("workspace", *edit_fields)


@admin.register(Skill)
class SkillAdmin(AgentAdmin):
    edit_fields = ("name", "description", "runtime", "body")
    add_fields = ("workspace", *edit_fields)
