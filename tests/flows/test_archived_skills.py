"""What is archived is given to no further step; steps that have it keep it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.services import archive_definition, restore_definition
from flows import services
from flows.checking import WrongDesign
from flows.design_forms import DesignForm
from flows.flow_files.loading import load_flow
from flows.flow_files.reading import WrongFile
from flows.flow_files.writing import dump_flow
from flows.models import Flow
from tests.factories.agents import ProfileFactory
from tests.flows.worlds import make_design
from workspace.actors import SYSTEM


@pytest.fixture
def profile(world):
    return ProfileFactory(tenant=world.tenant, name="Builder")


def test_a_new_flow_names_nothing_archived(world, profile):
    design = make_design(world.skill, name="Another")
    steps = (design.steps[0], replace(design.steps[1], profile_id=profile.pk))
    design = replace(design, steps=steps)
    for row in (world.skill, profile):
        archive_definition(row=row, actor=SYSTEM)
    with pytest.raises(WrongDesign) as caught:
        services.create_flow(tenant_id=world.tenant.pk, actor=world.actor, design=design)
    assert [(problem.path, problem.text) for problem in caught.value.problems] == [
        (("steps", 0, "skill_id"), "“Ship” is archived: restore it, or take another"),
        (("steps", 1, "skill_id"), "“Ship” is archived: restore it, or take another"),
        (("steps", 1, "profile_id"), "“Builder” is archived: restore it, or take another"),
    ]
    for row in (world.skill, profile):
        restore_definition(row=row, actor=SYSTEM)
    services.create_flow(tenant_id=world.tenant.pk, actor=world.actor, design=design)


def test_a_flow_that_has_it_is_changed_run_and_taken_as_a_file(world):
    archive_definition(row=world.skill, actor=SYSTEM)
    design = replace(services.read_design(world.flow), description="As before")
    flow = services.update_flow(
        tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=world.actor, design=design
    )
    assert world.start().flow_version == flow.version == 2
    loaded = load_flow(tenant_id=world.tenant.pk, actor=world.actor, text=dump_flow(flow))
    assert loaded.outcome == "unchanged"


def test_a_file_of_a_new_flow_is_refused_at_the_line_of_the_step(world):
    archive_definition(row=world.skill, actor=SYSTEM)
    with pytest.raises(WrongFile) as caught:
        load_flow(
            tenant_id=world.tenant.pk, actor=world.actor, text="name: New\nsteps:\n- name: a\n  skill: Ship\n"
        )
    [problem] = caught.value.problems
    assert str(problem) == "4: steps[0].skill: “Ship” is archived: restore it, or take another"
    assert Flow.objects.count() == 1


def test_the_form_of_a_flow_offers_what_is_archived_only_where_the_flow_has_it(world, profile):
    archive_definition(row=world.skill, actor=SYSTEM)
    archive_definition(row=profile, actor=SYSTEM)
    assert DesignForm(world.tenant.pk).skills == []
    form = DesignForm.of_design(world.flow, services.read_design(world.flow))
    assert form.skills == [(str(world.skill.pk), "Ship (archived)")]
    assert form.profiles == []
    assert form.rearranged("add-steps").skills == form.skills
