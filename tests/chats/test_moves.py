"""The state machine of a chat, walked as a table: every move from every state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from audit.models import AuditEntry
from chats import services
from chats.models import Chat, ChatStatus
from chats.states import MOVES
from sessions_app.kinds import IllegalMove, StaleVersion
from tests.factories.chats import ChatFactory
from tests.factories.workspace import MembershipFactory
from workspace.actors import Actor

pytestmark = pytest.mark.django_db

type Call = Callable[..., Any]

OPEN = set(ChatStatus.values) - {"ended"}

#: Each move: the function that makes it, what else it takes, the states that it starts from, where it ends.
TABLE: dict[str, tuple[Call, dict[str, Any], set[str], str]] = {
    "post_message": (
        services.post_message,
        {"text": "Go on."},
        {"idle", "awaiting_you", "failed"},
        "responding",
    ),
    "finish_turn": (services.finish_turn, {}, {"responding"}, "idle"),
    "ask_question": (services.ask_question, {"reason": "Which?"}, {"responding"}, "awaiting_you"),
    "withdraw_question": (services.withdraw_question, {}, {"awaiting_you"}, "idle"),
    "request_approval": (
        services.request_approval,
        {"reason": "Deploy?"},
        {"responding"},
        "awaiting_approval",
    ),
    "approve": (services.decide_approval, {"is_approved": True}, {"awaiting_approval"}, "responding"),
    "deny": (services.decide_approval, {"is_approved": False}, {"awaiting_approval"}, "responding"),
    "fail_turn": (services.fail_turn, {"error": "Error: overloaded"}, {"responding"}, "failed"),
    "end": (services.end_chat, {}, OPEN, "ended"),
    "resume": (services.resume_chat, {}, {"ended"}, "idle"),
}

LEGAL = [(move, state) for move, row in TABLE.items() for state in ChatStatus.values if state in row[2]]
ILLEGAL = [(move, state) for move, row in TABLE.items() for state in ChatStatus.values if state not in row[2]]
SOMEWHERE = [(move, min(row[2])) for move, row in TABLE.items()]


def make_chat(state: str) -> tuple[Chat, Actor]:
    chat = ChatFactory(quiet=True, **{state: True})
    return chat, Actor.member(chat.owner)


def call(move: str, chat: Chat, actor: Actor, **more: Any) -> Any:
    function, extra, _, _ = TABLE[move]
    return function(
        tenant_id=chat.tenant_id,
        chat_id=chat.pk,
        actor=actor,
        **extra,
        **{"seen_version": chat.version, **more},
    )


def columns(chat: Chat) -> dict[str, Any]:
    return Chat.objects.filter(pk=chat.pk).values().get()


def test_the_table_here_names_every_move_that_there_is() -> None:
    assert set(TABLE) == set(MOVES)


@pytest.mark.parametrize(("move", "state"), LEGAL)
def test_a_legal_move_is_made_recorded_and_moves_the_version(move: str, state: str) -> None:
    chat, actor = make_chat(state)
    call(move, chat, actor, seen_version=chat.version)
    moved = Chat.objects.get(pk=chat.pk)
    assert (moved.status, moved.version) == (TABLE[move][3], chat.version + 1)
    assert [item["label"] for item in moved.evidence] == ["Rule", "Last event", "Set by"]
    entry = AuditEntry.objects.get(object_id=chat.pk)
    assert (entry.action, entry.actor_id, entry.tenant_id) == (move, chat.owner_id, chat.tenant_id)
    assert entry.changes["status"] == [chat.status, moved.status]
    assert (entry.session_kind, entry.session_id) == ("chat", chat.pk)


@pytest.mark.parametrize(("move", "state"), ILLEGAL)
def test_an_illegal_move_says_what_is_allowed_and_changes_nothing(move: str, state: str) -> None:
    chat, actor = make_chat(state)
    before = columns(chat)
    with pytest.raises(IllegalMove) as refused:
        call(move, chat, actor)
    assert refused.value.tried == move
    assert set(refused.value.allowed) == {name for name, row in TABLE.items() if state in row[2]}
    assert columns(chat) == before
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(("move", "state"), SOMEWHERE)
def test_a_stale_version_changes_nothing(move: str, state: str) -> None:
    chat, actor = make_chat(state)
    before = columns(chat)
    with pytest.raises(StaleVersion, match="Look again"):
        call(move, chat, actor, seen_version=chat.version - 1)
    assert columns(chat) == before
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(("move", "state"), SOMEWHERE)
def test_a_stranger_finds_no_chat(move: str, state: str) -> None:
    chat, _ = make_chat(state)
    stranger = MembershipFactory(admin=True)
    function, extra, _, _ = TABLE[move]
    with pytest.raises(Chat.DoesNotExist):
        function(
            tenant_id=stranger.tenant_id,
            chat_id=chat.pk,
            actor=Actor.member(stranger.user),
            seen_version=chat.version,
            **extra,
        )
    assert columns(chat)["version"] == chat.version
