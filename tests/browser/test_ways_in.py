"""Signing in, acting on a session, choosing a theme and a workspace, in a browser with scripts."""

from __future__ import annotations

import re
import uuid

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from audit.models import TranscriptEntry
from chats.models import Chat, ChatStatus
from config.demo.stage import OWNER, SLUG
from tests.browser.visits import Visits
from workspace.actors import SYSTEM
from workspace.models import Membership, Role, SignInLink, Tenant, User
from workspace.services import create_sign_in_link, create_tenant, create_user, set_member_role

pytestmark = pytest.mark.browser

LIST = f"/w/{SLUG}/sessions/"


def newcomer(demo: Tenant) -> User:
    """A member of the demo alone, whom no other test has sent anywhere."""
    user = create_user(email=f"{uuid.uuid4().hex}@example.com")
    set_member_role(tenant_id=demo.pk, user=user, role=Role.MEMBER, actor=SYSTEM)
    return user


def test_a_link_shows_a_button_that_signs_in_once(visits: Visits, demo: Tenant):
    address = reverse("workspace:sign-in-link", args=[create_sign_in_link(email=newcomer(demo).email)])
    page = visits.open(address)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.reload()
    assert SignInLink.objects.latest("pk").used_at is None
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(f"{LIST}$"))
    another = visits.open(address)
    another.get_by_role("button", name="Sign in").click()
    expect(another.get_by_role("heading", level=1)).to_have_text("This link does not work any more")
    another.goto(LIST)
    expect(another).to_have_url(re.compile("/sign-in/"))


def test_a_password_leads_to_the_page_that_was_asked_for(visits: Visits, owner: User):
    password = uuid.uuid4().hex
    owner.set_password(password)
    owner.save()
    page = visits.open(f"{LIST}?tab=failed")
    page.get_by_label("Email").fill(OWNER)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"\?tab=failed$"))


def test_a_chat_is_ended_where_it_is_open_and_the_list_shows_it(visits: Visits, owner: User, demo: Tenant):
    chat = Chat.objects.for_tenant(demo.pk).filter(owner=owner, status=ChatStatus.AWAITING_YOU).earliest("pk")
    page = visits.open(LIST, owner)
    row = page.locator(f"[data-session='chat:{chat.pk}']")
    expect(row.locator(".status")).to_have_text("Awaiting you")
    row.locator(".row-title").click()
    page.locator("#act-end > summary").click()
    page.locator("#act-end").get_by_role("button", name="End chat").click()
    expect(page.locator(".messages")).to_contain_text("Ended.")
    expect(page.locator(".record-head")).to_have_attribute("data-live", "false")
    page.goto(f"{LIST}?status=ended")
    expect(row.locator(".status")).to_have_text("Ended")


def test_a_page_that_is_out_of_date_says_what_has_changed(visits: Visits, owner: User):
    page, other = (visits.open(f"{LIST}?status=paused&kind=flow_run", owner) for _ in range(2))
    for window in (page, other):
        window.get_by_role("link", name="Review").first.click()
    # What somebody is about to send stays under their hands, though the page follows.
    other.locator("#act-reject > summary").click()
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".messages")).to_contain_text("Approved")
    other.get_by_role("button", name="Reject").click()
    expect(other.locator(".messages .notice")).to_have_attribute("data-tone", "attention")
    expect(other.locator(".record-head .status")).not_to_have_text("Rejected")


def test_a_viewer_reads_and_is_offered_nothing(visits: Visits, demo: Tenant):
    viewer = Membership.objects.for_tenant(demo.pk).filter(role=Role.VIEWER)[0].user
    page = visits.open(f"{LIST}?status=paused&kind=flow_run", viewer)
    page.locator(".row-title").first.click()
    expect(page.get_by_text("Read only")).to_be_visible()
    expect(page.locator("#act-review")).to_contain_text("Waiting for somebody who may decide.")
    expect(page.locator("main form[method=post]")).to_have_count(0)


def test_a_theme_is_kept_and_drawn_by_the_server(visits: Visits, owner: User):
    page = visits.open(LIST, owner)
    page.locator(".user-button").click()
    page.get_by_role("radio", name="Dark").check(force=True)
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto("/nothing/here/")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto(LIST)
    page.locator(".user-button").click()
    page.get_by_role("radio", name="System").check(force=True)
    page.reload()
    expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")


def test_another_workspace_is_one_choice_away(visits: Visits, demo: Tenant):
    member = newcomer(demo)
    create_tenant(slug="second", name="Second", owner=member)
    page = visits.open(LIST, member)
    page.locator(".menu-button").first.click()
    page.get_by_role("link", name="Second").click()
    expect(page).to_have_url(re.compile("/w/second/sessions/$"))
    expect(page.get_by_text("No sessions yet")).to_be_visible()


def test_a_transcript_is_filtered_in_place_and_an_entry_is_found_by_its_address(
    visits: Visits, owner: User, demo: Tenant
):
    calls = TranscriptEntry.objects.for_tenant(demo.pk).filter(kind="tool_call")
    transcript = calls.filter(transcript__session_kind="chat").earliest("pk").transcript
    page = visits.open(reverse("chats:chat-detail", args=[SLUG, transcript.session_id]), owner)
    call = page.locator(".entry[data-kind=tool_call]").first
    expect(call.locator("details")).not_to_have_attribute("open", "")
    call.locator("summary").click()
    expect(call.get_by_text("Arguments")).to_be_visible()
    page.get_by_role("navigation", name="Kinds of entries").get_by_role("link", name="Tools").click()
    expect(page).to_have_url(re.compile("only=tools"))
    expect(page.locator(".entry[data-kind=message]")).to_have_count(0)
    address = page.locator(".entry .permalink").first.get_attribute("href")
    assert address is not None
    page.goto(address)
    expect(page.locator(".entry[data-target]")).to_be_in_viewport()
    page.locator(".entry[data-target]").get_by_role("link", name="Raw").click()
    expect(page.get_by_role("heading", name="Record it was read from")).to_be_visible()
