"""A run that is truly worked on: it asks, is answered in place, and finishes before one's eyes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from flows import services
from flows.design import FlowDesign, StepDesign
from flows.models import FlowRun
from tests.browser.server import run_server
from tests.browser.visits import Visits
from tests.config.processes import eventually
from tests.factories.agents import SkillFactory
from tests.factories.workspace import MembershipFactory
from tests.intake.workers import forget_jobs, run_worker
from workspace.actors import Actor
from workspace.models import Membership
from workspace.placement import Placement

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

MAKE = "echo one > made.txt; echo made by $PARAM_WHO"
CHANGE = "cat made.txt; echo two >> made.txt; echo changed"


@pytest.fixture
def people(
    chromium: Browser, transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Visits]:
    """Browsers on the product with a worker on the queue of runs."""
    monkeypatch.setenv("WORK_DIR", str(tmp_path / "work"))
    forget_jobs()
    with run_server(tmp_path / "log") as address, run_worker(tmp_path / "worker.log", queues="runs"):
        made = Visits(chromium, address)
        yield made
        made.close()
        assert made.problems == []
    forget_jobs()


def start(member: Membership) -> FlowRun:
    """A run of two steps that asks before the second, which changes what the first has made."""
    tenant, actor = member.tenant, Actor.member(member.user)
    steps = (
        StepDesign(
            name="make",
            skill_id=SkillFactory(tenant=tenant, name="Make", body=MAKE).pk,
            parameters={"who": "a shell"},
        ),
        StepDesign(
            name="change",
            skill_id=SkillFactory(tenant=tenant, name="Change", body=CHANGE).pk,
            has_checkpoint=True,
            checkpoint_message="Shall it be changed?",
            artifacts=("made.txt",),
        ),
    )
    flow = services.create_flow(
        tenant_id=tenant.pk, actor=actor, design=FlowDesign(name="Make and change", steps=steps)
    )
    placement = Placement(owner_id=member.user_id)
    return services.start_run(tenant_id=tenant.pk, flow_id=flow.pk, placement=placement, actor=actor)


def test_what_is_approved_in_the_command_center_is_done_and_seen_to_finish(people: Visits) -> None:
    member = MembershipFactory()
    page = people.open(f"/w/{member.tenant.slug}/sessions/", member.user)
    page.locator("#center-button").click()
    expect(page.locator("#live")).to_have_text("Live")
    run = start(member)
    card = page.locator(f"[data-section=needs] [data-session='flow_run:{run.pk}']")
    expect(card).to_contain_text("Shall it be changed?")
    card.locator(".row-peek").click()
    peek = page.locator("#center .peek")
    expect(peek).to_contain_text("+one")
    peek.get_by_role("button", name="Approve", exact=True).click()
    page.mouse.move(5, 5)  # no card moves from under the pointer
    done = page.locator(f"[data-section=recent] [data-session='flow_run:{run.pk}']")
    expect(done.locator(".status")).to_contain_text("Completed")
    done.locator(".row-title").click()
    expect(page.locator("#step-2 .status").first).to_have_text("Completed")
    expect(page.locator("#artifacts")).to_contain_text("made.txt")
    expect(page.locator("#receipts")).to_contain_text("Approved")
    expect(page.locator("#transcript")).to_contain_text("made by a shell")
    page.locator("#artifacts").get_by_role("link", name="Preview").click()
    expect(page.locator("pre.block")).to_have_text("one\ntwo\n")


def test_a_run_that_is_cancelled_on_its_page_ends_with_its_command(people: Visits, tmp_path: Path) -> None:
    member = MembershipFactory()
    tenant, actor = member.tenant, Actor.member(member.user)
    mark = tmp_path / "at-work"
    body = f"echo at work > {mark}; echo begun; sleep 600; echo never > {mark}"
    skill = SkillFactory(tenant=tenant, name="Hang", body=body)
    design = FlowDesign(name="Hang", steps=(StepDesign(name="hang", skill_id=skill.pk),))
    flow = services.create_flow(tenant_id=tenant.pk, actor=actor, design=design)
    placement = Placement(owner_id=member.user_id)
    run = services.start_run(tenant_id=tenant.pk, flow_id=flow.pk, placement=placement, actor=actor)
    page = people.open(f"/w/{tenant.slug}/flow-runs/{run.pk}/", member.user)
    expect(page.locator("#step-1 .step-output")).to_contain_text("begun")
    page.locator("#act-cancel > summary").click()
    page.locator("#act-cancel").get_by_role("button", name="Cancel run").click()
    expect(page.locator(".record-head .status").first).to_contain_text("Cancelled")
    expect(page.locator("#step-1 .status").first).to_have_text("Cancelled")
    assert eventually(lambda: FlowRun.objects.get(pk=run.pk).lease_holder == "")
    assert mark.read_text() == "at work\n"
