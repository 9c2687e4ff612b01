"""The operator's pages of flows and their runs. See `docs/admin.md`."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin

from flows import services
from flows.models import Artifact, Flow, FlowRun, FlowStep, FlowTrigger, StepRun
from workspace.actors import Actor
from workspace.operating.actions import service_action
from workspace.operating.filters import CreatedFilter, OwnerFilter, TenantFilter, by_reference
from workspace.operating.links import link_to_list
from workspace.operating.model_admins import OperatorAdmin, WorkAdmin


@admin.register(Flow)
class FlowAdmin(OperatorAdmin):
    """Flows are designed on the pages of their workspace: each change there is a new version."""

    list_display = ("name", "tenant", "version", "scope", "archived_at", "created_at")
    list_filter = (
        TenantFilter,
        "scope",
        ("archived_at", admin.EmptyFieldListFilter),
        CreatedFilter,
    )
    search_help_text = "Words of the name, or an id."
    word_lookups = ("name__icontains",)
    extra_fields = ("steps_link", "runs_link")
    actions = ("archive",)

    @admin.display(description="steps")
    def steps_link(self, flow: Flow) -> str:
        return link_to_list(FlowStep, "Its steps", flow=str(flow.pk))

    @admin.display(description="runs")
    def runs_link(self, flow: Flow) -> str:
        return link_to_list(FlowRun, "Its runs", flow=str(flow.pk))

    @service_action("Archive", confirm="It starts no more runs; those under way go on.")
    def archive(self, flow: Flow, actor: Actor) -> None:
        services.archive_flow(tenant_id=flow.tenant_id, flow_id=flow.pk, actor=actor)


class PartOfFlowAdmin(OperatorAdmin):
    list_filter: ClassVar[tuple[Any, ...]] = (TenantFilter, by_reference("flow"), CreatedFilter)
    list_select_related: ClassVar[tuple[str, ...]] = ("tenant", "flow")
    search_help_text = "An id: its own, or that of the flow."
    parents = ("flow",)


@admin.register(FlowStep)
class FlowStepAdmin(PartOfFlowAdmin):
    list_display = ("name", "flow", "position", "has_checkpoint", "on_failure", "tenant", "created_at")
    list_filter = (TenantFilter, by_reference("flow"), "has_checkpoint", "on_failure", CreatedFilter)


@admin.register(FlowTrigger)
class FlowTriggerAdmin(PartOfFlowAdmin):
    list_display = ("flow", "cron", "time_zone", "next_at", "paused_at", "owner", "tenant")
    list_filter = (
        TenantFilter,
        by_reference("flow"),
        ("paused_at", admin.EmptyFieldListFilter),
        CreatedFilter,
    )
    list_select_related = ("tenant", "flow", "owner")


@admin.register(FlowRun)
class FlowRunAdmin(WorkAdmin):
    list_filter = (TenantFilter, "status", "origin", by_reference("flow"), OwnerFilter, CreatedFilter)
    search_help_text = "Words of title and error, or an id: its own, or that of its flow."
    parents = ("flow",)
    extra_fields = ("steps_link", "artifacts_link")
    actions = ("cancel", "resume", "retry")

    @admin.display(description="steps")
    def steps_link(self, run: FlowRun) -> str:
        return link_to_list(StepRun, "Its steps", run=str(run.pk))

    @admin.display(description="artifacts")
    def artifacts_link(self, run: FlowRun) -> str:
        return link_to_list(Artifact, "Its artifacts", run=str(run.pk))

    @service_action("Cancel", confirm="Its open steps end with it; a cancelled run cannot be taken up again.")
    def cancel(self, run: FlowRun, actor: Actor) -> None:
        services.cancel_run(tenant_id=run.tenant_id, run_id=run.pk, actor=actor)

    @service_action("Resume")
    def resume(self, run: FlowRun, actor: Actor) -> None:
        services.resume_run(tenant_id=run.tenant_id, run_id=run.pk, actor=actor)

    @service_action("Retry")
    def retry(self, run: FlowRun, actor: Actor) -> None:
        services.retry_run(tenant_id=run.tenant_id, run_id=run.pk, actor=actor)


class PartOfRunAdmin(OperatorAdmin):
    list_select_related = ("tenant", "run")
    search_help_text = "An id: its own, or that of the run."
    parents = ("run",)


@admin.register(StepRun)
class StepRunAdmin(PartOfRunAdmin):
    list_display = ("name", "run", "position", "attempt", "status", "tenant", "created_at")
    list_filter = (TenantFilter, by_reference("run"), "status", CreatedFilter)


@admin.register(Artifact)
class ArtifactAdmin(PartOfRunAdmin):
    list_display = ("name", "run", "content_type", "size_bytes", "is_scanned", "tenant", "created_at")
    list_filter = (TenantFilter, by_reference("run"), "is_scanned", CreatedFilter)
    hidden = ("file",)
    extra_fields = ("stored_as",)

    @admin.display(description="file")
    def stored_as(self, artifact: Artifact) -> str:
        """Its name alone: members download it from the page of the run."""
        return artifact.file.name or "-"
