"""The operator's pages of background tasks. See `docs/admin.md`."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from tasks import services
from tasks.models import BackgroundTask, TaskStatus, WaitingOn
from workspace.actors import Actor
from workspace.operating.actions import service_action
from workspace.operating.filters import CreatedFilter, OwnerFilter, TenantFilter, by_reference
from workspace.operating.model_admins import WorkAdmin


class WaitingOnFilter(admin.SimpleListFilter):
    title = "what it waits on"
    parameter_name = "waiting_on"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return list(WaitingOn.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        # Says the status too: the index of what needs attention knows nothing else.
        wanted = Q(status=TaskStatus.WAITING.value, waiting_on=self.value())
        return queryset.filter(wanted) if self.value() else queryset


@admin.register(BackgroundTask)
class BackgroundTaskAdmin(WorkAdmin):
    list_display = ("title", "tenant", "status", "waiting_on", "owner", "origin", "changed_at", "created_at")
    list_filter = (
        TenantFilter,
        "status",
        WaitingOnFilter,
        "origin",
        by_reference("parent"),
        OwnerFilter,
        CreatedFilter,
    )
    search_help_text = "Words of title and error, or an id: its own, or that of its parent."
    parents = ("parent",)
    actions = ("cancel", "retry", "dismiss")

    @service_action("Cancel", confirm="The tasks below it end with it.")
    def cancel(self, task: BackgroundTask, actor: Actor) -> None:
        services.cancel(tenant_id=task.tenant_id, task_id=task.pk, actor=actor)

    @service_action("Retry")
    def retry(self, task: BackgroundTask, actor: Actor) -> None:
        services.retry(tenant_id=task.tenant_id, task_id=task.pk, actor=actor)

    @service_action("Dismiss", confirm="A dismissed task is put away for good.")
    def dismiss(self, task: BackgroundTask, actor: Actor) -> None:
        services.dismiss(tenant_id=task.tenant_id, task_id=task.pk, actor=actor)
