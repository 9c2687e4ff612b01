"""A flow that is dumped and loaded again is the same flow, whatever stands in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agents.models import Skill
from audit.models import AuditEntry
from flows import services
from flows.design import FlowDesign, ParameterDesign, StepDesign
from flows.flow_files.loading import load_flow
from flows.flow_files.reading import read_yaml
from flows.flow_files.writing import dump_flow, write_yaml
from flows.models import CheckpointMode, Flow, RunMode
from tests.factories.agents import ProfileFactory, SkillFactory
from tests.flows.worlds import World

#: What PostgreSQL stores; braces are left to the tests of expressions.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00{}"), max_size=60)
LINES = st.lists(TEXT | st.sampled_from(["", " ", "- a", "# b", "a: b", "---", "\t", "yes", "1"])).map(
    "\n".join
)
NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
#: Floats beyond are whole numbers once the database has had them.
NUMBER = st.integers(-(2**62), 2**62) | st.floats(-1e15, 1e15)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | LINES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
VALUES = {"string": LINES, "number": NUMBER, "boolean": st.booleans()}


@st.composite
def parameters(draw: st.DrawFn) -> tuple[ParameterDesign, ...]:
    made = []
    for name in draw(st.lists(NAME, max_size=3, unique=True)):
        type_name = draw(st.sampled_from(sorted(VALUES)))
        made.append(
            ParameterDesign(
                name=name,
                type=type_name,
                required=draw(st.booleans()),
                default=draw(st.none() | VALUES[type_name]),
                hidden=draw(st.booleans()),
            )
        )
    return tuple(made)


@st.composite
def steps(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.lists(NAME, min_size=1, max_size=3, unique=True))
    made = []
    for place, name in enumerate(names):
        later = names[place + 1 :]
        on_failure = draw(
            st.sampled_from([{}, {"on_failure": "skip"}])
            | st.builds(lambda times: {"on_failure": "retry", "max_retries": times}, st.integers(1, 100))
            | (st.sampled_from([{"on_failure": "fallback", "fallback_step": n} for n in later] or [{}]))
        )
        given = draw(st.dictionaries(NAME, JSON, max_size=3))
        made.append(
            {
                "name": name,
                "parameters": {key: given[key] for key in {key.upper(): key for key in given}.values()},
                "has_checkpoint": draw(st.booleans()),
                "checkpoint_message": draw(LINES),
                "condition": draw(st.sampled_from(["", "1 == 1", 'run.title != "x: y"'])),
                "backoff_seconds": draw(st.integers(0, 3600)),
                "artifacts": tuple(draw(st.lists(NAME, max_size=2))),
                **on_failure,
            }
        )
    return made


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_yaml_that_is_written_reads_as_the_same_value(value):
    made = read_yaml(write_yaml(value)).value
    assert (type(made), made) == (type(value), value)


@pytest.mark.parametrize("number", [1e16, 1.026090410821588e302, -2.5e23, 2**70])
def test_a_large_number_is_loaded_as_the_database_will_give_it_back(world, number):
    text = (
        f"name: Large\nparameters:\n  a: {{type: number, default: {number}}}\n"
        f"steps:\n- name: a\n  skill: Ship\n  parameters: {{n: {number}}}\n"
    )
    load_flow(tenant_id=world.tenant.pk, actor=world.actor, text=text)
    assert load_flow(tenant_id=world.tenant.pk, actor=world.actor, text=text).outcome == "unchanged"


@settings(
    max_examples=25,
    deadline=None,
    # Each example takes a while: one that fails is told as it is, not made smaller.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    fields=st.fixed_dictionaries(
        {
            "description": LINES,
            "checkpoint_mode": st.sampled_from(CheckpointMode.values),
            "run_mode": st.sampled_from(RunMode.values),
            "max_turns": st.none() | st.integers(1, 2**31 - 1),
            "max_minutes": st.none() | st.integers(1, 2**31 - 1),
            "repo_path": TEXT.map(str.strip),
            "wants_review": st.booleans(),
            "parameters": parameters(),
        }
    ),
    step_fields=steps(),
    body=LINES.filter(str.strip),
    name=TEXT.map(str.strip).filter(bool),
)
def test_what_is_dumped_loads_as_what_it_was(world: World, fields, step_fields, body, name):
    skill = SkillFactory(tenant=world.tenant, runtime="shell", body=body)
    profile = ProfileFactory(tenant=world.tenant)
    design = FlowDesign(
        name=name,
        steps=tuple(
            StepDesign(skill_id=skill.pk, profile_id=profile.pk if place else None, **step)
            for place, step in enumerate(step_fields)
        ),
        **fields,
    )
    Flow.objects.filter(name__iexact=name).delete()
    made = services.create_flow(tenant_id=world.tenant.pk, actor=world.actor, design=design)
    flow = Flow.objects.get(pk=made.pk)
    stored, text, entries = services.read_design(flow), dump_flow(flow), AuditEntry.objects.count()

    again = load_flow(tenant_id=world.tenant.pk, actor=world.actor, text=text)
    assert (again.outcome, set(again.skills.values())) == ("unchanged", {"unchanged"}), text
    assert AuditEntry.objects.count() == entries

    # From the file alone, as in a workspace that has neither the flow nor its skill.
    flow.steps.all().delete()
    flow.delete()
    Skill.objects.filter(pk=skill.pk).delete()
    loaded = load_flow(tenant_id=world.tenant.pk, actor=world.actor, text=text)
    remade_skill = Skill.objects.get(name=skill.name)
    assert (loaded.outcome, remade_skill.body, remade_skill.runtime) == ("created", skill.body, skill.runtime)
    remade = services.read_design(loaded.flow)
    assert [step.parameters for step in remade.steps] == [step.parameters for step in stored.steps]
    assert dump_flow(loaded.flow) == text
