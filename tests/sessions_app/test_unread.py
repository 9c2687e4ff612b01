"""What a member has not seen yet: what came to a stop, and is theirs or waits on them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from chats import services
from sessions_app.kinds import Tone
from sessions_app.unread import Unread, summarise, unread_of
from tests.factories.chats import ChatFactory
from tests.factories.flows import FlowFactory, FlowRunFactory
from tests.factories.tasks import BackgroundTaskFactory, ChildTaskFactory
from tests.factories.workspace import MembershipFactory
from workspace.access import Seat
from workspace.actors import Actor
from workspace.models import Membership, SeenSession
from workspace.seeing import HORIZON, MOST_MARKS, mark_all_seen, mark_seen

pytestmark = pytest.mark.django_db


@pytest.fixture
def me() -> Membership:
    membership: Membership = MembershipFactory(tenant__slug="acme")
    long_ago = timezone.now() - timedelta(days=30)
    Membership.objects.filter(pk=membership.pk).update(created_at=long_ago)
    membership.refresh_from_db()
    return membership


def own(member: Membership) -> dict[str, Any]:
    return {"tenant": member.tenant, "owner": member.user}


def unread(member: Membership, now: datetime | None = None) -> set[str]:
    member.refresh_from_db()
    seat = Seat(member.tenant, member, member.user)
    return {one.key for one in unread_of(seat, now or timezone.now())}


def post(member: Membership, path: str, **headers: str) -> Any:
    client = Client()
    client.force_login(member.user)
    return client.post(f"/w/acme/{path}", headers=headers)


def test_what_stopped_is_unread_and_what_goes_on_is_not(me):
    ended, failed = ChatFactory(ended=True, **own(me)), BackgroundTaskFactory(failed=True, **own(me))
    asks = ChatFactory(awaiting_you=True, **own(me))
    BackgroundTaskFactory(running=True, **own(me))
    ChildTaskFactory(parent=BackgroundTaskFactory(waiting_children=True, **own(me)), completed=True)
    stopped = {f"chat:{ended.pk}", f"background_task:{failed.pk}", f"chat:{asks.pk}"}
    assert stopped <= unread(me)
    assert len(unread(me)) == 4


def test_of_others_sessions_only_what_waits_on_me_is_unread(me):
    other = MembershipFactory(tenant=me.tenant)
    run = FlowRunFactory(flow=FlowFactory(tenant=me.tenant), paused=True, **own(other))
    ChatFactory(ended=True, **own(other))
    assert unread(me) == {f"flow_run:{run.pk}"}


def test_a_look_lasts_until_the_session_moves_on(me):
    chat = ChatFactory(**own(me))
    post(me, f"sessions/chat/{chat.pk}/seen/")
    assert unread(me) == set()
    services.end_chat(tenant_id=me.tenant.pk, chat_id=chat.pk, actor=Actor.agent("policy"))
    assert unread(me) == {f"chat:{chat.pk}"}


def test_a_look_is_ones_own(me):
    chat = ChatFactory(ended=True, **own(me))
    post(MembershipFactory(tenant=me.tenant), f"sessions/chat/{chat.pk}/seen/")
    assert unread(me) == {f"chat:{chat.pk}"}


def test_what_i_did_myself_is_nothing_new_to_me(me):
    chat = ChatFactory(**own(me))
    client = Client()
    client.force_login(me.user)
    client.post(f"/w/acme/sessions/chat/{chat.pk}/action/", {"action": "end", "version": chat.version})
    assert unread(me) == set()


def test_an_old_page_does_not_take_a_look_back(me):
    chat = ChatFactory(ended=True, version=5, **own(me))
    mark = {"membership": me, "kind": "chat", "session_id": chat.pk, "now": timezone.now()}
    mark_seen(**mark, version=5)
    mark_seen(**mark, version=3)
    assert unread(me) == set()


def test_everything_is_marked_as_read_at_once(me):
    ChatFactory.create_batch(3, ended=True, **own(me))
    chat = ChatFactory(ended=True, **own(me))
    post(me, f"sessions/chat/{chat.pk}/seen/")
    assert post(me, "command-center/seen/").status_code == 302
    assert unread(me) == set()
    assert not SeenSession.objects.exists()


def test_nothing_from_before_they_came_or_from_long_ago_is_unread(me):
    now = timezone.now()
    ChatFactory(ended=True, last_message_at=now - HORIZON - timedelta(minutes=1), **own(me))
    newcomer = MembershipFactory(tenant=me.tenant)
    ChatFactory(ended=True, last_message_at=now - timedelta(hours=1), **own(newcomer))
    assert (unread(me), unread(newcomer)) == (set(), set())


def test_marks_do_not_pile_up(me):
    now = timezone.now()
    SeenSession.objects.bulk_create(
        SeenSession(
            tenant=me.tenant,
            membership=me,
            session_kind="chat",
            session_id=ChatFactory.build().pk,
            version=1,
            seen_at=now - timedelta(seconds=number),
        )
        for number in range(MOST_MARKS + 5)
    )
    old = ChatFactory(ended=True, **own(me))
    mark_seen(
        membership=me, kind="chat", session_id=old.pk, version=1, now=now - HORIZON - timedelta(hours=1)
    )
    mark_seen(membership=me, kind="chat", session_id=old.pk, version=2, now=now)
    assert SeenSession.objects.count() == MOST_MARKS
    assert unread(me) == set()


def test_a_look_at_what_is_not_there_is_refused(me):
    assert post(me, "sessions/chat/00000000-0000-0000-0000-000000000000/seen/").status_code == 404
    assert post(me, "sessions/nonsense/00000000-0000-0000-0000-000000000000/seen/").status_code == 404


def test_unread_costs_two_queries_whatever_there_is(me, django_assert_num_queries):
    seat = Seat(me.tenant, me, me.user)
    for _ in range(2):
        ChatFactory.create_batch(5, ended=True, **own(me))
        with django_assert_num_queries(2):
            unread_of(seat, timezone.now())


def test_one_line_says_what_happened_meanwhile():
    now = timezone.now()

    def some(count: int, tone: Tone, *, awaits_me: bool = False, hours: int = 1) -> list[Unread]:
        return [Unread(str(n), tone, now - timedelta(hours=hours), awaits_me) for n in range(count)]

    seen = some(4, Tone.SUCCESS) + some(2, Tone.PROBLEM) + some(1, Tone.ATTENTION, awaits_me=True, hours=2)
    assert summarise(seen, now) == "4 finished, 2 failed, 1 waits on you for 2 h"
    assert summarise([], now) == ""
    assert summarise(some(2, Tone.ATTENTION, awaits_me=True, hours=50), now) == "2 wait on you for 2 d"


def test_a_page_asks_for_the_keys_that_are_this_members_own(me):
    ended, asks = ChatFactory(ended=True, **own(me)), ChatFactory(awaiting_you=True, **own(me))
    client = Client()
    client.force_login(me.user)
    mine = client.get("/w/acme/command-center/unread/").json()
    assert set(mine["unread"]) == {f"chat:{ended.pk}", f"chat:{asks.pk}"}
    assert mine["needs"] == [f"chat:{asks.pk}"]


def test_the_panel_says_it_until_everything_is_marked_as_read(me):
    ChatFactory(ended=True, **own(me))
    client = Client()
    client.force_login(me.user)
    page = client.get("/w/acme/command-center/").content.decode()
    assert "While you were away: 1 finished" in page
    mark_all_seen(membership=me, now=timezone.now())
    assert "While you were away" not in client.get("/w/acme/command-center/").content.decode()
