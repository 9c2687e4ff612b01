"""The Command Center in a browser: opened on any page, answered in place, by two people at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from audit.models import DecisionReceipt
from chats.models import Chat, ChatStatus
from config.demo.stage import SLUG
from flows import services
from flows.models import FlowRun, RunStatus
from tests.browser.visits import PHONE, Visits, overflow, violations
from tests.factories.flows import FlowFactory
from tests.factories.workspace import UserFactory
from workspace.actors import Actor
from workspace.models import ApiToken, Tenant, User
from workspace.placement import Placement

pytestmark = pytest.mark.browser

LIST = f"/w/{SLUG}/sessions/"
CENTER = f"/w/{SLUG}/command-center/"


@pytest.fixture
def page(visits: Visits, owner: User) -> Page:
    return visits.open(LIST, owner)


@pytest.fixture
def paused(demo: Tenant, owner: User) -> FlowRun:
    """A run that has come to a checkpoint which any member may decide."""
    run: dict[str, Any] = {"tenant_id": demo.pk, "actor": Actor.member(owner)}
    flow = FlowFactory(tenant=demo)
    started = services.start_run(flow_id=flow.pk, placement=Placement(owner_id=owner.pk), **run)
    services.begin_run(run_id=started.pk, **run)
    return services.pause_at_checkpoint(run_id=started.pk, message="Fetch it all?", **run)


def open_center(page: Page) -> Locator:
    page.locator("#center-button").click()
    center = page.locator("#center")
    expect(center.locator("[data-section=needs] .row")).not_to_have_count(0)
    return center


def card(page: Page, session: FlowRun | Chat) -> Locator:
    return page.locator(f"#center [data-session$='{session.pk}']")


def open_peek(page: Page, session: FlowRun | Chat) -> Locator:
    card(page, session).locator(".row-peek").click()
    peek = page.locator("#center .peek")
    expect(peek).to_be_visible()
    return peek


def needs_count(page: Page) -> int:
    return int(page.locator("#center-button [data-count-text]").inner_text() or "0")


def test_it_opens_beside_the_page_and_stays_open_on_the_next_one(page: Page):
    open_center(page)
    assert needs_count(page) > 0
    assert page.title().startswith(f"({needs_count(page)}) ")
    page.goto(f"/w/{SLUG}/plans/")
    expect(page.locator("#center [data-section=needs] .row")).not_to_have_count(0)
    page.locator("[data-center-close]").click()
    expect(page.locator("#center")).not_to_be_visible()
    page.reload()
    expect(page.locator("#center-button")).to_have_attribute("aria-expanded", "false")


@pytest.fixture
def broken(demo: Tenant) -> Iterator[str]:
    """The address of a page that meets an error of the server's own."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {ApiToken._meta.db_table} RENAME TO away")
        yield reverse("workspace:token-list", args=[demo.slug])
        cursor.execute(f"ALTER TABLE away RENAME TO {ApiToken._meta.db_table}")


@pytest.mark.parametrize(
    "lost", ["flow-runs/01900000-0000-7000-8000-000000000000/", "sessions/?bogus=1", "no/such/page/"]
)
def test_it_is_at_hand_on_a_page_that_says_what_is_wrong(visits: Visits, owner: User, lost: str):
    page = visits.open(f"/w/{SLUG}/{lost}", owner)
    expect(page.locator(".error-page")).to_be_visible()
    open_center(page)
    assert violations(page) == []
    assert overflow(page) == 0


def test_it_comes_to_a_page_that_broke(visits: Visits, owner: User, broken: str):
    page = visits.open(broken, owner)
    expect(page.get_by_role("heading", level=1)).to_have_text("Something broke on our side")
    center = open_center(page)
    expect(page.locator("#center-state")).to_have_text("Live")
    center.locator("[data-section=needs] .row-peek").first.click()
    expect(center.locator(".peek")).to_be_visible()
    assert violations(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="dark")
    assert violations(page, "color-contrast", "target-size") == []
    assert overflow(page) == 0


