"""Flows are made and changed whole: what is wrong is said by field, and each change is a version."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from django.core.exceptions import ValidationError

from audit.models import AuditEntry
from flows import services
from flows.design import FlowDesign, ParameterDesign, StepDesign
from flows.models import Flow, FlowScope
from sessions_app.kinds import StaleVersion
from tests.factories.agents import ProfileFactory, SkillFactory
from tests.factories.workspace import InitiativeFactory, MembershipFactory, PlanFactory
from tests.flows.worlds import World, make_design
from workspace.services import set_secret


@pytest.fixture
def design(world: World) -> FlowDesign:
    return make_design(world.skill, name="Nightly")


def create(world: World, design: FlowDesign) -> Flow:
    return services.create_flow(tenant_id=world.tenant.pk, actor=world.actor, design=design)


def update(world: World, flow: Flow, design: FlowDesign, **given: object) -> Flow:
    return services.update_flow(
        tenant_id=world.tenant.pk, flow_id=flow.pk, actor=world.actor, design=design, **given
    )


def problems_of(world: World, design: FlowDesign) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        create(world, design)
    return caught.value.message_dict


def test_a_flow_reads_back_as_the_design_that_it_was_made_from(world, design):
    profile = ProfileFactory(tenant=world.tenant)
    steps = (
        replace(design.steps[0], profile_id=profile.pk, on_failure="retry", max_retries=2),
        replace(design.steps[1], on_failure="fallback", fallback_step="deploy", condition="params.dry_run"),
        design.steps[2],
    )
    design = replace(
        design,
        description="Every night.",
        steps=steps,
        plan_id=PlanFactory(tenant=world.tenant).pk,
        checkpoint_mode="all",
        run_mode="background",
        max_turns=50,
        max_minutes=90,
        approver_ids=frozenset({world.admin.user_id}),
    )
    flow = create(world, design)
    assert services.read_design(Flow.objects.get(pk=flow.pk)) == design
    assert [step.position for step in flow.steps.all()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("owner", "scope"),
    [(None, FlowScope.GLOBAL), ("initiative", FlowScope.INITIATIVE), ("plan", FlowScope.PLAN)],
)
def test_a_flow_belongs_to_the_workspace_to_an_initiative_or_to_a_plan(world, design, owner, scope):
    ids = {
        "initiative": {"initiative_id": InitiativeFactory(tenant=world.tenant).pk},
        "plan": {"plan_id": PlanFactory(tenant=world.tenant).pk},
    }
    assert create(world, replace(design, **ids.get(owner, {}))).scope == scope


@pytest.mark.parametrize(
    ("field", "change", "said"),
    [
        ("name", {"name": " "}, "needs a name"),
        ("name", {"name": "release"}, "already"),
        ("plan", {"plan_id": uuid.uuid4(), "initiative_id": uuid.uuid4()}, "not to both"),
        ("plan", {"plan_id": uuid.uuid4()}, "not there"),
        ("initiative", {"initiative_id": uuid.uuid4()}, "not there"),
        ("approvers", {"approver_ids": frozenset({uuid.uuid4()})}, "member of this workspace"),
        ("checkpoint_mode", {"checkpoint_mode": "some"}, "none of template, all, none"),
        ("run_mode", {"run_mode": "fast"}, "none of interactive, background"),
        ("max_turns", {"max_turns": 0}, "at least 1"),
        ("max_minutes", {"max_minutes": -1}, "at least 1"),
        ("steps", {"steps": ()}, "1 to 200 steps, not 0"),
    ],
)
def test_a_flow_that_does_not_hold_is_refused_by_field(world, design, field, change, said):
    problems = problems_of(world, replace(design, **change))
    assert said in problems[field][0]
    assert Flow.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "no spaces"}, "step 2 “no spaces”: a step's name"),
        ({"name": "build"}, "two steps are called “build”"),
        ({"on_failure": "shrug"}, "none of stop, skip, fallback, retry"),
        ({"on_failure": "fallback", "fallback_step": "roll-back"}, "no later step of this flow"),
        ({"on_failure": "fallback", "fallback_step": "test"}, "no later step of this flow"),
        ({"fallback_step": "deploy"}, "does not fall back"),
        ({"on_failure": "retry"}, "needs 1 to 100 retries"),
        ({"max_retries": 2}, "not retried on failure"),
        ({"condition": "x" * 501}, "at most 500"),
        ({"skill_id": uuid.uuid4()}, "a skill that is not there"),
        ({"profile_id": uuid.uuid4()}, "a profile that is not there"),
    ],
)
def test_a_step_that_does_not_hold_is_refused_by_position_and_name(world, design, change, said):
    build, test, deploy = design.steps
    problems = problems_of(world, replace(design, steps=(build, replace(test, **change), deploy)))
    assert said in " ".join(problems["steps"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "2nd"}, "no name for a parameter"),
        ({"name": "environment"}, "two parameters are called “environment”"),
        ({"type": "date"}, "none of string, number, boolean"),
        ({"type": "number", "default": "3"}, "must be a number"),
        ({"type": "number", "default": True}, "must be a number"),
        ({"type": "boolean", "default": 1}, "must be true or false"),
        ({"type": "string", "default": 1}, "must be text"),
    ],
)
def test_a_parameter_that_does_not_hold_is_refused_by_name(world, design, change, said):
    extra = replace(ParameterDesign(name="region"), **change)
    problems = problems_of(world, replace(design, parameters=(*design.parameters, extra)))
    assert said in problems["parameters"][0]


def test_everything_that_is_wrong_is_said_at_once(world, design):
    problems = problems_of(world, replace(design, name="", steps=(), max_turns=0))
    assert sorted(problems) == ["max_turns", "name", "steps"]


def test_skills_profiles_and_approvers_of_another_workspace_are_strangers(world, design):
    foreign = SkillFactory()
    assert (
        "skill"
        in problems_of(world, replace(design, steps=(StepDesign(name="a", skill_id=foreign.pk),)))["steps"][0]
    )
    stranger = MembershipFactory()
    for member in (stranger, world.viewer):
        change = replace(design, approver_ids=frozenset({member.user_id}))
        assert "approvers" in problems_of(world, change)


def test_a_change_is_the_next_version_and_on_record_with_before_and_after(world):
    design = services.read_design(world.flow)
    flow = update(world, world.flow, replace(design, description="Ship it.", steps=design.steps[:2]))
    assert (flow.version, flow.steps.count()) == (2, 2)
    entry = AuditEntry.objects.get(action="update_flow")
    assert entry.actor_id == world.owner.user_id
    assert entry.changes["version"] == [1, 2]
    assert entry.changes["description"] == ["", "Ship it."]
    assert [len(steps) for steps in entry.changes["steps"]] == [3, 2]
    assert sorted(entry.changes) == ["description", "steps", "version"]


def test_a_change_that_changes_nothing_is_no_version(world):
    flow = update(world, world.flow, services.read_design(world.flow))
    assert flow.version == 1
    assert not AuditEntry.objects.filter(action="update_flow").exists()


def test_a_change_of_a_version_that_is_not_the_newest_is_refused(world):
    design = services.read_design(world.flow)
    update(world, world.flow, replace(design, description="First."), seen_version=1)
    with pytest.raises(StaleVersion, match="version 1, now 2"):
        update(world, world.flow, replace(design, description="Second."), seen_version=1)
    assert Flow.objects.get(pk=world.flow.pk).description == "First."


def test_a_run_keeps_the_version_that_it_started_with(world):
    run = world.start()
    design = services.read_design(world.flow)
    update(world, world.flow, replace(design, steps=design.steps[:1]))
    run.refresh_from_db()
    assert (run.flow_version, run.step_count) == (1, 3)
    assert [step["name"] for step in run.snapshot["steps"]] == ["build", "test", "deploy"]
    assert world.start().step_count == 1


def test_a_credential_in_a_design_is_kept_by_its_name(world, design):
    value = "-".join(["correct", "horse", "battery"])
    set_secret(tenant_id=world.tenant.pk, name="DEPLOY_KEY", value=value, actor=world.actor)
    build = replace(design.steps[0], parameters={"auth": {"key": value}}, checkpoint_message=f"Use {value}?")
    flow = create(world, replace(design, steps=(build,), description=f"with {value}"))
    step = flow.steps.get()
    assert flow.description == "with [DEPLOY_KEY]"
    assert step.parameters == {"auth": {"key": "[DEPLOY_KEY]"}}
    assert step.checkpoint_message == "Use [DEPLOY_KEY]?"


def test_a_credential_in_a_condition_is_kept_by_its_name_and_one_in_a_steps_name_is_refused(world, design):
    value = "-".join(["correct", "horse", "battery"])
    set_secret(tenant_id=world.tenant.pk, name="DEPLOY_KEY", value=value, actor=world.actor)
    guarded = replace(design.steps[0], condition=f"params.environment == '{value}'")
    flow = create(world, replace(design, steps=(guarded,)))
    assert flow.steps.get().condition == "params.environment == '[DEPLOY_KEY]'"
    named = replace(design, name="Other", steps=(replace(design.steps[0], name=value),))
    assert "a step's name is" in problems_of(world, named)["steps"][0]


def test_a_name_is_measured_after_its_redaction(world, design):
    value = uuid.uuid4().hex[:12]
    set_secret(tenant_id=world.tenant.pk, name="K" * 90, value=value, actor=world.actor)
    assert "200 characters" in problems_of(world, replace(design, name=" ".join([value] * 3)))["name"][0]


def test_an_archived_flow_starts_no_run(world):
    for _ in range(2):
        services.archive_flow(tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=world.actor)
    assert AuditEntry.objects.filter(action="archive_flow").count() == 1
    with pytest.raises(ValidationError, match="archived"):
        world.start()


def test_a_stranger_finds_no_flow_to_change(world, design):
    foreign = World()
    with pytest.raises(Flow.DoesNotExist):
        update(world, foreign.flow, design)
    with pytest.raises(Flow.DoesNotExist):
        services.archive_flow(tenant_id=world.tenant.pk, flow_id=foreign.flow.pk, actor=world.actor)
