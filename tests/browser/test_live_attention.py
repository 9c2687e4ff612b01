"""What the list does for whoever does not look at it, or only listens, and with what it looked up itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, WebSocket, expect

from chats.models import Chat
from tests.browser.test_live import act, member, open_list, people, row, web, with_clock
from tests.browser.visits import Visits
from tests.config.processes import eventually
from tests.factories.chats import ChatFactory
from tests.factories.workspace import MembershipFactory
from workspace.models import Membership

__all__ = ["member", "people", "web"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HIDDEN = """hidden => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
}"""


def test_a_tab_that_nobody_looks_at_lets_its_socket_go_and_catches_up_when_it_is_shown(
    people: Visits, member: Membership
):
    working: Chat = ChatFactory(tenant=member.tenant, owner=member.user, responding=True)
    page = open_list(people, member)
    sockets: list[WebSocket] = []
    page.on("websocket", lambda socket: sockets.append(socket))
    with_clock(page)
    page.evaluate(HIDDEN, True)
    page.clock.fast_forward("01:01")
    expect(page.locator("#live")).to_have_text(re.compile("Reconnecting|Offline since"))
    page.clock.fast_forward("01:01")
    act(working, "ask_question", reason="Which branch?")
    page.clock.run_for(20_000)  # longer than it waits before it tries again
    eventually(lambda: page.evaluate("1") and all(socket.is_closed() for socket in sockets))
    assert len(sockets) == 1
    expect(row(page, working)).to_have_attribute("data-tone", "active")
    page.evaluate(HIDDEN, False)
    expect(row(page, working)).to_have_attribute("data-tone", "attention")
    expect(page.locator("#live")).to_have_text("Live")


def test_what_needs_somebody_or_failed_is_said_together_and_once_in_a_while(
    people: Visits, member: Membership
):
    colleague = MembershipFactory(tenant=member.tenant).user
    sessions = [ChatFactory(tenant=member.tenant, owner=colleague, responding=True) for _ in range(6)]
    page = with_clock(open_list(people, member))
    announcer = page.locator("#announcer")
    assert page.locator(".results[aria-live], .results [aria-live]").count() == 0
    act(sessions[1], "finish_turn")
    for session in sessions[2:]:
        act(session, "fail_turn", error="Error: no answer")
    for session in sessions[2:]:
        expect(row(page, session)).to_have_attribute("data-tone", "problem")
    expect(announcer).not_to_contain_text("failed")
    page.clock.fast_forward("00:11")
    expect(announcer).to_have_text("4 sessions need attention or failed")
    act(sessions[0], "fail_turn", error="Error: no answer")
    expect(row(page, sessions[0])).to_have_attribute("data-tone", "problem")
    page.clock.fast_forward("00:11")
    expect(announcer).to_contain_text(f"{sessions[0].title}: Failed")


def test_what_needs_me_and_is_not_in_the_list_is_said_too(people: Visits, member: Membership):
    working: Chat = ChatFactory(tenant=member.tenant, owner=member.user, responding=True)
    page = with_clock(open_list(people, member, "?kind=flow_run"))
    act(working, "ask_question", reason="Which branch?")
    expect(page).to_have_title(re.compile(r"^\(1\)"))
    page.clock.fast_forward("00:06")
    expect(page.locator("#announcer")).to_have_text(f"{working.title}: needs you")


def test_a_question_about_the_list_that_fails_is_asked_less_and_less_often(
    people: Visits, member: Membership
):
    working: Chat = ChatFactory(tenant=member.tenant, owner=member.user, responding=True)
    page = with_clock(open_list(people, member))
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    page.route(re.compile("/standing/"), refuse)
    act(working, "ask_question", reason="Which branch?")
    counts = page.locator("#lens[data-counts-old]")
    expect(counts).to_have_count(1)
    for _ in range(20):
        page.clock.run_for(1_000)
        page.wait_for_timeout(100)  # for the answer to what was asked
    assert 2 <= len(asked) <= 7
    page.unroute(re.compile("/standing/"))

    def is_answered() -> bool:
        page.clock.run_for(5_000)
        return counts.count() == 0

    eventually(is_answered)


def test_a_browser_that_goes_offline_says_so_at_once_and_comes_back(people: Visits, member: Membership):
    working: Chat = ChatFactory(tenant=member.tenant, owner=member.user, responding=True)
    page = open_list(people, member)
    page.context.set_offline(True)
    expect(page.locator("#live")).to_have_text(re.compile("Reconnecting|Offline since"))
    act(working, "ask_question", reason="Which branch?")
    page.context.set_offline(False)
    expect(row(page, working)).to_have_attribute("data-tone", "attention")
    expect(page.locator("#live")).to_have_text("Live")


def test_evidence_that_was_looked_up_while_the_row_moved_on_is_looked_up_again(
    people: Visits, member: Membership
):
    working: Chat = ChatFactory(tenant=member.tenant, owner=member.user, responding=True)
    page = open_list(people, member)
    held: list[Route] = []
    page.route(re.compile("part=evidence"), lambda route: held.append(route), times=1)
    row(page, working).locator(".evidence summary").click()
    while not held:
        page.wait_for_timeout(20)
    answer = held[0].fetch()
    act(working, "finish_turn")
    expect(row(page, working)).to_have_attribute("data-tone", "neutral")
    held[0].fulfill(response=answer)
    expect(row(page, working).locator(".evidence")).to_contain_text("The agent's turn is over.")
    expect(row(page, working).locator(".popover")).to_be_visible()


def test_evidence_that_stands_open_is_looked_up_again_when_its_row_has_moved_on(
    people: Visits, member: Membership
):
    working: Chat = ChatFactory(tenant=member.tenant, owner=member.user, responding=True)
    page = open_list(people, member)
    evidence = row(page, working).locator(".evidence")
    evidence.locator("summary").click()
    expect(evidence.locator("[data-looked-up]")).to_be_visible()
    held: list[Route] = []
    page.route(re.compile("part=evidence"), lambda route: held.append(route), times=1)
    seen = evidence.locator(".facts").inner_text()
    act(working, "finish_turn")
    expect(row(page, working)).to_have_attribute("data-tone", "neutral")
    while not held:
        page.wait_for_timeout(20)
    assert evidence.locator(".facts").inner_text() == seen
    held[0].continue_()
    expect(evidence.locator(".facts")).to_contain_text("The agent's turn is over.")
