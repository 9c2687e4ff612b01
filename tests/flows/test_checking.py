"""A design is refused for what its steps refer to, at the place that is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agents.models import Skill
from agents.services import change_skill, create_skill
from flows import services
from flows.checking import WrongDesign
from flows.design import FlowDesign, ParameterDesign, StepDesign
from flows.models import Flow
from tests.factories.agents import SkillFactory
from tests.flows.worlds import World, make_design


@pytest.fixture
def design(world: World) -> FlowDesign:
    return make_design(world.skill, name="Nightly")


def refusals(world: World, design: FlowDesign) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(WrongDesign) as caught:
        services.create_flow(tenant_id=world.tenant.pk, actor=world.actor, design=design)
    assert Flow.objects.filter(name=design.name).count() == 0
    return [(problem.path, problem.text) for problem in caught.value.problems]


def with_step(design: FlowDesign, place: int, **change: Any) -> FlowDesign:
    steps = list(design.steps)
    steps[place] = replace(steps[place], **change)
    return replace(design, steps=tuple(steps))


@pytest.mark.parametrize(
    ("change", "path", "said"),
    [
        ({"condition": "params.dry"}, ("condition",), "there is no parameter “dry”"),
        ({"condition": "steps.deploy.result"}, ("condition",), "there is no earlier step “deploy”"),
        ({"condition": "steps.test.result"}, ("condition",), "there is no earlier step “test”"),
        ({"condition": "dry_run"}, ("condition",), "“dry_run” is no name"),
        ({"condition": "params.dry_run and"}, ("condition",), "it cannot be read"),
        ({"parameters": {"a": ["{{ params.x }}"]}}, ("parameters", "a", 0), "there is no parameter “x”"),
        ({"parameters": {"a": "{% if 1 %}"}}, ("parameters", "a"), "Unexpected end of template"),
        ({"checkpoint_message": "{{ params.x }}?"}, ("checkpoint_message",), "there is no parameter “x”"),
        ({"parameters": {"a-b": 1}}, ("parameters", "a-b"), "no name for a parameter"),
        ({"parameters": {"ab": 1, "aB": 2}}, ("parameters", "aB"), "would both be $PARAM_AB"),
        (
            {"on_failure": "fallback", "fallback_step": "build"},
            ("fallback_step",),
            "it falls back to “build”, which is no later step of this flow",
        ),
    ],
)
def test_a_step_that_refers_to_what_is_not_there_is_refused_where_it_does(world, design, change, path, said):
    [(where, text)] = refusals(world, with_step(design, 1, **change))
    assert where == ("steps", 1, *path)
    assert said in text


def test_a_step_may_refer_to_parameters_earlier_steps_and_the_run(world, design):
    parameters = {
        "where": "{{ params.environment }}",
        "log": "{{ steps.build.result.output|default('') }} of {{ run.title }}",
    }
    fine = with_step(design, 1, parameters=parameters, condition='steps.build.status == "completed"')
    assert services.create_flow(tenant_id=world.tenant.pk, actor=world.actor, design=fine).version == 1


def test_the_repositorys_path_knows_parameters_and_no_step(world, design):
    wrong = replace(design, repo_path="/repos/{{ steps.build.result }}/{{ params.repo }}")
    assert refusals(world, wrong) == [
        (("repo_path",), "there is no earlier step “build”"),
        (("repo_path",), "there is no parameter “repo”"),
    ]
    fine = replace(design, repo_path="/repos/{{ params.environment }}")
    services.create_flow(tenant_id=world.tenant.pk, actor=world.actor, design=fine)


def test_problems_stand_at_their_fields_and_places(world, design):
    wrong = replace(
        with_step(design, 2, name="build", artifacts=("dist/*", "../x")),
        parameters=(ParameterDesign(name="environment"), ParameterDesign(name="2", type="date")),
        max_turns=0,
    )
    assert [path for path, _ in refusals(world, wrong)] == [
        ("max_turns",),
        ("parameters", 1, "name"),
        ("parameters", 1, "type"),
        ("steps", 2, "name"),
        ("steps", 2, "artifacts", 1),
    ]


def unchecked_skill(world: World, **fields: Any) -> Skill:
    """A skill as it may stand there from before bodies were checked."""
    skill: Skill = SkillFactory(tenant=world.tenant, **fields)
    return skill


def test_a_command_with_an_expression_in_it_is_refused_with_what_to_write(world, design):
    skill = unchecked_skill(world, runtime="shell", body="deploy --to {{ params.environment }}")
    wrong = with_step(design, 0, skill_id=skill.pk)
    [(path, text)] = refusals(world, wrong)
    assert path == ("steps", 0, "skill_id")
    assert "values reach a command as $PARAM_ENVIRONMENT" in text


def test_the_braces_of_other_tools_are_none_of_ours(world, design):
    body = "docker ps --format '{{.Names}}' && echo \"${#words} {{ params }}\" || true"
    assert "$PARAM_NAME" in refusals_of_body(world, "shell", body)
    create_skill(
        tenant_id=world.tenant.pk,
        actor=world.actor,
        name="Names",
        runtime="shell",
        body=body.replace("{{ params }}", "{% raw %} {{ name }}"),
    )


def refusals_of_body(world: World, runtime: str, body: str) -> str:
    with pytest.raises(Exception, match="body") as caught:
        create_skill(tenant_id=world.tenant.pk, actor=world.actor, name="S", runtime=runtime, body=body)
    with pytest.raises(Exception, match="body"):
        change_skill(skill=world.skill, actor=world.actor, runtime=runtime, body=body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("Review\nit {{ params.diff", "line 2: it cannot be read"),
        (
            "Review {{ steps.build.result }}",
            "line 1: a prompt knows params.NAME alone: hand steps in by a parameter",
        ),
        ("\n\n{% for x in params.files %}{% endfor %}", "line 3: only {{ }} may stand here"),
        ("Look at {{ params.a }}\n\nand {{ params.b|nonsense }}", "line 3: there is no filter “nonsense”"),
        ("---\nresult: yaml\n---\nGo.", "the front matter of the skill says “result: yaml”"),
    ],
)
def test_a_prompt_that_cannot_be_filled_in_is_refused_when_it_is_written(world, body, said):
    assert said in refusals_of_body(world, "model", body)


def test_a_prompt_is_refused_at_the_design_for_a_parameter_that_the_step_does_not_give(world, design):
    skill = unchecked_skill(world, runtime="model", body="Review {{ params.diff }} for {{ params.target }}")
    step = StepDesign(name="build", skill_id=skill.pk, parameters={"target": "all"})
    wrong = replace(design, steps=(step,))
    assert refusals(world, wrong) == [
        (("steps", 0, "skill_id"), "its skill: line 1: there is no parameter “diff”")
    ]
    fine = replace(step, parameters={"target": "all", "diff": "{{ params.environment }}"})
    services.create_flow(tenant_id=world.tenant.pk, actor=world.actor, design=replace(design, steps=(fine,)))


def test_an_archived_flow_can_be_taken_up_again(world):
    services.archive_flow(tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=world.actor)
    for _ in range(2):
        flow = services.restore_flow(tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=world.actor)
    assert flow.archived_at is None
    assert world.start().flow_id == world.flow.pk


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_a_required_parameter_left_empty_starts_nothing(world, empty):
    with pytest.raises(Exception, match="“environment” is required"):
        world.start(parameters={"environment": empty})
    assert not world.flow.runs.exists()
