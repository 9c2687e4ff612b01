"""The Command Center follows the work: cards move, counts follow, others are told, and only of news."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, WebSocketRoute, expect

from chats import services as chats
from chats.models import Chat
from config.demo.stage import SLUG
from flows import services
from flows.models import FlowRun, RunStatus
from sessions_app.claims import claim
from tests.browser.visits import Visits, say_online
from tests.config.processes import eventually
from tests.factories.chats import ChatFactory
from tests.factories.flows import FlowFactory
from tests.factories.workspace import MembershipFactory
from workspace.actors import Actor
from workspace.models import Membership, Role, Tenant, User
from workspace.placement import Placement
from workspace.seeing import versions_seen

pytestmark = pytest.mark.browser

PLANS = f"/w/{SLUG}/plans/"
WORKER = Actor.agent("worker")


@pytest.fixture
def run(demo: Tenant, owner: User) -> FlowRun:
    """A run of the owner's that is at work on its first step."""
    flow = FlowFactory(tenant=demo)
    started = services.start_run(
        tenant_id=demo.pk, flow_id=flow.pk, actor=WORKER, placement=Placement(owner_id=owner.pk)
    )
    return services.begin_run(tenant_id=demo.pk, run_id=started.pk, actor=WORKER)


@pytest.fixture
def page(visits: Visits, owner: User) -> Page:
    """The plans, which list no session, with the panel open and live."""
    return watch(visits, owner)


def watch(visits: Visits, user: User, path: str = PLANS, **options: Any) -> Page:
    page = visits.open(path, user, **options)
    page.locator("#center-button").click()
    expect(page.locator("#center-state")).to_have_text("Live")
    return page


def card(page: Page, session: FlowRun | Chat, section: str = "") -> Locator:
    within = f"[data-section={section}] " if section else ""
    return page.locator(f"#center {within}.row[data-session$='{session.pk}']")


def pause(run: FlowRun) -> None:
    services.pause_at_checkpoint(
        tenant_id=run.tenant_id, run_id=run.pk, actor=WORKER, message="Fetch it all?"
    )


@dataclass
class Line:
    """Stands between a page's sockets and the server, and can be cut."""

    is_cut: bool = False
    sockets: list[WebSocketRoute] = field(default_factory=list)

    def serve(self, socket: WebSocketRoute) -> None:
        if self.is_cut:
            socket.close()
            return
        socket.connect_to_server()
        self.sockets.append(socket)

    def cut(self) -> None:
        self.is_cut = True
        for socket in self.sockets:
            socket.close()
        self.sockets.clear()

    def mend(self, page: Page) -> None:
        self.is_cut = False
        say_online(page)


def leave(page: Page) -> None:
    """Take the focus out of the panel: nothing moves under it."""
    page.get_by_role("heading", level=1).click()
    page.evaluate("document.activeElement.blur()")


def count(page: Page) -> Locator:
    return page.locator("#center-button [data-count-text]")


def test_a_card_moves_to_needs_you_and_on_when_somebody_else_decides(
    page: Page, run: FlowRun, colleague: User
):
    before = int(count(page).inner_text())
    expect(card(page, run, "active")).to_have_count(1)
    pause(run)
    expect(card(page, run, "needs")).to_have_count(1)
    expect(card(page, run)).to_have_count(1)
    expect(count(page)).to_have_text(str(before + 1))
    assert page.title().startswith(f"({before + 1}) ")
    expect(card(page, run)).to_have_attribute("data-unread", "")
    expect(page.locator("#announcer")).to_contain_text("needs you")
    run.refresh_from_db()
    services.reject_checkpoint(
        tenant_id=run.tenant_id, run_id=run.pk, actor=Actor.member(colleague), seen_version=run.version
    )
    expect(card(page, run, "recent")).to_have_count(1)
    expect(count(page)).to_have_text(str(before))


def test_a_row_offers_its_answer_to_those_who_may_give_it(
    visits: Visits, demo: Tenant, owner: User, colleague: User, run: FlowRun
):
    viewer = Membership.objects.for_tenant(demo.pk).filter(role=Role.VIEWER).earliest("pk").user
    others = FlowRun.objects.for_tenant(demo.pk).filter(status=RunStatus.BLOCKED, owner=owner).earliest("pk")
    flow_runs = f"/w/{SLUG}/sessions/?kind=flow_run"
    pages = [visits.open(flow_runs, user) for user in (owner, colleague, viewer)]
    pause(run)

    def offers(page: Page, session: FlowRun) -> bool:
        place = page.locator(f"#results .row[data-session$='{session.pk}']")
        expect(place).to_have_attribute("data-tone", "attention")
        return place.locator(".row-action > a").is_visible()

    eventually(lambda: [offers(page, run) for page in pages] == [True, True, False])
    eventually(lambda: [offers(page, others) for page in pages] == [True, False, False])


