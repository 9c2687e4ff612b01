"""A chat as a row of the list: its words, its band, its actions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from chats.models import Chat, ChatStatus
from sessions_app.kinds import Moment, Tone
from sessions_app.registry import get_kind
from tests.factories.chats import ChatFactory
from tests.factories.workspace import MembershipFactory
from workspace.actors import Actor
from workspace.models import Membership

pytestmark = pytest.mark.django_db

KIND = get_kind("chat")


def names(chat: Chat, member: Membership) -> list[str]:
    return [action.name for action in KIND.actions(chat, member)]


def test_every_status_has_its_tone() -> None:
    tones = {status: info.tone for status, info in KIND.statuses.items()}
    assert tones == {
        "responding": Tone.ACTIVE,
        "awaiting_approval": Tone.ATTENTION,
        "awaiting_you": Tone.ATTENTION,
        "idle": Tone.NEUTRAL,
        "ended": Tone.SUCCESS,
        "failed": Tone.PROBLEM,
    }
    assert len({(info.icon, info.label) for info in KIND.statuses.values()}) == len(ChatStatus)


def test_live_and_the_two_halves_of_the_rest_share_out_all_chats_as_python_does() -> None:
    moment = Moment(timezone.now())
    edge = moment.quiet_before
    for status in ChatStatus:
        for said_at in (edge - timedelta(microseconds=1), edge, edge + timedelta(microseconds=1)):
            ChatFactory(last_message_at=said_at, **{status.value: True})
    parts = [set(Chat.objects.filter(q)) for q in (KIND.live_q(moment), *KIND.rest_qs(moment))]
    assert sum(len(part) for part in parts) == len(set().union(*parts)) == Chat.objects.count()
    live = parts[0]
    assert live == {chat for chat in Chat.objects.all() if KIND.is_live(chat, moment)}
    assert {chat.status for chat in live} == set(ChatStatus.values) - {"ended"}
    assert {chat.last_message_at for chat in live} == {edge + timedelta(microseconds=1)}


def test_a_tenants_own_window_decides_what_is_quiet() -> None:
    now = timezone.now()
    chat = ChatFactory(last_message_at=now - timedelta(minutes=40))
    assert not KIND.is_live(chat, Moment(now))
    assert KIND.is_live(chat, Moment(now, timedelta(minutes=60)))


@pytest.mark.parametrize(
    ("count", "label"), [(0, "0 messages"), (1, "1 message"), (8, "8 messages"), (12_345, "12,345 messages")]
)
def test_progress_counts_messages(count: int, label: str) -> None:
    progress = KIND.progress(Chat(message_count=count))
    assert (progress.label, progress.total) == (label, 0)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("awaiting_you", "your input: Which branch?"),
        ("awaiting_approval", "an approval: Run `make deploy`?"),
        ("idle", ""),
        ("ended", ""),
    ],
)
def test_a_waiting_row_says_on_whom_and_since_when(state: str, words: str) -> None:
    chat = ChatFactory(**{state: True})
    assert KIND.waiting_on(chat) == (words, chat.waiting_since)


@pytest.mark.parametrize("status", ChatStatus.values)
def test_owner_and_admin_end_and_resume_a_chat_and_others_read_it(status: str) -> None:
    chat = ChatFactory(**{status: True})
    offered = ["resume"] if status == "ended" else ["end"]
    assert names(chat, Membership.objects.get(user=chat.owner)) == offered
    assert names(chat, MembershipFactory(tenant=chat.tenant, admin=True)) == offered
    assert names(chat, MembershipFactory(tenant=chat.tenant)) == []
    assert names(chat, MembershipFactory(tenant=chat.tenant, viewer=True)) == []
    assert names(chat, MembershipFactory(admin=True)) == []
    said = KIND.perform(
        offered[0],
        session_id=chat.pk,
        actor=Actor.member(chat.owner),
        tenant_id=chat.tenant_id,
        version=99,
        comment="",
    )
    chat.refresh_from_db()
    assert (chat.status == "ended") == (offered == ["end"])
    assert said.endswith(".")


def test_an_action_that_is_not_there_is_a_value_error() -> None:
    chat = ChatFactory()
    with pytest.raises(ValueError, match="no action 'reply'"):
        KIND.perform(
            "reply",
            session_id=chat.pk,
            actor=Actor.member(chat.owner),
            tenant_id=chat.tenant_id,
            version=1,
            comment="",
        )
