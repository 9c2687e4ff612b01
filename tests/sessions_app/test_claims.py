"""Who is answering a session: told to others, run out by itself, in nobody's way."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import Client
from django.utils import timezone

from sessions_app.claims import CLAIM_SECONDS, claim, claims_of, release
from sessions_app.frames import make_ops
from sessions_app.kinds import Moment
from sessions_app.live import valkey
from tests.announcements import read_announcements
from tests.factories.chats import ChatFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import MembershipFactory
from workspace.models import Membership

pytestmark = pytest.mark.django_db

IN_PLACE = {"HX-Request": "true"}


@pytest.fixture
def me() -> Membership:
    membership: Membership = MembershipFactory(tenant__slug="acme")
    return membership


@pytest.fixture
def colleague(me: Membership) -> Membership:
    membership: Membership = MembershipFactory(tenant=me.tenant)
    return membership


def review(member: Membership) -> Any:
    return BackgroundTaskFactory(waiting_review=True, tenant=member.tenant, owner=member.user)


def ask(member: Membership, session: Any, part: str, method: str = "post", **data: str) -> Any:
    client = Client()
    client.force_login(member.user)
    url = f"/w/acme/sessions/background_task/{session.pk}/{part}/"
    return getattr(client, method)(url, data, headers=IN_PLACE)


def named(session: Any) -> list[str]:
    key = ("background_task", session.pk)
    return [name for _, name in claims_of(session.tenant_id, [key]).values()]


def test_others_are_told_who_is_answering_and_i_am_not(me, colleague):
    task = review(me)
    assert ask(me, task, "claim").status_code == 204
    words = f"being answered by {me.user.name}"
    assert words in ask(colleague, task, "peek", "get").content.decode()
    assert words not in ask(me, task, "peek", "get").content.decode()


def test_a_claim_keeps_nobody_from_deciding(me, colleague):
    task = review(me)
    ask(me, task, "claim")
    assert ask(colleague, task, "action", action="accept", version="1").status_code == 200


def test_whoever_said_so_first_stays_named(me, colleague):
    task = review(me)
    ask(me, task, "claim")
    ask(colleague, task, "claim")
    ask(colleague, task, "claim", release="1")
    assert named(task) == [me.user.name]
    ask(me, task, "claim", release="1")
    assert named(task) == []


def test_an_answer_ends_the_claim(me):
    task = review(me)
    ask(me, task, "claim")
    ask(me, task, "action", action="accept", version="1")
    assert named(task) == []


def test_a_frame_says_who_is_answering(me):
    task, other = review(me), review(me)
    ask(me, task, "claim")
    keys = [("background_task", session.pk) for session in (task, other)]
    ops, _ = make_ops(me.tenant, keys, Moment.of(me.tenant, timezone.now()))
    assert [op["facets"]["claimed_by"] for op in ops] == [f"{me.user.pk} {me.user.name}", ""]


def test_a_claim_runs_out_by_itself(me):
    task = review(me)
    ask(me, task, "claim")
    with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as broker:
        (name,) = broker.scan_iter(f"*{me.tenant.pk}*:claim:*")
        assert 0 < broker.ttl(name) <= CLAIM_SECONDS


@pytest.mark.django_db(transaction=True)
def test_a_claim_is_announced_when_it_begins_and_ends_and_not_each_time_it_is_kept(me):
    chat = ChatFactory(tenant=me.tenant, owner=me.user)
    key = ("chat", chat.pk)
    for _ in range(3):
        claim(tenant_id=me.tenant.pk, key=key, user=me.user)
    release(tenant_id=me.tenant.pk, key=key, user=me.user)
    release(tenant_id=me.tenant.pk, key=key, user=me.user)
    assert read_announcements(me.tenant) == [("chat", str(chat.pk))] * 2


def test_without_the_broker_nobody_is_told_and_all_else_goes_on(me, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody-listens"
    valkey.cache_clear()
    try:
        task = review(me)
        assert ask(me, task, "claim").status_code == 204
        assert ask(me, task, "peek", "get").status_code == 200
        assert ask(me, task, "action", action="accept", version="1").status_code == 200
    finally:
        valkey.cache_clear()