@pytest.mark.parametrize("answer", [500, 404, None])
def test_a_page_that_broke_is_whole_where_the_server_stays_away(
    visits: Visits, owner: User, broken: str, answer: int | None
):
    page = visits.enter(owner)
    with page.expect_event("request", lambda asked: asked.url.endswith("/command-center/frame/")):
        page.route(
            "**/command-center/frame/",
            lambda route: route.fulfill(status=answer) if answer else route.abort(),
        )
        page.goto(broken)
    expect(page.get_by_role("heading", level=1)).to_have_text("Something broke on our side")
    expect(page.locator("#center-button")).to_have_count(0)
    assert violations(page) == []
    page.get_by_role("link", name="Go to Sessions").click()
    expect(page).to_have_url(re.compile(f"{LIST}$"))


def test_a_stranger_and_a_visitor_get_no_frame(visits: Visits, demo: Tenant):
    for user in (UserFactory(), None):
        page = visits.enter(user)
        with page.expect_response(re.compile("/command-center/frame/")) as answer:
            page.goto(f"/w/{demo.slug}/no/such/page/")
        assert answer.value.status == (404 if user else 302)
        expect(page.locator(".error-page")).to_be_visible()
        expect(page.locator("#center-button")).to_have_count(0)


def test_it_shows_mine_or_everyones_and_leaves_out_kinds(page: Page):
    center = open_center(page)
    mine = center.locator(".row").count()
    center.get_by_role("link", name="Everyone", exact=True).click()
    expect(center.get_by_role("link", name="Everyone", exact=True)).to_have_attribute("aria-current", "true")
    assert center.locator(".row").count() > mine
    center.get_by_role("link", name="Chats: shown").click()
    expect(center.locator("[data-session^=chat]")).to_have_count(0)
    expect(page).to_have_url(re.compile(f"{LIST}$"))
    page.reload()
    expect(center.locator(".row")).not_to_have_count(0)
    expect(center.locator("[data-session^=chat]")).to_have_count(0)


def test_it_is_fine_in_both_themes_and_on_a_phone(page: Page, paused: FlowRun):
    open_center(page)
    open_peek(page, paused)
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, "color-contrast") == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert violations(page, "color-contrast", "target-size", "scrollable-region-focusable") == []
    assert overflow(page) == 0


def test_a_double_click_approves_once_and_the_page_stays(page: Page, paused: FlowRun):
    before = DecisionReceipt.objects.filter(session_id=paused.pk).count()
    open_center(page)
    count = needs_count(page)
    peek = open_peek(page, paused)
    expect(peek).to_contain_text(paused.checkpoint_message)
    peek.get_by_role("button", name="Approve").dblclick()
    expect(page.locator(".toast")).to_have_text("Approved: the run goes on.")
    expect(card(page, paused)).to_have_attribute("data-tone", "active")
    expect(page.locator("#center-button [data-count-text]")).to_have_text(str(count - 1))
    expect(page).to_have_url(re.compile(f"{LIST}$"))
    assert DecisionReceipt.objects.filter(session_id=paused.pk).count() == before + 1


def test_of_two_people_one_decides_and_the_other_is_told_who_and_when(
    visits: Visits, owner: User, colleague: User, paused: FlowRun
):
    first = visits.open(LIST, owner, viewport={"width": 1280, "height": 400})
    second = visits.open(f"/w/{SLUG}/plans/", colleague)
    for page in (first, second):
        open_center(page)
        open_peek(page, paused)
    first.locator("#center .peek").get_by_label("Comment").fill("Not the whole of it")
    second.locator("#center .peek").get_by_role("button", name="Skip step").click()
    expect(second.locator(".toast")).to_contain_text("Skipped")
    expect(card(first, paused)).to_contain_text("Running")
    first.locator("#center .peek .confirm > summary", has_text="Reject").click()
    first.locator("#center .peek .confirm").get_by_role("button", name="Reject").click()
    notice = first.locator("#center .peek [data-notice]")
    expect(notice).to_contain_text(f"decided already: skipped by {colleague.display_name}")
    expect(notice).to_contain_text(re.compile(r"\d\d:\d\d UTC"))
    expect(first.locator("#center .peek")).to_contain_text("Not the whole of it")
    head = first.locator("#center .center-head").evaluate("head => head.getBoundingClientRect().bottom")
    assert notice.evaluate("notice => notice.getBoundingClientRect().top") >= head
    assert DecisionReceipt.objects.filter(session_id=paused.pk).count() == 1


