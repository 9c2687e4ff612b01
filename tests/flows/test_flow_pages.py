"""The pages of flows: listed, looked at, run from a form, put away, taken as a file."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry
from flows import services
from flows.flow_files.loading import load_flow
from flows.models import Flow, FlowRun
from tests.factories.flows import FlowFactory, FlowRunFactory
from tests.factories.workspace import InitiativeFactory, PlanFactory
from tests.flows.worlds import World, make_design
from workspace.models import Membership


def client_of(member: Membership) -> Client:
    client = Client()
    client.force_login(member.user)
    return client


def url(world: World, name: str, *args: object) -> str:
    return reverse(f"flows:{name}", args=[world.tenant.slug, *args])


def page(world: World, name: str, *args: object, member: Membership | None = None, **query: Any) -> str:
    response = client_of(member or world.owner).get(url(world, name, *args), query)
    assert response.status_code == 200
    return response.content.decode()


def post(world: World, name: str, *args: object, member: Membership | None = None, **data: Any) -> Any:
    return client_of(member or world.owner).post(url(world, name, *args), data)


def test_the_list_says_of_each_flow_its_steps_mode_and_last_run(world):
    run = world.start()
    text = page(world, "flow-list")
    assert "Release" in text
    assert "3 steps, interactive" in text
    assert f"/flow-runs/{run.pk}/" in text
    assert "Never run" not in text


def test_a_workspace_without_flows_shows_how_to_make_the_first(world):
    services.archive_flow(tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=world.actor)
    text = page(world, "flow-list")
    assert "No flows yet" in text
    assert f"manage.py load_flow flow.yaml --workspace {world.tenant.slug}" in text
    assert "New flow" not in page(world, "flow-list", member=world.viewer)
    assert "Release" in page(world, "flow-list", archived=1)


def test_the_list_goes_on_after_the_last_name_of_a_page(world):
    for number in range(60):
        FlowFactory(tenant=world.tenant, name=f"Flow {number:02}", step_count=1)
    first = page(world, "flow-list")
    assert "Flow 49" in first
    assert "Flow 50" not in first
    assert "?after=flow+49" in first
    second = page(world, "flow-list", after="flow 49")
    assert "Flow 50" in second
    assert "Release" in second
    assert "Flow 49" not in second


def test_flows_of_other_workspaces_are_not_listed(world):
    FlowFactory(name="Theirs")
    assert "Theirs" not in page(world, "flow-list")


def test_the_list_and_a_flows_page_cost_the_same_queries_for_more_rows(
    world, django_assert_max_num_queries, django_assert_num_queries
):
    client = client_of(world.owner)

    def grow() -> None:
        for _ in range(3):
            flow = FlowFactory(tenant=world.tenant)
            FlowRunFactory(tenant=world.tenant, owner=world.owner.user, flow=flow)
            world.start()

    grow()
    counts = {}
    for name, args in (("flow-list", []), ("flow-detail", [world.flow.pk])):
        address = url(world, name, *args)
        client.get(address)
        with django_assert_max_num_queries(100) as captured:
            client.get(address)
        counts[address] = len(captured)
    grow()
    for address, count in counts.items():
        with django_assert_num_queries(count):
            client.get(address)


def test_a_flows_page_shows_what_it_does_and_its_runs(world):
    run = world.start(title="Tonight's")
    text = page(world, "flow-detail", world.flow.pk)
    for told in ("build", "test", "deploy", "Deploy it?", "Tonight", "environment", "required", "Ship"):
        assert told in text
    assert f"/flow-runs/{run.pk}/" in text


def test_a_run_is_started_from_the_form_with_its_values_and_place(world):
    plan = PlanFactory(tenant=world.tenant)
    data = {"parameter-environment": "staging", "parameter-retries": "5", "parameter-dry_run": "true"}
    response = post(world, "flow-detail", world.flow.pk, **data, run_mode="interactive", plan=str(plan.pk))
    run = FlowRun.objects.get()
    assert response.headers["Location"] == f"/w/{world.tenant.slug}/flow-runs/{run.pk}/"
    assert run.parameters == {"environment": "staging", "retries": 5, "dry_run": True}
    assert (run.plan_id, run.owner_id, run.status) == (plan.pk, world.owner.user_id, "pending")


def form_of(world: World) -> dict[str, str]:
    """What the form of the flow's page sends, as a browser without scripts does."""
    shown = page(world, "flow-detail", world.flow.pk)
    key = re.search(r'name="start_key" value="([^"]+)"', shown)
    assert key is not None
    return {"start_key": key[1], "run_mode": "interactive", "parameter-environment": "staging"}


def test_a_form_that_is_sent_twice_starts_one_run_and_leads_there_twice(world):
    form = form_of(world)
    first, second = (post(world, "flow-detail", world.flow.pk, **form) for _ in range(2))
    run = FlowRun.objects.get()
    assert first.headers["Location"] == second.headers["Location"]
    assert first.headers["Location"].endswith(f"/flow-runs/{run.pk}/")
    shown = client_of(world.owner)
    shown.post(url(world, "flow-detail", world.flow.pk), form)
    assert "This was started already" in shown.get(first.headers["Location"]).content.decode()


@pytest.mark.parametrize(
    "change",
    [{"parameter-environment": "live"}, {"run_mode": "background"}, {"start_key": ""}, "plan", "again"],
)
def test_what_is_another_start_starts_another_run(world, change):
    form = form_of(world)
    post(world, "flow-detail", world.flow.pk, **form)
    if change == "plan":
        change = {"plan": str(PlanFactory(tenant=world.tenant).pk)}
    post(world, "flow-detail", world.flow.pk, **{**form, **(form_of(world) if change == "again" else change)})
    assert FlowRun.objects.count() == 2


