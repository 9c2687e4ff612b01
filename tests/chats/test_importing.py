"""Chats that are held elsewhere: their rows say what their records say, and nothing twice."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.entries import EntryKind, NewEntry
from audit.imports import Delivery, Synced, SyncOutcome
from audit.models import AuditEntry
from chats.models import Chat, ChatStatus
from chats.services import ImportedChat, end_chat, rename_chat, sync_imported_chat
from sessions_app.kinds import Evidence
from tests.announcements import read_announcements
from tests.factories.chats import ChatFactory
from tests.factories.workspace import MembershipFactory
from workspace.actors import Actor
from workspace.models import Membership
from workspace.placement import Placement

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CHAT = ImportedChat(
    title="Move the sidebar",
    status=ChatStatus.IDLE,
    evidence=(Evidence("Rule", "The last turn is over."), Evidence("Last event", "end_turn", AT)),
    last_message_at=AT,
    message_count=8,
    turn_count=4,
    repo="acme/site",
)
ASKED = replace(
    CHAT,
    status=ChatStatus.AWAITING_YOU,
    evidence=(Evidence("Rule", "A question stands unanswered."),),
    waiting_reason="Which colour?",
    waiting_since=AT,
)
FAILED = replace(CHAT, status=ChatStatus.FAILED, error="API error 529")


def entries(count: int) -> list[NewEntry]:
    return [NewEntry(kind=EntryKind.MESSAGE, native_id=f"r{n}", text=f"line {n}") for n in range(count)]


@pytest.fixture
def seat() -> Membership:
    return MembershipFactory()


def sync(seat: Membership, chat: ImportedChat, session_id: uuid.UUID | None = None, **more: Any) -> Synced:
    return sync_imported_chat(
        tenant_id=seat.tenant_id,
        session_id=session_id,
        placement=Placement(owner_id=seat.user_id),
        chat=chat,
        actor=Actor.member(seat.user),
        **more,
    )


def row_of(synced: Synced) -> Chat:
    return Chat.objects.get(pk=synced.session_id)


def key_of(seat: Membership, synced: Synced) -> dict[str, Any]:
    return {"tenant_id": seat.tenant_id, "chat_id": synced.session_id, "actor": Actor.member(seat.user)}


@pytest.mark.parametrize("chat", [CHAT, ASKED, FAILED])
def test_a_chat_is_as_old_as_its_last_message_and_says_what_its_records_say(
    seat: Membership, chat: ImportedChat
) -> None:
    made = sync(seat, chat, delivery=Delivery(entries=entries(3), source="claude_code"))
    row = row_of(made)
    assert (made.outcome, made.appended.added) == (SyncOutcome.CREATED, 3)
    assert (row.title, row.status, row.error) == ("Move the sidebar", chat.status, chat.error)
    assert (row.waiting_reason, row.waiting_since) == (chat.waiting_reason, chat.waiting_since)
    assert (row.changed_at, row.last_message_at) == (AT, AT)
    assert (row.message_count, row.turn_count, row.repo, row.origin) == (8, 4, "acme/site", "cli")
    assert row.evidence[0]["text"] == chat.evidence[0].text
    assert AuditEntry.objects.get(object_id=row.pk).action == "import"


def test_the_same_again_writes_and_announces_nothing(
    seat: Membership, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        made = sync(seat, ASKED, delivery=Delivery(entries=entries(3)))
    before = Chat.objects.values().get()
    with django_capture_on_commit_callbacks(execute=True):
        again = sync(seat, ASKED, made.session_id, delivery=Delivery(entries=entries(3)))
    assert (again.outcome, again.appended.added) == (SyncOutcome.UNCHANGED, 0)
    assert Chat.objects.values().get() == before
    assert AuditEntry.objects.count() == 1
    assert read_announcements(seat.tenant) == [("chat", str(made.session_id))]


def test_messages_alone_are_progress_and_another_status_is_a_move(seat: Membership) -> None:
    made = sync(seat, CHAT)
    later = AT + timedelta(minutes=2)
    sync(seat, replace(CHAT, last_message_at=later, message_count=9), made.session_id)
    row = row_of(made)
    assert (row.changed_at, row.message_count, row.version) == (later, 9, 1)
    assert AuditEntry.objects.count() == 1
    sync(seat, replace(ASKED, last_message_at=later), made.session_id)
    row = row_of(made)
    assert (row.status, row.waiting_reason, row.version) == ("awaiting_you", "Which colour?", 2)
    assert AuditEntry.objects.latest("pk").changes == {
        "status": ["idle", "awaiting_you"],
        "waiting_reason": ["", "Which colour?"],
    }


def test_a_title_that_a_member_gave_stays(seat: Membership) -> None:
    made = sync(seat, CHAT)
    sync(seat, replace(CHAT, title="Sidebar"), made.session_id)
    assert row_of(made).title == "Sidebar"
    rename_chat(**key_of(seat, made), title="My sidebar")
    again = sync(seat, replace(CHAT, title="Another"), made.session_id)
    assert (again.outcome, row_of(made).title) == (SyncOutcome.UNCHANGED, "My sidebar")


def test_a_chat_that_was_ended_here_stays_ended_until_it_goes_on_elsewhere(seat: Membership) -> None:
    made = sync(seat, CHAT)
    ended_at = AT + timedelta(hours=1)
    end_chat(**key_of(seat, made), now=ended_at)
    sync(seat, replace(ASKED, last_message_at=AT + timedelta(minutes=1), message_count=9), made.session_id)
    row = row_of(made)
    assert (row.status, row.message_count, row.changed_at) == ("ended", 9, ended_at)
    assert row.waiting_reason == ""
    later = ended_at + timedelta(minutes=1)
    sync(seat, replace(ASKED, last_message_at=later), made.session_id)
    row = row_of(made)
    assert (row.status, row.ended_at, row.changed_at) == ("awaiting_you", None, later)


@pytest.mark.parametrize("status", ["responding", "awaiting_approval", "ended"])
def test_no_record_says_that_the_agent_is_at_work_or_that_all_is_over(seat: Membership, status: str) -> None:
    with pytest.raises(ValueError, match="an import cannot say"):
        sync(seat, replace(CHAT, status=ChatStatus(status)))
    assert not Chat.objects.exists()


def test_sessions_and_owners_of_other_tenants_are_not_found(seat: Membership) -> None:
    with pytest.raises(Chat.DoesNotExist):
        sync(seat, CHAT, ChatFactory().pk)
    with pytest.raises(Membership.DoesNotExist):
        sync_imported_chat(
            tenant_id=seat.tenant_id,
            session_id=None,
            placement=Placement(owner_id=MembershipFactory().user_id),
            chat=CHAT,
            actor=Actor.member(seat.user),
        )