def test_only_the_rows_of_the_list_are_selected(visits: Visits, owner: User, run: FlowRun):
    page = watch(visits, owner, f"/w/{SLUG}/sessions/")
    pause(run)
    expect(card(page, run, "needs")).to_have_count(1)
    expect(page.locator("#center .row")).not_to_have_count(0)
    expect(page.locator("#center input[type=checkbox]")).to_have_count(0)
    card(page, run).locator(".row-title").focus()
    page.keyboard.press("x")
    expect(page.locator(".toast")).to_have_text("Nothing to select here")
    expect(page.locator("#bulk-tools")).not_to_be_visible()
    expect(page.locator(f"#results .row[data-session$='{run.pk}'] input[type=checkbox]")).to_have_count(1)


def test_the_count_follows_while_the_panel_is_closed(visits: Visits, owner: User, run: FlowRun):
    page = visits.open(PLANS, owner)
    expect(page.locator("#center-state")).to_have_text("Live")
    before = int(count(page).inner_text())
    pause(run)
    expect(count(page)).to_have_text(str(before + 1))
    page.keyboard.press("n")
    expect(page.locator("#center [data-section=needs] .row-title").first).to_be_focused()
    expect(card(page, run, "needs")).to_be_visible()


def test_what_was_missed_under_an_open_peek_is_shown_when_it_closes(
    visits: Visits, owner: User, run: FlowRun, demo: Tenant
):
    chat = ChatFactory(tenant=demo, owner=owner)
    page, line = visits.enter(owner), Line()
    page.route_web_socket(re.compile("/sessions/live/"), line.serve)
    page.goto(PLANS)
    page.locator("#center-button").click()
    state = page.locator("#center-state")
    expect(state).to_have_text("Live")
    card(page, chat).locator(".row-peek").click()
    expect(page.locator("#center .peek")).to_be_visible()
    line.cut()
    expect(state).to_have_text(re.compile("Reconnecting|Offline since"))
    pause(run)
    line.mend(page)
    expect(state).to_have_text("Live")
    expect(page.locator("#center .peek")).to_be_visible()
    page.keyboard.press("Escape")
    leave(page)
    expect(card(page, run, "needs")).to_have_count(1)


def test_of_two_windows_one_answers_and_the_other_sees_by_whom(
    visits: Visits, owner: User, colleague: User, run: FlowRun
):
    pause(run)
    mine, theirs = watch(visits, owner), watch(visits, colleague)
    card(mine, run, "needs").locator(".row-peek").click()
    expect(mine.locator("#center .peek")).to_contain_text("Fetch it all?")
    expect(card(theirs, run)).to_contain_text(f"being answered by {owner.display_name}")
    expect(card(mine, run)).not_to_contain_text("being answered")
    theirs.reload()
    expect(card(theirs, run)).to_contain_text(f"being answered by {owner.display_name}")
    mine.keyboard.press("Escape")
    expect(card(theirs, run)).not_to_contain_text("being answered")
    card(theirs, run).locator(".row-peek").click()
    theirs.locator("#center .peek").get_by_role("button", name="Approve").click()
    expect(card(mine, run)).to_contain_text("Running")
    leave(mine)
    expect(card(mine, run, "active")).to_have_count(1)


def test_a_card_that_somebody_is_at_stays_and_its_old_answer_is_refused(
    page: Page, run: FlowRun, colleague: User
):
    pause(run)
    card(page, run, "needs").locator(".row-peek").click()
    peek = page.locator("#center .peek")
    peek.get_by_label("Comment").fill("It has been fetched")
    run.refresh_from_db()
    services.approve_checkpoint(
        tenant_id=run.tenant_id, run_id=run.pk, actor=Actor.member(colleague), seen_version=run.version
    )
    expect(card(page, run, "needs")).to_have_attribute("data-stale", "")
    with page.expect_request(
        lambda sent: sent.url.endswith("/claim/") and "release" in (sent.post_data or "")
    ):
        peek.get_by_role("button", name="Skip step").click()
    expect(peek.locator("[data-notice]")).to_contain_text(f"approved by {colleague.display_name}")
    expect(card(page, run, "needs")).to_contain_text("Running")
    page.keyboard.press("Escape")
    leave(page)
    expect(card(page, run, "active")).to_have_count(1)


def test_the_panel_says_since_when_it_is_offline_and_then_shows_what_it_missed(
    visits: Visits, owner: User, run: FlowRun
):
    page, line = visits.enter(owner), Line()
    page.route_web_socket(re.compile("/sessions/live/"), line.serve)
    page.goto(PLANS)
    page.locator("#center-button").click()
    state = page.locator("#center-state")
    expect(state).to_have_text("Live")
    line.cut()
    expect(state).to_have_text(re.compile(r"Offline since \d+:\d\d"))
    pause(run)
    expect(card(page, run, "active")).to_have_count(1)
    line.mend(page)
    expect(state).to_have_text("Live")
    expect(card(page, run, "needs")).to_have_count(1)


