"""Everything works without scripts: forms are sent, links are followed, nothing waits for JavaScript."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from audit.entries import EntryKind, NewEntry
from audit.services import append_entries
from chats.models import Chat, ChatStatus
from config.demo.stage import OWNER, SLUG
from sessions_app.queries import PAGE_SIZE
from tests.browser.visits import Visits
from workspace.models import Tenant, User
from workspace.services import create_sign_in_link

pytestmark = pytest.mark.browser

LIST = f"/w/{SLUG}/sessions/"


@pytest.fixture
def page(visits: Visits, owner: User) -> Page:
    return visits.open(LIST, owner, java_script_enabled=False)


def apply(page: Page, facet: str) -> None:
    page.locator(f"#facet-{facet}").get_by_role("button", name="Apply").click()


def test_a_link_signs_in_and_the_menu_signs_out(visits: Visits, demo: Tenant):
    address = reverse("workspace:sign-in-link", args=[create_sign_in_link(email=OWNER)])
    page = visits.open(address, java_script_enabled=False)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(f"{LIST}$"))
    expect(page.locator(".row")).to_have_count(PAGE_SIZE)
    page.locator(".user-button").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in/$"))
    page.goto(LIST)
    expect(page).to_have_url(re.compile("/sign-in/"))


def test_filters_are_sent_by_their_form_and_taken_away_by_their_chips(page: Page):
    page.locator("#facet-kind > summary").click()
    page.get_by_label("Chats", exact=True).check()
    apply(page, "kind")
    expect(page).to_have_url(re.compile("kind=chat"))
    expect(page.locator(".row:not([data-session^=chat])")).to_have_count(0)
    page.get_by_placeholder("Search title and error").fill("checkout")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("q=checkout"))
    chips = page.locator(".filter-chips .chip")
    expect(chips).to_have_count(2)
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Active").click()
    expect(page).to_have_url(re.compile(r"kind=chat&q=checkout&tab=active"))
    expect(page.locator(".row:not([data-live=true])")).to_have_count(0)
    chips.first.click()
    expect(chips).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?q=checkout&tab=active$"))
    page.go_back()
    expect(chips).to_have_count(2)
    page.get_by_role("link", name="Clear all").click()
    expect(page).to_have_url(re.compile(f"{LIST}$"))


def test_a_bad_filter_leads_to_a_page_that_names_it_and_leads_back(page: Page):
    page.get_by_placeholder("Search title and error").fill("ab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("This address asks for something unknown")
    expect(page.locator(".notice")).to_contain_text("q=ab: the word “ab” has fewer than 3 characters")
    page.get_by_role("link", name="Start again").click()
    expect(page.locator(".row")).to_have_count(PAGE_SIZE)


def test_pages_lead_on_and_back(page: Page):
    first = page.locator(".row-title").first.inner_text()
    page.get_by_role("link", name="Load more").click()
    expect(page.locator(".group-head")).to_contain_text("continued")
    expect(page.locator(".row")).not_to_have_count(PAGE_SIZE)
    page.get_by_role("link", name="Back to newer").click()
    expect(page.locator(".row-title").first).to_have_text(first)
    expect(page.locator(".row")).to_have_count(PAGE_SIZE)


def test_a_time_is_absolute_and_what_needs_scripts_is_not_shown(page: Page):
    expect(page.locator(".row-time").first).to_have_text(re.compile(r"^\d+ \w+ \d{4}, \d\d:\d\d UTC$"))
    page.locator(".user-button").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    for needed in page.locator("[data-needs-script]").all():
        expect(needed).not_to_be_visible()


def test_a_chat_is_ended_after_one_question_and_resumed(visits: Visits, owner: User, demo: Tenant):
    chat = Chat.objects.for_tenant(demo.pk).filter(owner=owner, status=ChatStatus.IDLE).earliest("pk")
    address = reverse("chats:chat-detail", args=[SLUG, chat.pk])
    page = visits.open(address, owner, java_script_enabled=False)
    page.locator("#act-end > summary").click()
    expect(page.locator("#act-end")).to_contain_text("It can be resumed later.")
    page.locator("#act-end").get_by_role("button", name="End chat").click()
    expect(page.locator(".messages")).to_contain_text("Ended.")
    expect(page.locator(".record-head .status")).to_have_text("Ended")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".messages")).to_contain_text("Resumed")
    expect(page.locator(".record-head .status")).to_have_text("Idle")


def test_a_checkpoint_is_approved_with_a_comment_that_is_kept(visits: Visits, owner: User):
    page = visits.open(f"{LIST}?status=paused&kind=flow_run", owner, java_script_enabled=False)
    page.get_by_role("link", name="Review").first.click()
    page.get_by_label("Comment").fill("Looks right to me")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".messages")).to_contain_text("Approved: the run goes on.")
    expect(page.locator(".receipt-comment")).to_contain_text(["Looks right to me"])
    expect(page.locator("#act-review")).to_have_count(0)


def test_a_transcript_is_paged_filtered_and_searched(visits: Visits, owner: User, demo: Tenant):
    chat = Chat.objects.for_tenant(demo.pk).filter(status=ChatStatus.ENDED).earliest("pk")
    entries = [
        NewEntry(kind=EntryKind.MESSAGE, native_id=f"n{n}", role="user", text=f"Line {n}") for n in range(120)
    ]
    append_entries(tenant_id=demo.pk, session=("chat", chat.pk), entries=entries)
    page = visits.open(reverse("chats:chat-detail", args=[SLUG, chat.pk]), owner, java_script_enabled=False)
    expect(page.locator(".entry")).not_to_have_count(0)
    page.get_by_role("link", name="Jump to latest").first.click()
    expect(page.locator(".entry").last).to_contain_text("Line 119")
    page.get_by_role("link", name="Older").first.click()
    expect(page.locator(".entry").last).not_to_contain_text("Line 119")
    page.get_by_label("Search in the transcript").fill("Line 77")
    page.keyboard.press("Enter")
    expect(page.locator(".entry")).to_have_count(1)
    page.locator(".entry .permalink").first.click()
    expect(page.locator(".entry[data-target]")).to_contain_text("Line 77")
    expect(page.locator(".entry")).not_to_have_count(1)
    page.get_by_role("link", name="Errors").click()
    expect(page.get_by_text("No entry matches")).to_be_visible()
