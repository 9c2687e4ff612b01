"""What stands open follows its session, and nothing moves where somebody is."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

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

PLANS = f"/w/{SLUG}/plans/"
LIST = f"/w/{SLUG}/sessions/"
WORKER = Actor.agent("worker")


@pytest.fixture
def runs(demo: Tenant, owner: User) -> list[FlowRun]:
    """Two runs at work, the older one first: in the panel it stands below the other."""
    return [start(demo, owner), start(demo, owner)]


def start(demo: Tenant, owner: User) -> FlowRun:
    call: dict[str, Any] = {"tenant_id": demo.pk, "actor": WORKER}
    run = services.start_run(
        flow_id=FlowFactory(tenant=demo).pk, placement=Placement(owner_id=owner.pk), **call
    )
    return services.begin_run(run_id=run.pk, **call)


def pause(run: FlowRun) -> None:
    services.pause_at_checkpoint(
        tenant_id=run.tenant_id, run_id=run.pk, actor=WORKER, message="Fetch it all?"
    )


def approve(run: FlowRun, user: User) -> None:
    run.refresh_from_db()
    services.approve_checkpoint(
        tenant_id=run.tenant_id, run_id=run.pk, actor=Actor.member(user), seen_version=run.version
    )


def watch(visits: Visits, user: User, path: str = PLANS, **options: Any) -> Page:
    page = visits.open(path, user, **options)
    page.locator("#center-button").click()
    expect(page.locator("#center-state")).to_have_text("Live")
    expect(page.locator("#center .row")).not_to_have_count(0)
    return page


def card(page: Page, run: FlowRun, section: str = "") -> Locator:
    within = f"[data-section={section}] " if section else ""
    return page.locator(f"#center {within}.row[data-session$='{run.pk}']")


def leave(page: Page) -> None:
    page.get_by_role("heading", level=1).click()
    page.evaluate("document.activeElement.blur()")


@pytest.mark.parametrize("where", ["#center", "main"])
def test_an_open_peek_shows_what_its_session_has_come_to(
    visits: Visits, owner: User, runs: list[FlowRun], where: str
):
    page = watch(visits, owner, LIST)
    row = page.locator(f"{where} .row[data-session$='{runs[0].pk}']")
    row.locator(".row-title").focus()
    page.keyboard.press("Space")
    peek = page.locator(f"{where} .peek")
    expect(peek.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(peek).not_to_contain_text("Fetch it all?")
    leave(page)
    pause(runs[0])
    expect(peek).to_contain_text("Fetch it all?")
    expect(page.locator(".peek-news")).to_have_count(0)
    peek.get_by_role("button", name="Approve").click()
    expect(page.locator(".toast")).to_have_text("Approved: the run goes on.")
    runs[0].refresh_from_db()
    assert runs[0].status == RunStatus.RUNNING


def test_what_somebody_reads_and_types_stays_until_they_want_to_see_what_came(
    visits: Visits, owner: User, colleague: User, runs: list[FlowRun]
):
    pause(runs[0])
    page = watch(visits, owner)
    card(page, runs[0]).locator(".row-peek").click()
    peek = page.locator("#center .peek")
    comment = peek.get_by_label("Comment")
    comment.fill("Only the first hundr")
    peek.hover()
    standing, at = peek.inner_text(), peek.bounding_box()
    approve(runs[0], colleague)
    expect(card(page, runs[0])).to_contain_text("Running")
    news = page.get_by_role("button", name="Changed - show")
    expect(news).to_be_visible()
    expect(comment).to_be_focused()
    expect(comment).to_have_value("Only the first hundr")
    assert (peek.inner_text(), peek.bounding_box()) == (standing, at)
    assert violations(page) == []
    news.click()
    expect(news).to_have_count(0)
    expect(peek.get_by_role("button", name="Approve")).to_have_count(0)
    expect(card(page, runs[0]).locator(".row-title")).to_be_focused()


def test_a_question_that_opens_in_it_leaves_the_other_buttons_as_they_are(
    visits: Visits, owner: User, runs: list[FlowRun]
):
    pause(runs[0])
    page = visits.open(LIST, owner)
    page.locator(f"main .row[data-session$='{runs[0].pk}'] .row-title").focus()
    page.keyboard.press("a")
    approve = page.locator("main .peek").get_by_role("button", name="Approve", exact=True)
    expect(approve).to_be_focused()
    height = "button => button.offsetHeight"
    before = approve.evaluate(height)
    page.keyboard.press("e")
    expect(page.locator("main .peek .confirm[open]").get_by_role("button", name="Cancel run")).to_be_focused()
    assert approve.evaluate(height) == before


def test_it_follows_once_the_pointer_has_left(visits: Visits, owner: User, runs: list[FlowRun]):
    page = watch(visits, owner)
    card(page, runs[0]).locator(".row-peek").click()
    peek = page.locator("#center .peek")
    leave(page)
    peek.hover()
    pause(runs[0])
    expect(page.get_by_role("button", name="Changed - show")).to_be_visible()
    expect(peek).not_to_contain_text("Fetch it all?")
    leave(page)
    expect(peek).to_contain_text("Fetch it all?")
    expect(page.locator(".peek-news")).to_have_count(0)


@pytest.mark.parametrize("by", ["pointer", "focus"])
def test_no_card_moves_from_under_pointer_or_focus_and_all_say_at_once_how_they_stand(
    visits: Visits, owner: User, demo: Tenant, runs: list[FlowRun], by: str
):
    page = watch(visits, owner)
    below, above = (card(page, run, "active") for run in runs)
    if by == "pointer":
        below.hover()
    else:
        below.locator(".row-title").focus()
    at = below.bounding_box()
    pause(runs[1])
    expect(above).to_contain_text("Paused")
    late = start(demo, owner)
    expect(page.locator("#center-held")).to_have_text("2 to move")
    expect(card(page, late)).to_have_count(0)
    assert below.bounding_box() == at
    leave(page)
    expect(card(page, runs[1], "needs")).to_have_count(1)
    expect(card(page, late, "active")).to_have_count(1)
    expect(page.locator("#center .row[style]")).to_have_count(0)
    expect(page.locator("#center-held")).to_be_empty()


def test_what_pushes_nobody_moves_at_once(visits: Visits, owner: User, runs: list[FlowRun]):
    page = watch(visits, owner)
    page.locator("#center [data-section=needs] .row").first.hover()
    services.cancel_run(tenant_id=runs[0].tenant_id, run_id=runs[0].pk, actor=Actor.member(owner))
    expect(card(page, runs[0], "recent")).to_have_count(1)


def test_news_of_one_that_was_left_is_not_shown_in_the_next(visits: Visits, owner: User, runs: list[FlowRun]):
    left, other = runs
    page = watch(visits, owner)
    card(page, left).locator(".row-peek").click()
    expect(page.locator("#center .peek")).to_be_visible()
    held: list[Route] = []
    page.route(f"**/{left.pk}/peek/", lambda route: held.append(route))
    pause(left)
    eventually(lambda: page.evaluate("1") and held)
    answer = held[0].fetch()
    card(page, other).locator(".row-peek").click()
    peek = page.locator(f"#center .row[data-session$='{other.pk}'] + .peek-slot .peek")
    expect(peek).to_be_visible()
    leave(page)
    held[0].fulfill(response=answer)
    page.evaluate("() => fetch(location.href).then((answer) => answer.text())")  # it has come by then
    expect(peek).not_to_contain_text("Fetch it all?")


def test_a_peek_with_news_is_fine_on_a_phone(visits: Visits, owner: User, runs: list[FlowRun]):
    page = watch(visits, owner, viewport=PHONE, color_scheme="dark")
    card(page, runs[0]).locator(".row-peek").click()
    page.locator("#center .peek").hover()
    pause(runs[0])
    expect(page.get_by_role("button", name="Changed - show")).to_be_visible()
    assert violations(page, "color-contrast", "target-size") == []
    assert overflow(page) == 0


def test_who_acts_by_keys_goes_on_from_the_row(visits: Visits, owner: User, runs: list[FlowRun]):
    pause(runs[0])
    page = watch(visits, owner, LIST)
    title = page.locator(f"main .row[data-session$='{runs[0].pk}'] .row-title")
    title.focus()
    page.keyboard.press("a")
    expect(page.locator("main .peek").get_by_role("button", name="Approve", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_have_text("Approved: the run goes on.")
    expect(title).to_be_focused()


def test_it_stays_open_with_what_is_typed_when_the_order_of_the_list_is_refreshed(
    visits: Visits, owner: User, demo: Tenant, runs: list[FlowRun]
):
    pause(runs[0])
    page = visits.open(LIST, owner)
    expect(page.locator("#live")).to_have_text("Live")
    title = page.locator(f"main .row[data-session$='{runs[0].pk}'] .row-title")
    title.focus()
    page.keyboard.press("Space")
    peek = page.locator("main .peek")
    peek.get_by_label("Comment").fill("Only the first hundred")
    late = start(demo, owner)
    page.locator("#live-pill").click()
    expect(page.locator(f"main .row[data-session$='{late.pk}']")).to_have_count(1)
    expect(page.locator(f"main .row[data-session$='{runs[0].pk}'] + .peek-slot")).to_have_count(1)
    expect(peek.get_by_label("Comment")).to_have_value("Only the first hundred")
    peek.get_by_role("button", name="Approve").click()
    expect(page.locator(".toast")).to_have_text("Approved: the run goes on.")
    runs[0].refresh_from_db()
    assert runs[0].status == RunStatus.RUNNING


def test_it_goes_with_its_row_when_the_list_is_narrowed(visits: Visits, owner: User, runs: list[FlowRun]):
    page = visits.open(LIST, owner)
    page.locator(f"main .row[data-session$='{runs[0].pk}'] .row-title").focus()
    page.keyboard.press("Space")
    expect(page.locator("main .peek")).to_be_visible()
    kinds = page.get_by_role("navigation", name="Kinds")
    kinds.get_by_role("link", name="Flow runs").click()
    expect(page.locator("main .row:not([data-session^=flow_run])")).to_have_count(0)
    expect(page.locator("main .peek")).to_be_visible()
    kinds.get_by_role("link", name="Chats").click()
    expect(page.locator("main .row:not([data-session^=chat])")).to_have_count(0)
    expect(page.locator(".peek-slot")).to_have_count(0)
