"""Two people on the list in two windows while sessions change: nothing moves by itself, nothing is wrong."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from playwright.sync_api import Browser, Locator, Page, expect

from chats import services as chats
from chats.models import Chat
from tests.browser.server import serve
from tests.browser.visits import Visits, install_clock, violations
from tests.config.processes import eventually
from tests.factories.chats import ChatFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import MembershipFactory
from tests.live.changes import Story
from workspace.actors import SYSTEM
from workspace.models import Membership

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


class Server:
    """A web part that can be stopped and started again on the same address."""

    def __init__(self, listener: socket.socket, log: Path) -> None:
        self.listener, self.log = listener, log
        self.start()

    def start(self) -> None:
        self.running = serve(self.listener, self.log)
        self.address = self.running.__enter__()

    def stop(self) -> None:
        self.running.__exit__(None, None, None)


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[Server]:
    call_command("collectstatic", interactive=False, verbosity=0)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        started = Server(listener, tmp_path / "log")
        yield started
        started.stop()


@pytest.fixture
def people(chromium: Browser, web: Server) -> Iterator[Visits]:
    made = Visits(chromium, web.address)
    yield made
    made.close()
    assert made.problems == []


@pytest.fixture
def member(web: Server) -> Membership:
    return MembershipFactory()


def open_list(people: Visits, member: Membership, query: str = "") -> Page:
    page = people.open(f"/w/{member.tenant.slug}/sessions/{query}", member.user)
    expect(page.locator("#live")).to_have_text("Live")
    return page


def with_clock(page: Page) -> Page:
    """The same page, loaded anew with timers that run when the test says so."""
    install_clock(page)
    page.reload()
    expect(page.locator("#live")).to_have_text("Live")
    return page


def row(page: Page, session: Chat) -> Locator:
    return page.locator(f"#row-chat-{session.pk}")


def pill(page: Page) -> Locator:
    return page.locator("#live-pill")


def keys(page: Page) -> list[str]:
    return page.locator(".results .row").evaluate_all("rows => rows.map(row => row.dataset.session)")


def drawn(page: Page) -> dict[str, str]:
    """Each row as it is shown: what scripts of others add to times is left out."""
    found = page.locator(".results .row").evaluate_all(
        """rows => rows.map(row => {
            const copy = row.cloneNode(true);
            for (const note of copy.querySelectorAll('.row-left')) note.remove();
            for (const time of copy.querySelectorAll('relative-time')) time.removeAttribute('title');
            const { session, tone, order } = row.dataset;
            return [session, copy.innerHTML.replace(/\\s+/g, ' ') + tone + order];
        })"""
    )
    return dict(found)


def act(session: Chat, service: str, **fields: object) -> None:
    getattr(chats, service)(tenant_id=session.tenant_id, chat_id=session.pk, actor=SYSTEM, **fields)


def is_up_to_date(shown: dict[str, str], now: dict[str, str]) -> bool:
    """Whether each row that is on both pages is drawn as on the fresh one."""
    return all(shown[key] == now[key] for key in shown.keys() & now.keys())


def test_a_row_changes_where_it_is_in_both_windows_and_keeps_the_focus(people: Visits, member: Membership):
    mine, other = (ChatFactory(tenant=member.tenant, owner=member.user, responding=True) for _ in range(2))
    teammate = MembershipFactory(tenant=member.tenant)
    here, there = open_list(people, member), open_list(people, teammate)
    order = keys(here)
    row(here, mine).locator(".row-title").focus()
    act(mine, "ask_question", reason="Which branch?")
    for page in (here, there):
        expect(row(page, mine)).to_have_attribute("data-tone", "attention")
        expect(row(page, mine)).to_contain_text("Which branch?")
        assert keys(page) == order
    expect(row(here, mine).locator(".row-title")).to_be_focused()
    expect(row(there, other)).to_have_attribute("data-tone", "active")
    assert violations(here) == []


def test_what_would_move_or_appear_waits_behind_a_button(people: Visits, member: Membership):
    chats_ = [ChatFactory(tenant=member.tenant, owner=member.user, title=f"Chat {n}") for n in range(3)]
    page = open_list(people, member)
    order = keys(page)
    act(chats_[0], "post_message", text="Go on.")
    expect(pill(page)).to_have_text("1 updated - refresh order")
    Story(member, 1)
    expect(pill(page)).to_have_text("6 updated - refresh order")
    assert keys(page) == order
    expect(page.locator(".tabs .count").first).to_have_text("8")
    assert violations(page) == []
    ChatFactory(tenant=member.tenant, owner=member.user, title="Not announced")
    pill(page).click()
    expect(page.locator(".results .row")).to_have_count(9)
    expect(page.locator(".tabs .count").first).to_have_text("9")
    expect(pill(page)).to_be_hidden()
    assert keys(page) == keys(open_list(people, member))


def test_a_filtered_list_counts_what_belongs_to_it_and_marks_what_no_longer_does(
    people: Visits, member: Membership
):
    waiting = ChatFactory(tenant=member.tenant, owner=member.user, awaiting_you=True, title="Waits")
    working = ChatFactory(tenant=member.tenant, owner=member.user, responding=True, title="Works")
    page = open_list(people, member, "?tab=needs-you")
    act(working, "finish_turn")
    act(waiting, "post_message", text="This one.")
    expect(row(page, waiting).locator(".row-left")).to_have_text("no longer in this list")
    expect(pill(page)).to_have_text("1 updated - refresh order")
    act(waiting, "ask_question", reason="And now?")
    expect(row(page, waiting).locator(".row-left")).to_have_count(0)
    expect(pill(page)).to_be_hidden()
    act(working, "post_message", text="Go on.")
    act(working, "ask_question", reason="Sure?")
    expect(pill(page)).to_have_text("1 updated - refresh order")
    expect(page.locator(".tabs [aria-current] .count")).to_have_text("2")


def test_an_error_line_does_not_push_rows_from_under_the_pointer(people: Visits, member: Membership):
    working = ChatFactory(tenant=member.tenant, owner=member.user, responding=True)
    page = open_list(people, member)
    height = row(page, working).bounding_box()["height"]
    row(page, working).hover()
    act(working, "fail_turn", error="Error: no answer")
    expect(row(page, working)).to_have_attribute("data-tone", "problem")
    assert row(page, working).bounding_box()["height"] == height
    page.mouse.move(5, 5)
    expect(row(page, working).locator(".row-error")).to_be_visible()


def test_opened_evidence_stays_open_while_its_row_changes(people: Visits, member: Membership):
    working = ChatFactory(tenant=member.tenant, owner=member.user, responding=True)
    page = open_list(people, member)
    row(page, working).locator(".evidence summary").click()
    act(working, "finish_turn")
    expect(row(page, working).locator(".evidence")).to_contain_text("The agent's turn is over.")
    expect(row(page, working).locator(".popover")).to_be_visible()


@pytest.mark.parametrize("query", ["", "?kind=chat"])
def test_after_a_long_story_with_restarts_the_page_is_what_a_fresh_one_is(
    people: Visits, member: Membership, web: Server, query: str
):
    story = Story(member, 3)
    BackgroundTaskFactory(tenant=member.tenant, owner=member.user, running=True)
    page = open_list(people, member, query)
    for _ in range(3):
        for _ in range(8):
            story.step()
        web.stop()
        expect(page.locator("#live")).to_have_text(re.compile("Reconnecting|Offline since"))
        for _ in range(4):
            story.step()
        web.start()
        expect(page.locator("#live")).to_have_text("Live")
        for _ in range(4):
            story.step()
    fresh = open_list(people, member, query)
    now = drawn(fresh)
    eventually(lambda: is_up_to_date(drawn(page), now))
    expect(page.locator(".row[data-left]")).to_have_count(len(drawn(page).keys() - now.keys()))
    pill(page).click()
    expect(pill(page)).to_be_hidden()
    assert drawn(page) == now
    assert keys(page) == keys(fresh)


def test_offline_is_said_with_since_when(people: Visits, member: Membership, web: Server):
    page = open_list(people, member)
    web.stop()
    expect(page.locator("#live")).to_have_text(re.compile("Offline since .+ What you see may be old"))
    assert violations(page) == []
    web.start()
    expect(page.locator("#live")).to_have_text("Live")


def test_whoever_signs_out_elsewhere_is_told_that_the_page_is_no_longer_live(
    people: Visits, member: Membership
):
    page = open_list(people, member)
    page.request.post("/sign-out/", form={"csrfmiddlewaretoken": token(page)}, headers={"Referer": page.url})
    expect(page.locator("#live")).to_have_text(re.compile("No longer live"))


def token(page: Page) -> str:
    return page.locator("input[name=csrfmiddlewaretoken]").first.get_attribute("value") or ""
