"""A page that has missed something reads everything anew: not too often, and until it has."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from chats.models import Chat
from tests.browser.test_live import act, member, people, row, web
from tests.browser.visits import WIDE, Visits, install_clock
from tests.config.processes import eventually
from tests.factories.chats import ChatFactory
from workspace.models import Membership

__all__ = ["member", "people", "web"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RESYNC = json.dumps({"op": "resync"})


@dataclass
class Leak:
    """Stands between a page's sockets and the server, and can lose frames."""

    is_open: bool = False
    sockets: list[WebSocketRoute] = field(default_factory=list)

    def serve(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        self.sockets.append(socket)

        def tell(message: str | bytes) -> None:
            if not (self.is_open and '"ops"' in str(message)):
                socket.send(message)

        server.on_message(tell)


@pytest.fixture
def leak() -> Leak:
    return Leak()


def open_page(people: Visits, member: Membership, leak: Leak, *, has_clock: bool = False) -> Page:
    page = people.enter(member.user, viewport=WIDE)
    page.route_web_socket(re.compile("/sessions/live/"), leak.serve)
    if has_clock:
        install_clock(page)
    page.goto(address(member))
    expect(page.locator("#live")).to_have_text("Live")
    return page


def address(member: Membership) -> str:
    return f"/w/{member.tenant.slug}/sessions/"


def test_a_page_that_is_told_so_again_and_again_reads_anew_now_and_then(
    people: Visits, member: Membership, leak: Leak
):
    chat: Chat = ChatFactory(tenant=member.tenant, owner=member.user, responding=True)
    page = open_page(people, member, leak, has_clock=True)
    page.locator("#center-button").click()
    expect(page.locator("#center .row")).to_have_count(1)
    lists: list[str] = []
    panels: list[str] = []
    page.on("request", lambda asked: lists.append(asked.url) if asked.url.endswith(address(member)) else None)
    page.on("request", lambda asked: panels.append(asked.url) if "command-center" in asked.url else None)
    leak.is_open = True
    for _ in range(100):
        leak.sockets[-1].send(RESYNC)
        page.clock.run_for(100)
    assert 1 <= len(lists) <= 4
    assert 1 <= len(panels) <= 4
    act(chat, "ask_question", reason="Which branch?")
    leak.sockets[-1].send(RESYNC)
    page.clock.run_for(35_000)
    expect(row(page, chat)).to_have_attribute("data-tone", "attention")
    expect(page.locator("#center [data-section=needs] .row")).to_have_count(1)


def test_what_was_missed_before_the_connection_was_lost_is_not_forgotten_for_what_came_later(
    people: Visits, member: Membership, leak: Leak
):
    missed, heard = (ChatFactory(tenant=member.tenant, owner=member.user, responding=True) for _ in range(2))
    page = open_page(people, member, leak)
    waiting: list[Route] = []
    page.route(re.compile(f"{address(member)}$"), lambda route: waiting.append(route))
    leak.is_open = True
    act(missed, "ask_question", reason="Which branch?")
    eventually(lambda: page.evaluate("1") and leak.sockets)
    leak.sockets[-1].send(RESYNC)
    eventually(lambda: page.evaluate("1") and waiting)
    page.wait_for_timeout(6_000)  # longer than what was written before a rev is looked for by its time
    leak.is_open = False
    act(heard, "ask_question", reason="Which branch?")
    expect(row(page, heard)).to_have_attribute("data-tone", "attention")
    page.unroute_all()
    leak.sockets[-1].close()
    expect(row(page, missed)).to_have_attribute("data-tone", "attention")
