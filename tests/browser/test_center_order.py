"""Answers and frames cross on their way to the Command Center: the panel shows the newest of both, once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import APIResponse, Locator, Page, Route, WebSocketRoute, expect

from chats import services as chats
from chats.models import Chat
from config.demo.stage import SLUG
from flows import services
from flows.models import FlowRun
from tests.browser.visits import Visits
from tests.config.processes import eventually
from tests.factories.chats import ChatFactory
from tests.factories.flows import FlowFactory
from workspace.actors import Actor
from workspace.models import Tenant, User
from workspace.placement import Placement

pytestmark = pytest.mark.browser

PLANS = f"/w/{SLUG}/plans/"
PANEL = re.compile(r"/command-center/(unread/)?(\?.*)?$")
WORKER = Actor.agent("worker")


@dataclass
class Gate:
    """Stands before a page: holds answers once they were read, and frames once they were sent."""

    is_shut: bool = False
    holds_frames: bool = False
    answers: list[tuple[Route, APIResponse]] = field(default_factory=list)
    frames: list[Callable[[], None]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def stand_before(self, page: Page) -> None:
        page.route(PANEL, self.answer)
        page.route_web_socket(re.compile("/sessions/live/"), self.connect)

    def answer(self, route: Route) -> None:
        self.asked.append(route.request.url)
        answer = route.fetch()
        if self.is_shut:
            self.answers.append((route, answer))
        else:
            route.fulfill(response=answer)

    def connect(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def tell(message: str | bytes) -> None:
            if self.holds_frames and '"ops"' in str(message):
                self.frames.append(lambda: socket.send(message))
            else:
                socket.send(message)

        server.on_message(tell)

    def let_through(self) -> None:
        """What is held; what comes after it is held again."""
        held, self.answers = self.answers, []
        for route, answer in held:
            route.fulfill(response=answer)

    def open(self) -> None:
        self.is_shut = False
        self.let_through()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def page(visits: Visits, owner: User, gate: Gate) -> Iterator[Page]:
    """The plans, live, with the panel closed and the gate open."""
    page = visits.enter(owner)
    gate.stand_before(page)
    page.goto(PLANS)
    expect(page.locator("#center-state")).to_have_text("Live")
    yield page
    page.unroute_all(behavior="ignoreErrors")


@pytest.fixture
def run(demo: Tenant, owner: User) -> FlowRun:
    started = services.start_run(
        tenant_id=demo.pk,
        flow_id=FlowFactory(tenant=demo).pk,
        actor=WORKER,
        placement=Placement(owner_id=owner.pk),
    )
    return services.begin_run(tenant_id=demo.pk, run_id=started.pk, actor=WORKER)


def pause(run: FlowRun) -> None:
    services.pause_at_checkpoint(
        tenant_id=run.tenant_id, run_id=run.pk, actor=WORKER, message="Fetch it all?"
    )


def card(page: Page, session: FlowRun | Chat, section: str = "") -> Locator:
    within = f"[data-section={section}] " if section else ""
    return page.locator(f"#center {within}.row[data-session$='{session.pk}']")


def is_needed(page: Page, session: FlowRun | Chat) -> None:
    """Waits until a frame has told the page that the session needs this person."""
    expect(page.locator("#center-button")).to_have_attribute("data-needs", re.compile(str(session.pk)))


def open_center(page: Page) -> None:
    page.locator("#center-button").click()
    expect(page.locator("#center .center-body")).to_be_visible()


def ask_again(page: Page, gate: Gate) -> None:
    """Something was missed, the page asks, and its answer is read and held."""
    gate.is_shut = True
    page.evaluate("document.dispatchEvent(new Event('live:resync'))")
    is_held(page, gate)


def is_held(page: Page, gate: Gate) -> None:
    eventually(lambda: page.evaluate("1") and gate.answers)


def take_in(page: Page, gate: Gate) -> None:
    """Let the held answer through and wait until it was taken in: only then is the next question asked."""
    page.evaluate("document.dispatchEvent(new Event('live:resync'))")
    gate.let_through()
    is_held(page, gate)


def stands_once(page: Page, session: FlowRun | Chat, section: str) -> None:
    expect(card(page, session, section)).to_have_count(1)
    expect(card(page, session)).to_have_count(1)


def pass_time(page: Page, owner: User, demo: Tenant) -> None:
    """Everything that was sent up to now has been taken in: a later frame has."""
    marker = ChatFactory(tenant=demo, owner=owner, responding=True)
    chats.ask_question(tenant_id=demo.pk, chat_id=marker.pk, actor=WORKER, reason="There?")
    is_needed(page, marker)


def test_a_frame_that_comes_before_the_first_answer_is_not_lost_to_it(page: Page, gate: Gate, run: FlowRun):
    gate.is_shut = True
    page.locator("#center-button").click()
    is_held(page, gate)
    pause(run)
    is_needed(page, run)
    gate.open()
    stands_once(page, run, "needs")
    expect(card(page, run)).to_have_attribute("data-unread", "")


def test_a_frame_is_not_lost_to_an_answer_that_was_read_before_it(page: Page, gate: Gate, run: FlowRun):
    open_center(page)
    stands_once(page, run, "active")
    ask_again(page, gate)
    pause(run)
    stands_once(page, run, "needs")
    heading = page.locator("[data-section=needs] .count").inner_text()
    take_in(page, gate)
    stands_once(page, run, "needs")
    expect(page.locator("[data-section=needs] .count")).to_have_text(heading)


def test_a_session_that_both_tell_of_stands_once(page: Page, gate: Gate, demo: Tenant, owner: User):
    open_center(page)
    chat = ChatFactory(tenant=demo, owner=owner)
    ask_again(page, gate)
    chats.end_chat(tenant_id=demo.pk, chat_id=chat.pk, actor=WORKER)
    stands_once(page, chat, "recent")
    take_in(page, gate)
    stands_once(page, chat, "recent")


def test_a_frame_that_is_older_than_what_was_read_changes_nothing(
    page: Page, gate: Gate, run: FlowRun, demo: Tenant, owner: User
):
    open_center(page)
    gate.holds_frames = True
    pause(run)
    eventually(lambda: page.evaluate("1") and gate.frames)
    run.refresh_from_db()
    services.approve_checkpoint(
        tenant_id=run.tenant_id, run_id=run.pk, actor=Actor.member(owner), seen_version=run.version
    )
    eventually(lambda: page.evaluate("1") and len(gate.frames) > 1)
    page.get_by_role("link", name="Everyone", exact=True).click()
    expect(page.get_by_role("link", name="Everyone", exact=True)).to_have_attribute("aria-current", "true")
    stands_once(page, run, "active")
    gate.frames[0]()
    gate.holds_frames = False
    pass_time(page, owner, demo)
    stands_once(page, run, "active")
    assert str(run.pk) not in (page.locator("#center-button").get_attribute("data-needs") or "")


def test_an_answer_to_what_was_chosen_before_is_not_shown(page: Page, gate: Gate):
    open_center(page)
    ask_again(page, gate)
    everyone = page.get_by_role("link", name="Everyone", exact=True)
    everyone.click()
    gate.open()
    expect(everyone).to_have_attribute("aria-current", "true")
    expect(page.locator("#center .center-body")).to_have_attribute("data-everyone", "true")
    assert gate.asked[-1].endswith("?scope=everyone")


def test_what_i_looked_at_while_an_answer_was_on_its_way_stays_seen(
    page: Page, gate: Gate, demo: Tenant, owner: User
):
    open_center(page)
    chat = ChatFactory(tenant=demo, owner=owner)
    chats.end_chat(tenant_id=demo.pk, chat_id=chat.pk, actor=WORKER)
    expect(card(page, chat)).to_have_attribute("data-unread", "")
    ask_again(page, gate)
    card(page, chat).locator(".row-peek").click()
    expect(card(page, chat)).not_to_have_attribute("data-unread", "")
    gate.open()
    pass_time(page, owner, demo)
    expect(card(page, chat)).not_to_have_attribute("data-unread", "")


def test_what_is_told_while_an_answer_is_on_its_way_is_news_until_i_have_looked(
    page: Page, gate: Gate, demo: Tenant, owner: User
):
    open_center(page)
    chat = ChatFactory(tenant=demo, owner=owner)
    ask_again(page, gate)
    chats.end_chat(tenant_id=demo.pk, chat_id=chat.pk, actor=WORKER)
    expect(card(page, chat)).to_have_attribute("data-unread", "")
    card(page, chat).locator(".row-peek").click()
    expect(card(page, chat)).not_to_have_attribute("data-unread", "")
    take_in(page, gate)
    expect(card(page, chat)).not_to_have_attribute("data-unread", "")


def test_an_answer_leaves_the_focus_and_what_is_being_typed_alone(
    page: Page, gate: Gate, demo: Tenant, owner: User, run: FlowRun
):
    chat = ChatFactory(tenant=demo, owner=owner, awaiting_you=True)
    open_center(page)
    pause(run)
    stands_once(page, run, "needs")
    card(page, run).locator(".row-peek").click()
    comment = page.locator("#center .peek textarea")
    comment.fill("Only the first hundr")
    ask_again(page, gate)
    gate.open()
    chats.end_chat(tenant_id=demo.pk, chat_id=chat.pk, actor=WORKER)
    expect(card(page, chat, "recent")).to_have_count(1)
    expect(comment).to_be_focused()
    expect(comment).to_have_value("Only the first hundr")
    stands_once(page, run, "needs")


def test_a_question_that_fails_is_asked_again(page: Page, visits: Visits, run: FlowRun):
    tries: list[Route] = []

    def fail_once(route: Route) -> None:
        tries.append(route)
        if len(tries) == 1:
            route.abort()
        else:
            route.fallback()

    page.route(re.compile(r"/command-center/(\?.*)?$"), fail_once)
    page.locator("#center-button").click()
    expect(page.locator(".toast")).to_contain_text("The Command Center could not be read")
    stands_once(page, run, "active")
