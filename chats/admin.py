"""The operator's pages of chats. See `docs/admin.md`."""

from __future__ import annotations

from django.contrib import admin

from chats import services
from chats.models import Chat
from workspace.actors import Actor
from workspace.operating.actions import service_action
from workspace.operating.filters import CreatedFilter, OwnerFilter, TenantFilter
from workspace.operating.model_admins import WorkAdmin


@admin.register(Chat)
class ChatAdmin(WorkAdmin):
    list_display = ("title", "tenant", "status", "mode", "owner", "origin", "last_message_at", "created_at")
    list_filter = (TenantFilter, "status", "mode", "origin", OwnerFilter, CreatedFilter)
    actions = ("end", "resume")

    @service_action("End", confirm="Nobody can write in an ended chat until it is resumed.")
    def end(self, chat: Chat, actor: Actor) -> None:
        services.end_chat(tenant_id=chat.tenant_id, chat_id=chat.pk, actor=actor)

    @service_action("Resume")
    def resume(self, chat: Chat, actor: Actor) -> None:
        services.resume_chat(tenant_id=chat.tenant_id, chat_id=chat.pk, actor=actor)
