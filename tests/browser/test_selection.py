"""Sessions of the list are selected by mouse, keys and without scripts, and decided at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from audit.models import DecisionReceipt
from config.demo.stage import SLUG
from flows import services
from flows.models import FlowRun, RunStatus
from tests.browser.visits import PHONE, Visits, overflow, violations
from tests.config.processes import eventually
from tests.factories.flows import FlowFactory
from workspace.actors import Actor
from workspace.models import Tenant, User
from workspace.placement import Placement

pytestmark = pytest.mark.browser

LIST = f"/w/{SLUG}/sessions/"


@pytest.fixture
def runs(demo: Tenant, owner: User) -> Iterator[list[FlowRun]]:
    """Three runs of the owner's at a checkpoint, the newest sessions of the list.

    They are over with the test: were the live ones of all tests to add up, those that have just ended would
    not be on the list's first page.
    """
    call: dict[str, Any] = {"tenant_id": demo.pk, "actor": Actor.member(owner)}
    flow = FlowFactory(tenant=demo)
    made = []
    for target in ("docs", "site", "app"):
        run = services.start_run(flow_id=flow.pk, placement=Placement(owner_id=owner.pk), **call)
        services.begin_run(run_id=run.pk, **call)
        made.append(services.pause_at_checkpoint(run_id=run.pk, arguments={"target": target}, **call))
    yield made
    for run in FlowRun.objects.filter(pk__in=[run.pk for run in made], finished_at=None):
        services.cancel_run(run_id=run.pk, **call)


@pytest.fixture
def page(visits: Visits, owner: User, runs: list[FlowRun]) -> Page:
    return visits.open(LIST, owner)


def row(page: Page, run: FlowRun) -> Locator:
    return page.locator(f"#results .row[data-session='flow_run:{run.pk}']")


def box(page: Page, run: FlowRun) -> Locator:
    return row(page, run).get_by_role("checkbox")


def ticked(page: Page) -> Locator:
    return page.locator("#results .row-select input:checked")


def statuses(runs: list[FlowRun]) -> list[str]:
    return [FlowRun.objects.get(pk=run.pk).status for run in runs]


def test_a_box_shows_where_the_pointer_is_and_the_bar_says_what_can_be_done(page: Page, runs: list[FlowRun]):
    label = row(page, runs[0]).locator(".row-select")
    expect(label).to_have_css("opacity", "0")
    row(page, runs[0]).hover()
    expect(label).to_have_css("opacity", "1")
    box(page, runs[0]).check()
    tools = page.locator("#bulk-tools")
    expect(tools).to_contain_text("1 selected")
    approve = tools.get_by_role("button", name="Approve…")
    expect(approve).to_be_visible()
    for number in (1, 2):  # what they offer is asked again, the buttons being there
        row(page, runs[number]).hover()
        with page.expect_response(lambda answer: "part=bar" in answer.url) as answer:
            box(page, runs[number]).check()
        assert answer.value.status == 200
    expect(approve).to_be_visible()
    tools.get_by_role("button", name="Clear").click()
    expect(tools).not_to_be_visible()
    expect(ticked(page)).to_have_count(0)


def test_keys_and_ranges_select(page: Page, runs: list[FlowRun]):
    row(page, runs[2]).locator(".row-title").focus()
    page.keyboard.press("x")
    expect(ticked(page)).to_have_count(1)
    page.keyboard.press("x")
    expect(ticked(page)).to_have_count(0)
    page.keyboard.press("x")
    box(page, runs[0]).click(modifiers=["Shift"])
    expect(ticked(page)).to_have_count(3)
    page.locator("#bulk-all").click()
    assert ticked(page).count() == page.locator("#results .row").count() > 3
    page.keyboard.press("Escape")
    expect(ticked(page)).to_have_count(0)


def test_a_button_is_not_taken_from_under_a_finger_when_what_is_offered_is_read_again(
    page: Page, runs: list[FlowRun]
):
    row(page, runs[0]).hover()
    box(page, runs[0]).check()
    approve = page.locator("#bulk-offers").get_by_role("button", name="Approve")
    expect(approve).to_be_visible()
    held: list[Route] = []
    page.route(re.compile("part=bar"), lambda route: held.append(route))
    row(page, runs[1]).hover()
    box(page, runs[1]).check()
    eventually(lambda: page.evaluate("1") and held)
    approve.hover()
    page.mouse.down()
    answer = held[0].fetch()
    held[0].fulfill(response=answer, body=answer.text().replace("Approve", "Approve both"))
    expect(approve).to_have_text("Approve both…")
    page.mouse.up()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 selected")


def test_several_are_approved_by_one_decision_with_one_comment(page: Page, runs: list[FlowRun]):
    for run in runs:
        row(page, run).hover()
        box(page, run).check()
    page.locator("#bulk-offers").get_by_role("button", name="Approve…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("3 selected")
    expect(page.locator("mark.differs")).to_have_text(["target: app", "target: site", "target: docs"])
    assert violations(page) == []
    page.get_by_label(re.compile("Comment")).fill("Fine")
    page.locator(f".bulk-card[data-session='flow_run:{runs[2].pk}']").get_by_role("checkbox").uncheck()
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 done, 0 skipped")
    assert violations(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert overflow(page) == 0
    assert statuses(runs) == [RunStatus.RUNNING, RunStatus.RUNNING, RunStatus.PAUSED]
    comments = DecisionReceipt.objects.filter(session_id__in=[run.pk for run in runs])
    assert set(comments.values_list("comment", flat=True)) == {"Fine"}


def test_rows_change_under_a_selection_and_none_moves(page: Page, runs: list[FlowRun], owner: User):
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    for run in runs[:2]:
        row(page, run).hover()
        box(page, run).check()
    order = page.locator("#results .row").evaluate_all("rows => rows.map(row => row.dataset.session)")
    services.cancel_run(tenant_id=runs[0].tenant_id, run_id=runs[0].pk, actor=Actor.member(owner))
    expect(row(page, runs[0])).to_have_attribute("data-tone", "neutral")
    expect(page.locator("#live-pill")).to_be_visible()
    expect(ticked(page)).to_have_count(2)
    assert page.locator("#results .row").evaluate_all("rows => rows.map(row => row.dataset.session)") == order
    page.locator("#live-pill").click()
    expect(page.locator("#live-pill")).not_to_be_visible()
    expect(ticked(page)).to_have_count(2)
    expect(page.locator("#bulk-count")).to_have_text("2 selected")


def test_those_that_moved_on_are_reported(page: Page, runs: list[FlowRun], owner: User):
    for run in runs[:2]:
        row(page, run).hover()
        box(page, run).check()
    page.locator("#bulk-offers").get_by_role("button", name="Skip step…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 selected")
    services.cancel_run(tenant_id=runs[0].tenant_id, run_id=runs[0].pk, actor=Actor.member(owner))
    page.get_by_role("button", name="Skip step", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 done, 1 skipped")
    expect(page.locator(f"li[data-session='flow_run:{runs[0].pk}']")).to_contain_text("Skipped")


def test_selecting_and_deciding_need_no_scripts(visits: Visits, owner: User, runs: list[FlowRun]):
    page = visits.open(LIST, owner, java_script_enabled=False)
    for run in runs[:2]:
        row(page, run).hover()
        box(page, run).check()
    page.get_by_role("button", name="Decide on them").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 selected")
    page.locator(".confirm", has_text="Reject").locator("summary").click()
    page.locator(".confirm[open]").get_by_role("button", name="Reject").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 done, 0 skipped")
    assert statuses(runs)[:2] == [RunStatus.REJECTED, RunStatus.REJECTED]


def test_the_list_with_a_selection_is_fine_in_both_themes_and_on_a_phone(page: Page, runs: list[FlowRun]):
    row(page, runs[0]).hover()
    box(page, runs[0]).check()
    expect(page.locator("#bulk-offers button")).not_to_have_count(0)
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, "color-contrast") == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    # It lies over the rows at the end of the screen, as the head lies over those at the top.
    assert violations(page, "color-contrast", "target-size", within="#bulk") == []
    assert overflow(page) == 0


def test_a_box_is_hit_by_a_thumb(visits: Visits, owner: User, runs: list[FlowRun]):
    page = visits.open(LIST, owner, viewport=PHONE, has_touch=True, is_mobile=True)
    box(page, runs[0]).scroll_into_view_if_needed()
    here = box(page, runs[0]).bounding_box()
    assert here is not None
    middle = here["x"] + here["width"] / 2, here["y"] + here["height"] / 2
    for aside, down in [(-14, 0), (14, 0), (0, -14), (0, 14)]:
        page.mouse.click(middle[0] + aside, middle[1] + down)
        expect(box(page, runs[0])).to_be_checked()
        box(page, runs[0]).uncheck()
    assert violations(page, "target-size", within="#results .rows") == []
    assert overflow(page) == 0


def test_a_step_is_changed_before_it_is_approved(visits: Visits, owner: User, runs: list[FlowRun]):
    page = visits.open(f"/w/{SLUG}/flow-runs/{runs[0].pk}/", owner)
    page.get_by_role("link", name="Edit and approve").click()
    page.get_by_label("target").fill("docs and site")
    page.get_by_role("button", name="Approve with these").click()
    expect(page.locator(".messages")).to_contain_text("Approved as it was entered")
    edit = page.locator(".receipt-edit")
    expect(edit.locator("del")).to_have_text("docs")
    expect(edit.locator("ins")).to_have_text("docs and site")


def test_a_run_is_sent_to_the_background_and_its_task_stands_for_it(
    visits: Visits, owner: User, runs: list[FlowRun]
):
    page = visits.open(f"/w/{SLUG}/flow-runs/{runs[0].pk}/", owner)
    page.get_by_role("button", name="To background").click()
    expect(page.locator(".messages")).to_contain_text("Sent to the background")
    page.get_by_role("link", name=re.compile("Carried by")).click()
    expect(page.get_by_role("heading", name="Checkpoint before step 1")).to_be_visible()
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator(".messages")).to_contain_text("Approved: the run goes on.")
    page.goto(LIST)
    expect(row(page, runs[0])).to_have_count(0)
    expect(
        page.locator(".row[data-session^=background_task] .row-title", has_text=runs[0].title)
    ).not_to_have_count(0)
