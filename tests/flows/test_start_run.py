"""A run starts with values that its flow takes, on a snapshot of the flow."""

from __future__ import annotations

import threading
import uuid

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from audit.models import Transcript
from flows import services
from flows.models import Flow, FlowRun, RunStatus, StepRun
from sessions_app.kinds import Origin
from tests.factories.workspace import InitiativeFactory, PlanFactory, UserFactory
from tests.flows.worlds import World, audit_of, lines_of, steps_of
from workspace.models import Initiative, Membership, Plan
from workspace.services import set_secret


def test_a_run_starts_pending_at_its_first_step(world):
    run = world.start()
    run.refresh_from_db()
    assert (run.status, run.step_position, run.step_count) == (RunStatus.PENDING, 1, 3)
    assert (run.changed_at, run.started_at, run.version) == (world.now, None, 1)
    assert steps_of(run) == [(1, 1, "pending"), (2, 1, "pending"), (3, 1, "pending")]
    assert [item["label"] for item in run.evidence] == ["Rule", "Last event", "Set by"]


def test_the_snapshot_holds_all_that_a_step_needs(world):
    step = world.start().snapshot["steps"][2]
    assert step["skill"] == {
        "id": str(world.skill.pk),
        "name": "Ship",
        "runtime": "shell",
        "body": "make ship",
    }
    assert (step["position"], step["has_checkpoint"], step["checkpoint_message"]) == (3, True, "Deploy it?")


def test_a_start_is_on_record_and_opens_the_transcript(world):
    run = world.start(repo="acme/api", origin=Origin.CLI)
    (entry,) = audit_of(run)
    assert (entry.action, entry.actor_id, entry.changes) == (
        "start_run",
        world.owner.user_id,
        {"status": [None, "pending"]},
    )
    (line,) = lines_of(run)
    assert (line.seq, line.kind, line.occurred_at) == (entry.entry_seq, "status", run.changed_at)
    transcript = Transcript.objects.get(session_id=run.pk)
    assert (transcript.origin, transcript.repo) == ("cli", "acme/api")


def test_values_are_those_given_and_the_defaults_of_the_others(world):
    run = world.start(parameters={"environment": "production", "dry_run": False})
    assert run.parameters == {"environment": "production", "retries": 3, "dry_run": False}


@pytest.mark.parametrize(
    ("given", "parameter", "said"),
    [
        ({}, "environment", "the parameter “environment” is required"),
        ({"environment": None}, "environment", "the parameter “environment” is required"),
        (
            {"environment": "x", "colour": "red"},
            "colour",
            "there is no parameter “colour”; this flow takes environment, retries, dry_run",
        ),
        ({"environment": 7}, "environment", "the parameter “environment” must be text"),
        ({"environment": "x", "retries": "3"}, "retries", "the parameter “retries” must be a number"),
        ({"environment": "x", "retries": True}, "retries", "the parameter “retries” must be a number"),
        (
            {"environment": "x", "retries": float("nan")},
            "retries",
            "the parameter “retries” must be a number",
        ),
        ({"environment": "x", "dry_run": 0}, "dry_run", "the parameter “dry_run” must be true or false"),
        ({"environment": "x", "dry_run": "no"}, "dry_run", "the parameter “dry_run” must be true or false"),
    ],
)
def test_a_value_that_the_flow_does_not_take_is_refused_by_name(world, given, parameter, said):
    with pytest.raises(ValidationError) as caught:
        world.start(parameters=given)
    assert caught.value.message_dict == {parameter: [said]}
    assert not FlowRun.objects.exists()
    assert not StepRun.objects.exists()


def test_title_plan_and_initiative_are_the_flows_unless_given(world):
    plan = PlanFactory(tenant=world.tenant, under_initiative=True)
    Flow.objects.filter(pk=world.flow.pk).update(plan=plan)
    run = world.start()
    assert (run.title, run.plan_id, run.initiative_id) == ("Release", plan.pk, None)
    other = InitiativeFactory(tenant=world.tenant)
    run = world.start(title="Release 2.4\nto all", placement=world.place(initiative_id=other.pk))
    assert (run.title, run.plan_id, run.initiative_id) == ("Release 2.4 to all", None, other.pk)


@pytest.mark.parametrize(
    ("model", "field", "factory"),
    [
        (Initiative, "initiative_id", InitiativeFactory),
        (Plan, "plan_id", PlanFactory),
        (Membership, "owner_id", UserFactory),
    ],
)
def test_a_placement_in_another_workspace_is_not_found(world, model, field, factory):
    with pytest.raises(model.DoesNotExist):
        world.start(placement=world.place(**{field: factory().pk}))
    assert not FlowRun.objects.exists()


@pytest.mark.parametrize("foreign", [True, False])
def test_a_flow_that_is_not_the_workspaces_is_not_found(world, foreign):
    with pytest.raises(Flow.DoesNotExist):
        world.start(flow_id=World().flow.pk if foreign else uuid.uuid4())


@pytest.mark.parametrize("field", ["origin", "run_mode"])
def test_an_origin_or_a_mode_that_there_is_none_of_is_refused_by_its_name(world, field):
    with pytest.raises(ValidationError) as refused:
        world.start(**{field: "nonsense"})
    assert list(refused.value.message_dict) == [field]
    assert not FlowRun.objects.exists()


def test_the_approvers_of_the_flow_go_with_the_run(world):
    world.name_approver(world.admin)
    assert world.start().approver_ids == [world.admin.user_id]


def test_a_credential_in_title_repo_or_value_is_kept_by_its_name(world):
    value = "-".join(["correct", "horse", "battery"])
    set_secret(tenant_id=world.tenant.pk, name="DEPLOY_KEY", value=value, actor=world.actor)
    run = world.start(title=f"Use {value}", repo=f"https://{value}@host/x", parameters={"environment": value})
    run.refresh_from_db()
    assert (run.title, run.repo) == ("Use [DEPLOY_KEY]", "https://[DEPLOY_KEY]@host/x")
    assert run.parameters["environment"] == "[DEPLOY_KEY]"
    assert value not in str(lines_of(run)[0].data)


@pytest.mark.django_db(transaction=True)
def test_two_starts_at_once_with_one_key_are_one_run():
    world = World()
    barrier, started = threading.Barrier(2), []

    def start() -> None:
        try:
            barrier.wait()
            started.append(world.start(key="one press", now=None).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 2
    assert set(started) == {FlowRun.objects.get().pk}


def test_a_key_leads_to_its_run_also_once_the_flow_is_another_or_put_away(world):
    first = world.start(key="one press")
    world.name_approver(world.teammate)
    assert world.start(key="one press").pk == first.pk
    services.archive_flow(tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=world.actor)
    assert world.start(key="one press").pk == first.pk
    assert len(lines_of(first)) == len(audit_of(first)) == 1


def test_the_id_of_a_named_start_is_one_like_all_others_with_the_time_of_its_key(world):
    timed = world.start(key="01932c07-209c-7fff-bfff-ffffffffffff").pk
    named = world.start(key="one press").pk
    assert [(run_id.version, run_id.variant) for run_id in (timed, named)] == [(7, uuid.RFC_4122)] * 2
    assert str(timed).startswith("01932c07-209c-7")
