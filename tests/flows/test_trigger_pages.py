"""The pages of a flow's schedules: read by members, used by their owners and admins."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from flows.models import Flow, FlowRun, FlowTrigger
from tests.flows.test_triggers import fresh, schedule
from tests.flows.worlds import World
from workspace.models import Membership

ENTERED = {
    "cron": "0 9 * * 1-5",
    "time_zone": "Europe/Berlin",
    "parameter-environment": "staging",
    "parameter-retries": "5",
    "parameter-dry_run": "true",
}


def client_of(member: Membership) -> Client:
    client = Client()
    client.force_login(member.user)
    return client


def address(world: World, part: str = "") -> str:
    return f"/w/{world.tenant.slug}/flows/{world.flow.pk}/triggers/{part}"


def act(member: Membership, world: World, trigger: FlowTrigger, action: str) -> Any:
    return client_of(member).post(address(world, f"{trigger.pk}/action/"), {"action": action}, follow=True)


def test_a_schedule_is_made_from_the_form_with_values_of_their_types(world):
    answer = client_of(world.teammate).post(address(world), {**ENTERED, "skips_overlap": "on"}, follow=True)
    assert answer.redirect_chain == [(address(world), 302)]
    trigger = FlowTrigger.objects.get()
    assert (trigger.owner_id, trigger.skips_overlap) == (world.teammate.user_id, True)
    assert trigger.parameters == {"environment": "staging", "retries": 5, "dry_run": True}
    shown = answer.content.decode()
    assert "At 09:00 on Monday through Friday" in shown
    assert shown.count(", 09:00 CE") == 3


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"cron": "every day"}, "is no time that cron knows"),
        ({"time_zone": "Mars"}, "is no time zone such as"),
        ({"parameter-environment": ""}, "This field is required"),
        ({"parameter-retries": "many"}, "Enter a number"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_kept(world, wrong, problem):
    answer = client_of(world.owner).post(address(world), {**ENTERED, **wrong})
    assert answer.status_code == 422
    assert problem in answer.content.decode()
    assert not FlowTrigger.objects.exists()


def test_a_viewer_reads_and_makes_none(world):
    schedule(world)
    viewer = client_of(world.viewer)
    shown = viewer.get(address(world)).content.decode()
    assert "At 09:00 every day" in shown
    assert "<button" not in shown.partition("<main")[2].partition("</main>")[0]
    assert viewer.post(address(world), ENTERED).status_code == 403


def test_a_teammate_sees_no_controls_of_anothers_schedule(world):
    trigger = schedule(world)
    assert "Run now" not in client_of(world.teammate).get(address(world)).content.decode()
    assert act(world.teammate, world, trigger, "delete").status_code == 403


def test_an_admin_pauses_resumes_uses_and_deletes_it(world):
    trigger = schedule(world)
    act(world.admin, world, trigger, "pause")
    assert fresh(trigger).paused_at is not None
    assert "paused it" in act(world.admin, world, trigger, "pause").content.decode()
    act(world.admin, world, trigger, "resume")
    assert fresh(trigger).paused_at is None
    act(world.admin, world, trigger, "run")
    assert FlowRun.objects.get().owner_id == world.owner.user_id
    act(world.admin, world, trigger, "delete")
    assert not FlowTrigger.objects.exists()


def test_what_cannot_be_done_is_said(world):
    trigger = schedule(world)
    world.owner.delete()
    told = act(world.admin, world, trigger, "run").content.decode()
    assert "is no member any more" in told
    assert act(world.admin, world, trigger, "x").status_code == 400


def test_a_schedule_is_changed_from_its_form(world):
    trigger = schedule(world)
    page = address(world, f"{trigger.pk}/")
    shown = client_of(world.owner).get(page).content.decode()
    assert 'value="0 9 * * *"' in shown
    assert 'value="staging"' in shown
    client_of(world.owner).post(page, {**ENTERED, "cron": "0 12 * * *"})
    assert fresh(trigger).cron == "0 12 * * *"
    assert client_of(world.owner).post(page, {**ENTERED, "cron": "x"}).status_code == 422


def test_a_hidden_value_stays_when_the_form_that_does_not_show_it_is_saved(world):
    hidden = [{"name": "token_name", "type": "string", "required": False, "default": None, "hidden": True}]
    Flow.objects.filter(pk=world.flow.pk).update(parameters=world.flow.parameters + hidden)
    trigger = schedule(world, parameters={"environment": "staging", "token_name": "NIGHTLY"})
    page = address(world, f"{trigger.pk}/")
    assert "token_name" not in client_of(world.owner).get(page).content.decode()
    client_of(world.owner).post(page, {**ENTERED, "parameter-environment": "production"})
    assert fresh(trigger).parameters["token_name"] == "NIGHTLY"
    assert fresh(trigger).parameters["environment"] == "production"


def test_a_value_that_the_flow_does_not_take_any_more_is_gone_once_the_form_is_saved(world):
    trigger = schedule(world)
    FlowTrigger.objects.filter(pk=trigger.pk).update(parameters={"stage": "x"})
    client_of(world.owner).post(address(world, f"{trigger.pk}/"), ENTERED)
    assert fresh(trigger).parameters == {"environment": "staging", "retries": 5, "dry_run": True}


def test_ten_schedules_cost_what_one_does(world, django_assert_max_num_queries):
    client, costs = client_of(world.owner), []
    for _ in range(2):
        for _ in range(5):
            schedule(world)
        with django_assert_max_num_queries(30) as asked:
            client.get(address(world))
        costs.append(len(asked))
    assert costs[0] == costs[1]