def test_what_i_looked_at_is_seen_and_the_rest_is_walked_through(page: Page, demo: Tenant, owner: User):
    chat = ChatFactory(tenant=demo, owner=owner)
    chats.end_chat(tenant_id=demo.pk, chat_id=chat.pk, actor=WORKER)
    expect(card(page, chat, "recent")).to_have_attribute("data-unread", "")
    with page.expect_response(lambda answer: answer.url.endswith(f"{chat.pk}/seen/")):
        card(page, chat).locator(".row-peek").click()
    expect(page.locator("#center .peek")).to_be_visible()
    expect(card(page, chat)).not_to_have_attribute("data-unread", "")
    other = ChatFactory(tenant=demo, owner=owner)
    chats.end_chat(tenant_id=demo.pk, chat_id=other.pk, actor=WORKER)
    page.reload()
    expect(card(page, chat, "recent")).to_have_count(1)
    expect(card(page, chat)).not_to_have_attribute("data-unread", "")
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.locator("#center .away")).to_have_count(0)
    expect(page.locator(".row[data-unread]")).to_have_count(0)


def test_what_i_looked_at_is_seen_though_i_leave_at_once(page: Page, demo: Tenant, owner: User):
    chat = ChatFactory(tenant=demo, owner=owner)
    chats.end_chat(tenant_id=demo.pk, chat_id=chat.pk, actor=WORKER)
    expect(card(page, chat, "recent")).to_have_attribute("data-unread", "")
    held: list[Route] = []
    page.route("**/seen/", lambda route: held.append(route))
    card(page, chat).locator(".row-peek").click()
    eventually(lambda: page.evaluate("1") and held)
    page.goto(f"/w/{SLUG}/initiatives/")
    held[0].continue_()
    membership = Membership.objects.get(tenant=demo, user=owner)
    eventually(lambda: page.evaluate("1") and versions_seen(membership, [chat.pk]))


def test_n_says_so_where_nothing_is_left_to_walk_through(visits: Visits, demo: Tenant):
    newcomer = MembershipFactory(tenant=demo, viewer=True).user
    page = visits.open(PLANS, newcomer)
    expect(page.locator("#center-state")).to_have_text("Live")
    for _ in range(2):
        page.keyboard.press("n")
    expect(page.locator(".toast")).to_have_text("Nothing here needs you")
    expect(page.locator("#center")).not_to_be_visible()


def test_a_row_of_the_list_is_marked_too_though_it_is_drawn_for_all(
    visits: Visits, owner: User, run: FlowRun, colleague: User
):
    page, theirs = (visits.open(f"/w/{SLUG}/sessions/", user) for user in (owner, colleague))
    row = f"main .row[data-session$='{run.pk}']"
    for one in (page, theirs):
        expect(one.locator("#center-state")).to_have_text("Live")
    pause(run)
    expect(page.locator(row)).to_contain_text("Paused")
    expect(page.locator(row)).to_have_attribute("data-unread", "")
    page.locator(f"{row} .row-title").focus()
    page.keyboard.press("Space")
    expect(page.locator("main .peek")).to_be_visible()
    expect(page.locator(row)).not_to_have_attribute("data-unread", "")
    expect(theirs.locator(row)).to_contain_text(f"being answered by {owner.display_name}")


NOTED = """
window.noted = [];
window.Notification = class extends EventTarget {
  static permission = 'granted';
  static requestPermission = async () => 'granted';
  constructor(title, options) { super(); window.noted.push({title, ...options}); }
};
"""


def test_the_browser_notifies_on_opt_in_and_not_of_what_i_look_at(
    visits: Visits, owner: User, demo: Tenant, run: FlowRun
):
    page = visits.enter(owner)
    page.add_init_script(NOTED)
    page.goto(PLANS)
    page.locator("#center-button").click()
    expect(page.locator("#center-state")).to_have_text("Live")
    page.locator(".user-button").click()
    page.get_by_label("Notify me in this browser").check()
    pause(run)
    expect(card(page, run, "needs")).to_have_count(1)
    (noted,) = page.evaluate("window.noted")
    assert noted["title"] == run.title
    assert "Fetch it all?" in noted["body"]
    chat = ChatFactory(tenant=demo, owner=owner, responding=True)
    page.goto(f"/w/{SLUG}/chats/{chat.pk}/")
    expect(page.locator("#center-state")).to_have_text("Live")
    chats.ask_question(tenant_id=demo.pk, chat_id=chat.pk, actor=WORKER, reason="Which one?")
    expect(card(page, chat, "needs")).to_have_count(1)
    assert page.evaluate("window.noted") == []


def test_the_browser_does_not_notify_of_what_has_long_been_waiting(
    visits: Visits, owner: User, colleague: User, demo: Tenant
):
    waiting = FlowRun.objects.for_tenant(demo.pk).filter(status=RunStatus.PAUSED).earliest("changed_at")
    asking = ChatFactory(tenant=demo, owner=owner, responding=True)
    page = visits.enter(owner)
    page.add_init_script(NOTED + "localStorage.setItem('notices-on', '1');")
    page.goto(PLANS)
    expect(page.locator("#center-state")).to_have_text("Live")
    claim(tenant_id=demo.pk, key=("flow_run", waiting.pk), user=colleague)
    chats.ask_question(tenant_id=demo.pk, chat_id=asking.pk, actor=WORKER, reason="Which one?")
    noted = eventually(lambda: page.evaluate("window.noted"))
    assert [one["title"] for one in noted] == [asking.title]