def test_one_form_of_two_people_starts_a_run_for_each(world):
    form = form_of(world)
    for member in (world.owner, world.teammate):
        post(world, "flow-detail", world.flow.pk, member=member, **form)
    assert FlowRun.objects.count() == 2


def test_a_form_with_an_error_keeps_its_key(world):
    form = {**form_of(world), "parameter-environment": ""}
    refused = post(world, "flow-detail", world.flow.pk, **form)
    assert refused.status_code == 422
    assert f'name="start_key" value="{form["start_key"]}"' in refused.content.decode()


@pytest.mark.parametrize("given", ["", "   "])
def test_a_required_parameter_left_empty_starts_nothing_and_is_named(world, given):
    data = {"parameter-environment": given, "run_mode": "interactive"}
    response = post(world, "flow-detail", world.flow.pk, **data)
    assert response.status_code == 422
    assert 'id="id_parameter-environment_error"' in response.content.decode()
    assert not FlowRun.objects.exists()


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"parameter-environment": "a", "parameter-retries": "many"}, "parameter-retries"),
        ({"parameter-environment": "a", "run_mode": "sometime"}, "run_mode"),
        ({"parameter-environment": "a", "plan": "7b1c7f0e-0000-4000-8000-000000000000"}, "plan"),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(world, data, field):
    response = post(world, "flow-detail", world.flow.pk, **{"run_mode": "interactive", **data})
    assert response.status_code == 422
    assert f'id="id_{field}_error"' in response.content.decode()
    assert not FlowRun.objects.exists()


def test_a_hidden_parameter_is_in_no_form_and_has_its_default(world):
    text = "\n".join(
        (
            "name: Secretive",
            "parameters: {region: {default: eu, hidden: true}}",
            "steps: [{name: a, skill: Ship}]",
        )
    )
    flow = load_flow(tenant_id=world.tenant.pk, actor=world.actor, text=text).flow
    assert "parameter-region" not in page(world, "flow-detail", flow.pk)
    post(world, "flow-detail", flow.pk, **{"run_mode": "interactive", "parameter-region": "us"})
    assert FlowRun.objects.get().parameters == {"region": "eu"}


def test_a_hidden_parameter_without_a_value_is_refused_with_what_to_do(world):
    text = "name: Keyed\nparameters: {key: {required: true, hidden: true}}\nsteps: [{name: a, skill: Ship}]\n"
    flow = load_flow(tenant_id=world.tenant.pk, actor=world.actor, text=text).flow
    refused = post(world, "flow-detail", flow.pk, run_mode="interactive")
    assert refused.status_code == 422
    assert (
        "the parameter “key” is required; no form asks for it: give it a default" in refused.content.decode()
    )
    assert not FlowRun.objects.exists()


def test_an_initiative_or_plan_of_the_address_is_chosen_in_the_form(world):
    initiative = InitiativeFactory(tenant=world.tenant)
    listed = page(world, "flow-list", initiative=str(initiative.pk))
    assert f"{url(world, 'flow-detail', world.flow.pk)}?initiative={initiative.pk}#run" in listed
    text = page(world, "flow-detail", world.flow.pk, initiative=str(initiative.pk))
    assert f'<option value="{initiative.pk}" selected>' in text


def test_viewers_see_flows_and_start_nothing(world):
    text = page(world, "flow-detail", world.flow.pk, member=world.viewer)
    assert 'id="run"' not in text
    data = {"parameter-environment": "a", "run_mode": "interactive"}
    assert post(world, "flow-detail", world.flow.pk, member=world.viewer, **data).status_code == 403
    assert not FlowRun.objects.exists()


def test_an_archived_flow_shows_no_form_and_is_restored(world):
    post(world, "flow-action", world.flow.pk, action="archive")
    text = page(world, "flow-detail", world.flow.pk)
    assert 'id="run"' not in text
    assert "Restore" in text
    post(world, "flow-action", world.flow.pk, action="restore")
    assert Flow.objects.get().archived_at is None
    actions = AuditEntry.objects.filter(object_id=world.flow.pk).values_list("action", flat=True)
    assert {"archive_flow", "restore_flow"} <= set(actions)


def test_an_action_that_there_is_none_of_is_refused(world):
    assert post(world, "flow-action", world.flow.pk, action="delete").status_code == 400


def test_the_file_of_a_flow_loads_as_the_flow(world):
    response = client_of(world.viewer).get(url(world, "flow-file", world.flow.pk))
    assert response.headers["Content-Disposition"] == 'attachment; filename="release.yaml"'
    text = response.content.decode()
    assert load_flow(tenant_id=world.tenant.pk, actor=world.actor, text=text).outcome == "unchanged"


def test_plans_and_initiatives_lead_to_the_flows_with_themselves_chosen(world):
    plan, initiative = PlanFactory(tenant=world.tenant), InitiativeFactory(tenant=world.tenant)
    for name, group in (("plan", plan), ("initiative", initiative)):
        address = reverse(f"sessions_app:{name}-detail", args=[world.tenant.slug, group.pk])
        link = f'href="{url(world, "flow-list")}?{name}={group.pk}"'
        assert link in client_of(world.owner).get(address).content.decode()
        assert link not in client_of(world.viewer).get(address).content.decode()


def test_a_flow_of_a_plan_names_it(world):
    plan = PlanFactory(tenant=world.tenant, name="Q3 cleanup")
    design = make_design(world.skill, name="Cleanup", plan_id=plan.pk)
    services.create_flow(tenant_id=world.tenant.pk, actor=world.actor, design=design)
    assert "Q3 cleanup" in page(world, "flow-list")
