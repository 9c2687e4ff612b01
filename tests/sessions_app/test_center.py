"""The Command Center: each session once, what needs this member first, at a price that does not grow."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from chats.services import end_chat
from sessions_app.center import MOST_NEEDS, SECTION_SIZE, Center, Scope, needs_of, read_center
from sessions_app.kinds import ANY_MEMBER, Moment
from sessions_app.registry import all_kinds, get_kind
from tests.factories.chats import ChatFactory
from tests.factories.flows import FlowFactory, FlowRunFactory
from tests.factories.tasks import BackgroundTaskFactory, ChildTaskFactory
from tests.factories.workspace import MembershipFactory
from workspace.access import Seat
from workspace.actors import SYSTEM
from workspace.models import Membership

pytestmark = pytest.mark.django_db

PANEL = {"HX-Request": "true"}


@pytest.fixture
def me() -> Membership:
    membership: Membership = MembershipFactory(tenant__slug="acme")
    return membership


@pytest.fixture
def colleague(me: Membership) -> Membership:
    membership: Membership = MembershipFactory(tenant=me.tenant)
    return membership


def seat_of(member: Membership) -> Seat:
    return Seat(member.tenant, member, member.user)


def own(member: Membership) -> dict[str, Any]:
    return {"tenant": member.tenant, "owner": member.user}


def read(member: Membership, scope: Scope | None = None) -> Center:
    return read_center(seat_of(member), scope or Scope(), Moment.of(member.tenant, timezone.now()))


def shown(center: Center) -> dict[str, list[Any]]:
    return {section.key: [row.id for row in section.rows] for section in center.sections}


def get(member: Membership, query: str = "", **headers: str) -> Any:
    client = Client()
    client.force_login(member.user)
    return client.get(f"/w/acme/command-center/{query}", headers=headers)


def test_what_awaits_somebody_in_python_does_so_in_the_database(me, colleague):
    named = [[], [me.user_id], [colleague.user_id]]
    flow = FlowFactory(tenant=me.tenant)
    for member, approvers in product((me, colleague), named):
        FlowRunFactory(flow=flow, paused=True, approver_ids=approvers, **own(member))
    for member in (me, colleague):
        for state in ("blocked", "interrupted", "failed", "running"):
            FlowRunFactory(flow=flow, **{state: True}, **own(member))
        for state in ("input", "review", "approval", "children"):
            BackgroundTaskFactory(**{f"waiting_{state}": True}, **own(member))
        for state in ("awaiting_you", "awaiting_approval", "idle"):
            ChatFactory(**{state: True}, **own(member))
    for kind in all_kinds():
        asked = kind.awaits_qs(me.user_id)
        found = [
            pk for condition in asked for (pk,) in kind.model.objects.filter(condition).values_list("pk")
        ]
        assert len(found) == len(set(found)), "the conditions overlap"
        for session in kind.model.objects.all():
            awaits = kind.awaits(session)
            assert (session.pk in found) is (str(me.user_id) in awaits or ANY_MEMBER in awaits)


def test_my_sessions_and_what_my_role_may_decide_need_me_and_nothing_else_does(me, colleague):
    flow = FlowFactory(tenant=me.tenant)
    mine = ChatFactory(awaiting_you=True, **own(me))
    for_all = FlowRunFactory(flow=flow, paused=True, **own(colleague))
    for_me = FlowRunFactory(flow=flow, paused=True, approver_ids=[me.user_id], **own(colleague))
    for_others = FlowRunFactory(flow=flow, paused=True, approver_ids=[colleague.user_id], **own(me))
    ChatFactory(awaiting_you=True, **own(colleague))
    BackgroundTaskFactory(waiting_children=True, **own(me))
    needs = {session_id for _, session_id in needs_of(seat_of(me))}
    assert needs == {mine.pk, for_all.pk, for_me.pk}
    assert for_others.pk in shown(read(me))["active"]


def test_nothing_needs_a_viewer(me):
    viewer = MembershipFactory(tenant=me.tenant, viewer=True)
    ChatFactory(awaiting_you=True, **own(viewer))
    FlowRunFactory(flow=FlowFactory(tenant=me.tenant), paused=True, **own(me))
    assert needs_of(seat_of(viewer)) == []


def test_each_session_stands_once_where_it_matters_most(me, colleague):
    flow = FlowFactory(tenant=me.tenant)
    now = timezone.now()
    paused = FlowRunFactory(flow=flow, paused=True, **own(me))
    blocked = FlowRunFactory(flow=flow, blocked=True, **own(me))
    running = BackgroundTaskFactory(running=True, **own(me))
    ended = ChatFactory(ended=True, last_message_at=now - timedelta(hours=23), **own(me))
    ChatFactory(ended=True, last_message_at=now - timedelta(hours=25), **own(me))
    theirs = FlowRunFactory(flow=flow, interrupted=True, **own(colleague))
    assert shown(read(me)) == {
        "needs": [blocked.pk, paused.pk],
        "active": [running.pk],
        "recent": [ended.pk],
    }
    everyone = shown(read(me, Scope(is_everyone=True)))
    assert everyone["needs"] == [blocked.pk, paused.pk]
    assert everyone["recent"] == [theirs.pk, ended.pk]


def test_a_kind_that_is_switched_off_is_in_no_section(me):
    ChatFactory(awaiting_you=True, **own(me))
    task = BackgroundTaskFactory(running=True, **own(me))
    center = read(me, Scope(without=frozenset({"chat"})))
    assert shown(center) == {"needs": [], "active": [task.pk], "recent": []}


def test_sub_agents_stand_under_their_parent_alone(me):
    parent = BackgroundTaskFactory(waiting_children=True, child_count=1, **own(me))
    ChildTaskFactory(parent=parent, running=True)
    ChildTaskFactory(parent=parent, waiting_input=True)
    assert shown(read(me)) == {"needs": [], "active": [parent.pk], "recent": []}


def test_a_section_shows_twenty_and_counts_the_rest(me):
    BackgroundTaskFactory.create_batch(SECTION_SIZE + 3, waiting_input=True, **own(me))
    ChatFactory.create_batch(SECTION_SIZE + 1, **own(me))
    center = read(me)
    assert [(len(s.rows), s.count_label) for s in center.sections] == [(20, "23"), (20, "20+"), (0, "0")]
    assert len(center.needs) == SECTION_SIZE + 3


def test_every_section_leads_to_the_list_with_its_filters(me):
    ChatFactory(awaiting_you=True, **own(me))
    client = Client()
    client.force_login(me.user)
    for section in read(me, Scope(without=frozenset({"flow_run"}))).sections:
        answer = client.get(section.all_url)
        assert answer.status_code == 200
        assert "not_kind=flow_run" in section.all_url


def test_the_panel_costs_the_same_whatever_it_shows(me, colleague, django_assert_max_num_queries):
    costs = []
    for count in (1, 4):
        BackgroundTaskFactory.create_batch(count, waiting_input=True, **own(me))
        ChatFactory.create_batch(count, **own(me))
        BackgroundTaskFactory.create_batch(count, failed=True, **own(me))
        with django_assert_max_num_queries(60) as asked:
            get(me, **PANEL)
        costs.append(len(asked))
    assert costs[0] == costs[1]


def test_the_button_costs_every_page_one_query_whatever_waits(me, django_assert_num_queries):
    for _ in range(2):
        BackgroundTaskFactory.create_batch(3, waiting_input=True, **own(me))
        with django_assert_num_queries(1):
            needs_of(seat_of(me))


def test_every_page_counts_what_needs_me_in_its_button_and_its_title(me):
    ChatFactory.create_batch(2, awaiting_you=True, **own(me))
    client = Client()
    client.force_login(me.user)
    for address in ("/w/acme/sessions/", "/w/acme/plans/", "/w/acme/command-center/"):
        page = client.get(address).content.decode()
        assert page.count("<title>(2) ") == 1
        assert len(re.search(r'data-needs="([^"]*)"', page)[1].split()) == 2
    missing = client.get("/w/acme/chats/00000000-0000-0000-0000-000000000000/").content.decode()
    assert "<title>(2) " in missing
    assert 'href="/w/acme/command-center/"' in missing


def test_the_count_stops_where_nobody_counts_further(me):
    ChatFactory.create_batch(MOST_NEEDS + 1, awaiting_you=True, **own(me))
    assert "<title>(99+) " in get(me).content.decode()


def test_the_page_of_its_own_shows_what_the_panel_shows(me):
    chat = ChatFactory(awaiting_you=True, **own(me))
    token = re.compile(r'(name="csrfmiddlewaretoken" value=")\w+')
    page, panel = (token.sub(r"\1", get(me, **asked).content.decode()) for asked in ({}, PANEL))
    assert panel.strip() in page
    assert f'id="center-row-chat-{chat.pk}"' in panel
    assert "<html" not in panel


def test_a_stranger_to_the_workspace_finds_no_panel(me):
    assert get(MembershipFactory()).status_code == 404


def test_a_row_says_whom_it_awaits_the_same_for_all_who_read_it(me, colleague):
    run = FlowRunFactory(
        flow=FlowFactory(tenant=me.tenant), paused=True, approver_ids=[colleague.user_id], **own(me)
    )
    assert get_kind("flow_run").awaits(run) == (str(colleague.user_id),)
    rows = {get(member, "?scope=everyone").content.decode() for member in (me, colleague)}
    assert all(f'data-awaits="{colleague.user_id}"' in page for page in rows)


@pytest.mark.django_db(transaction=True)
def test_a_session_that_moves_on_while_the_sections_are_read_stands_once_all_the_same(me):
    questions = 0
    while True:
        chat = ChatFactory(**own(me))
        change = partial(end_chat, tenant_id=me.tenant_id, chat_id=chat.pk, actor=SYSTEM)
        asked = Interrupt(questions, change)
        with connection.execute_wrapper(asked):
            center = read(me)
        stands = [row.id for section in center.sections for row in section.rows].count(chat.pk)
        assert stands == 1, f"changed after question {questions}: stands {stands} times"
        if not asked.is_done:
            break
        questions += 1
    assert questions > 3


class Interrupt:
    """Lets somebody else's change commit after so many questions to the database."""

    def __init__(self, questions: int, change: Callable[[], Any]) -> None:
        self.left, self.change, self.is_done = questions, change, False

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.left == 0 and not self.is_done:
            self.is_done = True
            with ThreadPoolExecutor(1) as other:
                other.submit(self._change).result()
        self.left -= 1
        return execute(sql, params, many, context)

    def _change(self) -> None:
        self.change()
        connection.close()
