"""A flow is made in the browser and run from its form, with scripts and without."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from agents.models import Skill
from flows.models import Flow, FlowRun
from tests.browser.visits import PHONE, overflow, violations
from tests.factories.agents import SkillFactory
from tests.factories.workspace import MembershipFactory
from workspace.models import Membership

LONG = "averylongwordwithoutanyplacetobreak" * 6
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def member() -> Membership:
    made: Membership = MembershipFactory(admin=True)
    SkillFactory(tenant=made.tenant, name="Build", runtime="shell", body="make")
    return made


def open_list(open_page: Callable[..., Page], member: Membership, *, scripts: bool) -> Page:
    page = open_page(member.user, java_script_enabled=scripts)
    page.goto(reverse("flows:flow-list", args=[member.tenant.slug]))
    return page


@pytest.mark.parametrize("scripts", [True, False])
def test_a_flow_is_made_by_the_page_and_run_from_its_form(
    open_page: Callable[..., Page], member: Membership, scripts: bool
):
    page = open_list(open_page, member, scripts=scripts)
    page.get_by_role("link", name="New flow").first.click()
    page.locator("#id_name").fill("Nightly build")
    page.locator("#id_steps-0-name").fill("build")
    page.locator("#id_steps-0-skill_id").select_option(label="Build")
    page.locator("#id_steps-0-parameters").fill("target: {{ params.target }}")
    page.get_by_role("button", name="Add a parameter").click()
    page.locator("#id_parameters-0-name").fill("target")
    page.locator("#id_parameters-0-required").check()
    page.get_by_role("button", name="Add a step").click()
    page.locator("#id_steps-1-name").fill("publish")
    page.locator("#id_steps-1-skill_id").select_option(label="Build")
    page.get_by_role("button", name="Move step 2 up").click()
    expect(page.locator("#id_steps-0-name")).to_have_value("publish")
    expect(page.locator("#id_steps-1-parameters")).to_have_value("target: {{ params.target }}")
    page.locator("#id_steps-0-condition").fill("steps.build.result")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#id_steps-0-condition_error")).to_contain_text("no earlier step “build”")
    page.locator("#id_steps-0-condition").fill("")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nightly build")
    assert [step.name for step in Flow.objects.get().steps.order_by("position")] == ["publish", "build"]

    page.wait_for_load_state()  # a double click is told from two once the page's scripts have run
    page.locator("#id_parameter-target").fill("all")
    sent: list[str] = []
    page.on("request", lambda request: request.method == "POST" and sent.append(request.url))
    page.get_by_role("button", name="Run", exact=True).click(click_count=2 if scripts else 1, delay=60)
    expect(page).to_have_url(re.compile("/flow-runs/"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Nightly build")
    assert len(sent) == 1
    assert FlowRun.objects.get().parameters == {"target": "all"}


def test_a_form_of_a_flow_that_was_refused_is_fine(open_page: Callable[..., Page], member: Membership):
    page = open_list(open_page, member, scripts=True)
    page.get_by_role("link", name="New flow").first.click()
    page.get_by_role("button", name="Add a parameter").click()
    page.locator("#id_parameters-0-name").fill("target")
    page.locator("#id_name").fill("Nightly build")
    page.locator("#id_steps-0-name").fill("no spaces " + "verylong" * 9)
    page.locator("#id_steps-0-skill_id").select_option(label="Build")
    page.locator("#id_steps-0-parameters").fill("target: [{{ params.other }}")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing is saved yet")
    assert violations(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert overflow(page) == 0


def test_a_skill_is_made_refused_by_its_line_changed_and_deleted(
    open_page: Callable[..., Page], member: Membership
):
    page = open_list(open_page, member, scripts=True)
    page.get_by_role("link", name="Skills", exact=True).click()
    page.get_by_role("link", name="New skill").first.click()
    page.get_by_label("Name").fill("Review")
    page.get_by_label("Runtime").select_option(label="Model")
    page.locator("#id_body").fill("Look at it.\n\n{{ params.what" + LONG)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#id_body_error")).to_contain_text("line 3: it cannot be read")
    expect(page.locator("#id_body")).to_have_value("Look at it.\n\n{{ params.what" + LONG)
    assert violations(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert overflow(page) == 0
    page.locator("#id_body").fill("Look at {{ params.what }}.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Review")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Description").fill("Reads a change.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Messages")).to_contain_text("Saved as version 2.")
    page.locator("summary", has_text="Delete").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_label("Messages")).to_contain_text("“Review” is deleted")
    assert [skill.name for skill in Skill.objects.all()] == ["Build"]
