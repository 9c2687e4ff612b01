"""The operator's pages of flows and their runs. See `docs/admin.md`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import transaction

from agents.admin import AgentAdmin
from agents.models import Skill
from flows import services
from flows.flow_files.loading import LoadedFlow, load_flow
from flows.flow_files.reading import WrongFile
from flows.flow_files.writing import dump_flow
from flows.models import Artifact, Flow, FlowRun, FlowStep, FlowTrigger, StepRun
from flows.services.skills import change_used_skill, find_problems_of_users
from workspace.actors import SYSTEM, Actor
from workspace.operating.actions import service_action
from workspace.operating.filters import CreatedFilter, OwnerFilter, TenantFilter, by_reference
from workspace.operating.forms import RecordForm
from workspace.operating.links import link_to_list
from workspace.operating.model_admins import OperatorAdmin, RecordAdmin, WorkAdmin


class FlowFileForm(RecordForm):
    """A flow as its file, steps, parameters and skills in it: what the pages and `load_flow` take too."""

    file = forms.CharField(
        strip=False,
        widget=forms.Textarea(attrs={"rows": 40, "cols": 100, "spellcheck": "false"}),
        help_text="YAML; see docs/flow-files.md.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.initial["file"] = dump_flow(self.instance)

    def clean(self) -> dict[str, Any] | None:
        """Loads the file to see what is wrong with it, and keeps nothing of that."""
        given = super().clean() or self.cleaned_data
        is_new = self.instance._state.adding
        tenant = given.get("workspace") if is_new else self.instance.tenant
        if tenant is None or not given.get("file"):
            return given
        try:
            with transaction.atomic():
                loaded = load_file(self.instance, tenant.pk, given["file"], SYSTEM)
                if is_new and loaded.outcome != "created":
                    self.add_error("file", f"there is a flow “{loaded.flow.name}” already: change that one")
                transaction.set_rollback(True)
        except WrongFile as wrong:
            for problem in wrong.problems:
                self.add_error("file", f"line {problem}")
        return given


def load_file(flow: Flow, tenant_id: uuid.UUID, text: str, actor: Actor) -> LoadedFlow:
    flow_id = None if flow._state.adding else flow.pk
    return load_flow(tenant_id=tenant_id, actor=actor, text=text, flow_id=flow_id)


@admin.register(Flow)
class FlowAdmin(RecordAdmin):
    """Flows are designed as files here, on pages in their workspace: each change is a new version."""

    form = FlowFileForm
    add_fields = ("workspace", "file")
    edit_fields = ("file",)
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
    actions = ("archive", "restore")

    @admin.display(description="steps")
    def steps_link(self, flow: Flow) -> str:
        return link_to_list(FlowStep, "Its steps", flow=str(flow.pk))

    @admin.display(description="runs")
    def runs_link(self, flow: Flow) -> str:
        return link_to_list(FlowRun, "Its runs", flow=str(flow.pk))

    @service_action("Archive", confirm="It starts no more runs; those under way go on.")
    def archive(self, flow: Flow, actor: Actor) -> None:
        services.archive_flow(tenant_id=flow.tenant_id, flow_id=flow.pk, actor=actor)

    @service_action("Restore")
    def restore(self, flow: Flow, actor: Actor) -> None:
        services.restore_flow(tenant_id=flow.tenant_id, flow_id=flow.pk, actor=actor)

    def create(self, obj: Flow, *, values: Mapping[str, Any], actor: Actor) -> Flow:
        return load_file(obj, obj.tenant_id, values["file"], actor).flow

    def change(self, obj: Flow, *, values: Mapping[str, Any], actor: Actor) -> None:
        if "file" in values:
            load_file(obj, obj.tenant_id, values["file"], actor)


class SkillForm(RecordForm):
    def clean(self) -> dict[str, Any] | None:
        """Says at the body what the flows that use the skill would not fit; the service looks again."""
        given = super().clean() or self.cleaned_data
        row, work = self.instance, {"runtime", "body"}
        if not row._state.adding and work & {*self.changed_data} and work <= given.keys():
            changed = Skill(pk=row.pk, tenant_id=row.tenant_id, **{name: given[name] for name in work})
            for problem in find_problems_of_users(changed):
                self.add_error("body", problem)
        return given


@admin.register(Skill)
class SkillAdmin(AgentAdmin):
    """Stands here since the flows that use a skill have a say in what it becomes."""

    form = SkillForm
    edit_fields = ("name", "description", "runtime", "body")
    add_fields = ("workspace", *edit_fields)

    def change(self, obj: Any, *, values: Mapping[str, Any], actor: Actor) -> None:
        change_used_skill(skill=obj, actor=actor, **values)


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
