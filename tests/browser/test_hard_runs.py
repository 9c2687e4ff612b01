"""Runs whose names and values are hard to draw: nothing stands beside the screen, whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from audit.entries import EntryKind, NewEntry
from audit.services import append_entries
from flows import services
from flows.design import FlowDesign, ParameterDesign, StepDesign
from flows.models import FlowRun, RunStatus
from tests.browser.test_pages import FINE, look_at
from tests.browser.visits import WIDE
from tests.factories.agents import SkillFactory
from tests.flows.worlds import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

WORD = "averylongwordwithoutanyplacetobreak"
#: Right to left, with an override that nobody closes, marks that pile up, and pictures of several characters.
ODD = "שלום עולם, العربية \u202egnp.exe Z\u0351\u036b\u0343\u036aa\u0300\u0301 👩🏽‍💻 漢字かな交じり\u200b"
STEPS = tuple(f"{letter}{WORD * 3}"[:100] for letter in "abc")


def make_world() -> World:
    world = World()
    skill = SkillFactory(tenant=world.tenant, name=f"{ODD}{WORD * 3}"[:100], body=f"echo {WORD * 6}")
    name = f"p{WORD * 3}"[:100]
    steps = tuple(
        StepDesign(
            name=step,
            skill_id=skill.pk,
            parameters={name: f"{{{{ params.{name} }}}}", "odd": [ODD, {ODD: WORD * 5}], "none": ""},
            has_checkpoint=step == STEPS[2],
            checkpoint_message=f"{ODD} {WORD * 6}" if step == STEPS[2] else "",
        )
        for step in STEPS
    )
    design = FlowDesign(
        name=f"{ODD}{WORD * 6}"[:200],
        description=f"{ODD} {WORD * 9}",
        steps=steps,
        parameters=(ParameterDesign(name=name, required=True),),
    )
    world.flow = services.create_flow(tenant_id=world.tenant.pk, actor=world.actor, design=design)
    return world


def start(world: World, status: str) -> FlowRun:
    """A run in this status; its first step has nothing as its result, the second one too much."""
    [parameter] = services.read_design(world.flow).parameters
    run = world.start(parameters={parameter.name: f"{ODD} {WORD * 40}"}, title=f"{ODD}{WORD * 8}"[:300])
    world.call(services.begin_run, run)
    for result in ({}, {ODD: WORD * 20, "odd": [ODD, None, ""]}):
        world.call(services.start_step, run, arguments={"odd": [ODD, WORD * 20], "none": ""})
        said = [
            NewEntry(kind=EntryKind.MESSAGE, native_id=f"m{len(result)}", role="assistant", text=text)
            for text in (f"{ODD}\n\n{WORD * 20}",)
        ]
        append_entries(tenant_id=world.tenant.pk, session=("flow_run", run.pk), entries=said)
        world.call(services.finish_step, run, result=result)
    if status == RunStatus.PAUSED:
        world.call(
            services.pause_at_checkpoint, run, arguments={"odd": [ODD, WORD * 20], "none": "", ODD: ODD}
        )
    else:
        world.call(services.start_step, run, arguments={})
        world.call(services.fail_step, run, error=f"{WORD * 20}\n{ODD}")
    return FlowRun.objects.get(pk=run.pk)


@pytest.mark.parametrize("place", ["run", "failed run", "list", "panel", "peek", "edit", "several", "flow"])
def test_what_is_hard_to_draw_stays_on_the_screen(open_page: Callable[..., Page], place: str) -> None:
    world = make_world()
    paused, failed = start(world, RunStatus.PAUSED), start(world, RunStatus.FAILED)
    slug = world.tenant.slug
    keys = {"s": [f"flow_run:{run.pk}" for run in (paused, failed)]}
    address = {
        "run": reverse("flows:run-detail", args=[slug, paused.pk]),
        "failed run": reverse("flows:run-detail", args=[slug, failed.pk]),
        "list": reverse("sessions_app:session-list", args=[slug]),
        "panel": reverse("sessions_app:session-list", args=[slug]),
        "peek": reverse("sessions_app:session-peek", args=[slug, "flow_run", paused.pk]),
        "edit": reverse("flows:checkpoint-edit", args=[slug, paused.pk]),
        "several": reverse("sessions_app:session-bulk", args=[slug]) + "?" + urlencode(keys, doseq=True),
        "flow": reverse("flows:flow-detail", args=[slug, world.flow.pk]),
    }[place]
    page = open_page(world.owner.user, viewport=WIDE, color_scheme="light")
    page.goto(address)
    if place == "panel":
        page.locator("#center-button").click()
        page.locator(f"[data-section=needs] [data-session='flow_run:{paused.pk}'] .row-peek").click()
        expect(page.locator("#center .peek")).to_be_visible()
    assert look_at(page) == FINE