def test_who_has_been_signed_out_is_asked_to_sign_in_and_not_told_that_it_was_done(
    page: Page, paused: FlowRun
):
    open_center(page)
    peek = open_peek(page, paused)
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    peek.get_by_role("button", name="Approve").click()
    expect(page).to_have_url(re.compile("/sign-in/"))
    paused.refresh_from_db()
    assert paused.status == RunStatus.PAUSED


def test_resume_and_end_never_leave_the_page(page: Page, demo: Tenant, owner: User):
    chat = Chat.objects.for_tenant(demo.pk).filter(owner=owner, status=ChatStatus.IDLE).latest("changed_at")
    open_center(page)
    peek = open_peek(page, chat)
    peek.locator("summary", has_text="End chat").click()
    expect(peek).to_contain_text("It can be resumed later.")
    peek.get_by_role("button", name="End chat").click()
    expect(page.locator(".toast")).to_contain_text("Ended.")
    expect(card(page, chat)).to_contain_text("Ended")
    peek = open_peek(page, chat)
    peek.get_by_role("button", name="Resume").click()
    expect(page.locator(".toast").last).to_contain_text("Resumed")
    expect(card(page, chat)).to_contain_text("Idle")
    expect(page).to_have_url(re.compile(f"{LIST}$"))


def test_keys_walk_peek_and_ask_before_they_do_anything(page: Page):
    page.keyboard.press(".")
    expect(page.locator("#center")).to_be_visible()
    page.keyboard.press(".")
    expect(page.locator("#center")).not_to_be_visible()
    page.keyboard.press("n")
    needing = page.locator("main .row-title:focus")
    expect(needing).to_have_count(1)
    needs = page.locator("#center-button").get_attribute("data-needs") or ""
    key = needing.locator("xpath=ancestor::li").get_attribute("data-session")
    assert key in needs.split()
    page.keyboard.press("Space")
    expect(page.locator("main .peek")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".peek")).to_have_count(0)
    expect(needing).to_be_focused()
    page.locator("main .row[data-session^=flow_run]:has(.row-action a) .row-title").first.focus()
    page.keyboard.press("a")
    approve = page.locator("main .peek").get_by_role("button", name="Approve")
    expect(approve).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_label("Use these shortcuts in this browser").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press(".")
    expect(page.locator("#center")).not_to_be_visible()


def test_brackets_lead_to_the_neighbours_of_the_list(page: Page):
    titles = page.locator("main .row-title")
    first, second = titles.nth(0).inner_text(), titles.nth(1).inner_text()
    titles.nth(0).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(first)
    page.wait_for_load_state()  # keys are heard once the page's scripts have run
    page.keyboard.press("]")
    expect(page.get_by_role("heading", level=1)).to_have_text(second)
    page.wait_for_load_state()
    page.keyboard.press("[")
    expect(page.get_by_role("heading", level=1)).to_have_text(first)


def test_a_status_opens_to_what_is_looked_up_only_then(page: Page):
    evidence = page.locator("main .row .evidence").first
    evidence.locator("summary").click()
    expect(evidence.locator(".facts")).to_contain_text("Rule")
    expect(evidence.locator(".facts")).to_be_visible()


def test_without_scripts_the_button_leads_to_a_page_that_shows_the_same(visits: Visits, owner: User):
    page = visits.open(LIST, owner, java_script_enabled=False)
    page.get_by_role("link", name="Command Center").click()
    expect(page).to_have_url(re.compile(f"{CENTER}$"))
    expect(page.locator("[data-section=needs] .row")).not_to_have_count(0)
    page.get_by_role("link", name="Everyone", exact=True).click()
    expect(page).to_have_url(re.compile("scope=everyone"))
