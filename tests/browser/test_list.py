"""The list in a browser: filters, pages and keys change it in place, and the address says what is shown."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from config.demo.stage import SLUG
from sessions_app.queries import PAGE_SIZE
from tests.browser.visits import PHONE, Visits
from tests.config.processes import eventually
from workspace.models import User

pytestmark = pytest.mark.browser

LIST = f"/w/{SLUG}/sessions/"


@pytest.fixture
def page(visits: Visits, owner: User) -> Page:
    return visits.open(LIST, owner)


def rows(page: Page) -> Locator:
    return page.locator(".row")


def facet(page: Page, name: str) -> Locator:
    return page.locator(f"#facet-{name}")


def choose(page: Page, name: str, label: str) -> None:
    """Choose a value in a filter, which stays open while the list changes."""
    if facet(page, name).get_attribute("open") is None:
        facet(page, name).locator("summary").click()
    facet(page, name).get_by_role("checkbox", name=label, exact=True).check()


def mark(page: Page) -> None:
    """A mark that a page which is loaded anew would not have."""
    page.evaluate("() => document.body.dataset.marked = ''")


def is_marked(page: Page) -> bool:
    return page.locator("body[data-marked]").count() == 1


def test_words_narrow_the_list_as_they_are_typed_and_stay_in_their_field(page: Page):
    mark(page)
    page.locator("#search").press_sequentially("ledger ")
    expect(page).to_have_url(re.compile(r"\?q=ledger"))
    expect(page.locator(".filter-chips .chip")).to_have_text([re.compile("Words.*ledger")])
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("dependency")
    expect(page).to_have_url(re.compile("dependency"))
    expect(page.locator("#search")).to_have_value("ledger dependency")
    expect(rows(page)).to_have_count(1)
    expect(page.locator("#list-summary")).to_have_text("0 active, 1 other")
    assert is_marked(page)


def test_two_letters_say_so_beside_the_filters_and_leave_the_list_alone(page: Page):
    expect(rows(page)).to_have_count(PAGE_SIZE)
    page.locator("#search").press_sequentially("le")
    problem = page.locator("#filter-problems .notice")
    expect(problem).to_contain_text("q: the word “le” has fewer than 3 characters")
    expect(rows(page)).to_have_count(PAGE_SIZE)
    expect(page).to_have_url(re.compile(f"{LIST}$"))
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("d")
    expect(page).to_have_url(re.compile(r"\?q=led"))
    expect(problem).to_have_count(0)


def test_values_of_a_filter_are_chosen_one_after_another_and_taken_back(page: Page):
    choose(page, "kind", "Chats")
    expect(page).to_have_url(re.compile("kind=chat$"))
    expect(facet(page, "kind")).to_have_attribute("open", "")
    choose(page, "kind", "Flow runs")
    expect(page).to_have_url(re.compile("kind=chat&kind=flow_run|kind=flow_run&kind=chat"))
    page.keyboard.press("Escape")
    expect(facet(page, "kind")).not_to_have_attribute("open", "")
    chips = page.locator(".filter-chips .chip")
    expect(chips).to_have_count(2)
    chips.first.click()
    expect(chips).to_have_count(1)
    page.get_by_role("link", name="Clear all").click()
    expect(chips).to_have_count(0)
    expect(page).to_have_url(re.compile(f"{LIST}$"))


def test_a_value_is_left_out_and_the_chip_says_so(page: Page):
    facet(page, "kind").locator("summary").click()
    facet(page, "kind").locator(".option", has_text="Tasks").hover()
    facet(page, "kind").locator(".exclude", has_text="Leave out Tasks").click()
    expect(page).to_have_url(re.compile("not_kind=background_task"))
    expect(page.locator(".filter-chips .chip")).to_have_text([re.compile("Kind is not.*Tasks")])
    expect(page.locator("[data-session^=background_task]")).to_have_count(0)


def test_searching_inside_a_filter_narrows_its_values_and_sends_nothing(page: Page):
    facet(page, "status").locator("summary").click()
    facet(page, "status").get_by_role("searchbox").fill("awai")
    shown = facet(page, "status").locator(".options > .option:visible")
    expect(shown).to_have_text([re.compile("Awaiting you"), re.compile("Awaiting approval")])
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"{LIST}$"))


def test_tabs_and_kinds_change_the_list_and_back_brings_the_earlier_one(page: Page):
    views = page.get_by_role("navigation", name="Views")
    views.get_by_role("link", name="Failed").click()
    expect(page).to_have_url(re.compile("tab=failed"))
    expect(page.locator(".row:not([data-tone=problem])")).to_have_count(0)
    expect(views.locator("[aria-current]")).to_contain_text("Failed")
    page.get_by_role("navigation", name="Kinds").get_by_role("link", name="Tasks").click()
    expect(page).to_have_url(re.compile("kind=background_task&tab=failed"))
    tasks = rows(page).count()
    page.go_back()
    expect(page).to_have_url(re.compile(r"\?tab=failed$"))
    expect(page.locator("[data-session^=flow_run]")).not_to_have_count(0)
    page.go_back()
    expect(page).to_have_url(re.compile(f"{LIST}$"))
    expect(rows(page)).to_have_count(PAGE_SIZE)
    page.go_forward()
    expect(page).to_have_url(re.compile(r"\?tab=failed$"))
    expect(page.locator("[data-session^=flow_run]")).not_to_have_count(0)
    page.go_forward()
    expect(page).to_have_url(re.compile("kind=background_task&tab=failed"))
    expect(rows(page)).to_have_count(tasks)


def test_a_step_in_the_history_while_a_page_still_loads_brings_the_list_of_its_address(page: Page):
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Failed").click()
    expect(page).to_have_url(re.compile(r"\?tab=failed$"))
    held: list[Route] = []
    page.route(re.compile(r"htmx.*\.js"), lambda route: held.append(route))
    page.evaluate("() => history.back()")
    eventually(lambda: page.wait_for_timeout(50) or held)
    page.evaluate("() => history.forward()")
    expect(page).to_have_url(re.compile(r"\?tab=failed$"))
    for route in held:
        route.continue_()
    page.unroute_all()
    expect(page.get_by_role("navigation", name="Views").locator("[aria-current]")).to_contain_text("Failed")
    expect(page.locator(".row:not([data-tone=problem])")).to_have_count(0)


def test_more_rows_join_the_list_and_the_address_stays(page: Page):
    mark(page)
    groups = page.locator(".group-head").all_inner_texts()
    page.get_by_role("link", name="Load more").click()
    expect(rows(page)).not_to_have_count(PAGE_SIZE)
    keys = rows(page).evaluate_all("rows => rows.map(row => row.dataset.session)")
    assert len(keys) == len(set(keys)) > PAGE_SIZE
    assert page.locator(".group-head").all_inner_texts() == groups
    expect(page.get_by_role("link", name="Load more")).to_have_count(0)
    expect(page).to_have_url(re.compile(f"{LIST}$"))
    assert is_marked(page)


def test_evidence_opens_over_the_row_and_escape_gives_the_focus_back(page: Page):
    evidence = rows(page).first.locator(".evidence")
    evidence.locator("summary").click()
    expect(evidence.locator(".popover")).to_contain_text("Rule")
    page.keyboard.press("Escape")
    expect(evidence.locator(".popover")).not_to_be_visible()
    expect(evidence.locator("summary")).to_be_focused()


def test_the_list_is_used_by_keys_alone(page: Page):
    titles = page.locator(".row-title")
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("jk?")
    expect(page.locator("#search")).to_have_value("jk?")
    problem = page.locator("#filter-problems .notice")
    expect(problem).to_have_count(1)
    page.locator("#search").fill("")
    page.locator("#search").blur()
    expect(problem).to_have_count(0)  # the list has been read: none takes the place of what has the focus
    page.keyboard.press("j")
    expect(titles.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(titles.nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(titles.nth(0)).to_be_focused()
    page.keyboard.press("n")
    expect(page.locator(".row[data-tone=attention] .row-title").first).to_be_focused()
    title = page.locator(":focus").inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    page.wait_for_load_state()  # keys are heard once the page's scripts have run
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page).to_have_url(re.compile(f"{LIST}$"))


def test_the_keys_are_explained_and_can_be_turned_off(page: Page):
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(keys).to_be_visible()
    keys.get_by_label("Use these shortcuts").uncheck()
    page.keyboard.press("Escape")
    expect(keys).not_to_be_visible()
    page.keyboard.press("?")
    expect(keys).not_to_be_visible()
    page.reload()
    page.keyboard.press("/")
    expect(page.locator("#search")).not_to_be_focused()


def test_an_initiative_lists_its_own_sessions_with_all_filters(visits: Visits, owner: User):
    page = visits.open(f"/w/{SLUG}/initiatives/", owner)
    page.locator(".group-row .row-title").first.click()
    expect(rows(page)).not_to_have_count(0)
    page.wait_for_load_state()  # a choice is heard once the page's scripts have run
    expect(page.locator("#lens [data-chip=initiative]:visible")).to_have_count(0)
    choose(page, "kind", "Tasks")
    expect(page).to_have_url(re.compile(r"/initiatives/[0-9a-f-]+/\?kind=background_task$"))
    expect(page.locator(".row:not([data-session^=background_task])")).to_have_count(0)


def test_a_filter_works_on_a_phone(visits: Visits, owner: User):
    page = visits.open(LIST, owner, viewport=PHONE, has_touch=True)
    choose(page, "owner", "Me")
    expect(page).to_have_url(re.compile(r"\?owner="))
    expect(page.locator(f".row:not([data-owner='{owner.pk}'])")).to_have_count(0)


def test_times_are_of_the_persons_zone(visits: Visits, owner: User):
    User.objects.filter(pk=owner.pk).update(time_zone="Asia/Tokyo")
    page = visits.open(LIST, owner)
    expect(page.locator(".row-time relative-time").first).to_have_attribute(
        "title", re.compile(r"GMT\+9|JST")
    )
