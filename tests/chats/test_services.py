"""What the services of a chat write beside its status, and when it counts as changed."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from agents.models import Profile
from audit.entries import EntryKind, NewEntry
from audit.imports import Delivery
from audit.models import AuditEntry, DecisionReceipt, TranscriptEntry
from audit.services import content_hash
from chats import services
from chats.models import Chat, ChatMode
from sessions_app.kinds import IllegalMove, StaleVersion
from tests.announcements import read_announcements
from tests.factories.agents import ProfileFactory
from tests.factories.audit import TranscriptEntryFactory, TranscriptFactory
from tests.factories.chats import ChatFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import InitiativeFactory, MembershipFactory
from workspace.actors import SYSTEM, Actor
from workspace.models import Initiative, Membership
from workspace.placement import Placement
from workspace.services import set_secret

pytestmark = pytest.mark.django_db


def create(seat: Membership, **more: Any) -> Chat:
    values = {"placement": Placement(owner_id=seat.user_id), "title": "Where is the log?", **more}
    return services.create_chat(tenant_id=seat.tenant_id, actor=Actor.member(seat.user), **values)


def make(state: str, **more: Any) -> tuple[Chat, dict[str, Any]]:
    chat = ChatFactory(**{state: True}, **more)
    return chat, {"tenant_id": chat.tenant_id, "chat_id": chat.pk, "actor": Actor.member(chat.owner)}


def test_a_new_chat_is_idle_and_counts_from_its_start() -> None:
    seat = MembershipFactory()
    now = timezone.now()
    initiative = InitiativeFactory(tenant=seat.tenant)
    placement = Placement(owner_id=seat.user_id, initiative_id=initiative.pk)
    chat = create(seat, placement=placement, mode=ChatMode.ASK, repo="acme/api", now=now)
    chat.refresh_from_db()
    assert (chat.status, chat.mode, chat.message_count, chat.version) == ("idle", "ask", 0, 1)
    assert (chat.last_message_at, chat.changed_at) == (now, now)
    assert (chat.owner, chat.initiative, chat.repo) == (seat.user, initiative, "acme/api")
    assert AuditEntry.objects.get(object_id=chat.pk).changes == {"status": [None, "idle"]}


def test_a_chat_is_not_made_with_what_another_tenant_owns() -> None:
    seat = MembershipFactory()
    stranger = MembershipFactory()
    with pytest.raises(Membership.DoesNotExist):
        create(seat, placement=Placement(owner_id=stranger.user_id))
    with pytest.raises(Profile.DoesNotExist):
        create(seat, profile_id=ProfileFactory().pk)
    with pytest.raises(Initiative.DoesNotExist):
        create(seat, placement=Placement(owner_id=seat.user_id, initiative_id=InitiativeFactory().pk))
    assert not Chat.objects.exists()


def test_a_message_stands_in_the_transcript_and_makes_the_chat_live() -> None:
    chat, key = make("failed", quiet=True)
    now = timezone.now()
    services.post_message(**key, text="Try again.", now=now)
    chat.refresh_from_db()
    assert (chat.message_count, chat.error, chat.last_message_at, chat.changed_at) == (1, "", now, now)
    line = TranscriptEntry.objects.get(transcript__session_id=chat.pk)
    assert (line.kind, line.role, line.text, line.occurred_at) == ("message", "user", "Try again.", now)
    assert AuditEntry.objects.get(object_id=chat.pk).entry_seq == line.seq


@pytest.mark.parametrize(
    ("state", "act"),
    [
        ("responding", lambda key: services.finish_turn(**key)),
        ("responding", lambda key: services.fail_turn(**key, error="Error: no")),
        ("responding", lambda key: services.ask_question(**key, reason="Which?")),
        ("awaiting_you", lambda key: services.withdraw_question(**key)),
    ],
)
def test_what_is_no_message_leaves_an_open_chat_as_old_as_it_was(state: str, act: Any) -> None:
    before, key = make(state, quiet=True)
    chat = act(key)
    assert chat.changed_at == chat.last_message_at == before.last_message_at


def test_a_question_says_what_and_since_when_and_is_forgotten_with_its_answer() -> None:
    _, key = make("responding")
    now = timezone.now()
    chat = services.ask_question(**key, reason="Which branch?\nMain or next?", now=now)
    assert (chat.waiting_reason, chat.waiting_since) == ("Which branch?", now)
    chat = services.post_message(**key, text="main")
    assert (chat.waiting_reason, chat.waiting_since) == ("", None)


@pytest.mark.parametrize(("is_approved", "outcome"), [(True, "approved"), (False, "rejected")])
def test_an_approval_keeps_what_was_seen_and_who_decided(is_approved: bool, outcome: str) -> None:
    chat, key = make("awaiting_approval", quiet=True)
    now = timezone.now()
    decided = services.decide_approval(
        **key, is_approved=is_approved, comment="At night.", now=now, seen_version=1
    )
    receipt = DecisionReceipt.objects.get(session_kind="chat", session_id=chat.pk)
    assert (receipt.outcome, receipt.comment, receipt.decided_by_id) == (outcome, "At night.", chat.owner_id)
    assert receipt.seen == {
        "title": chat.title,
        "reason": chat.waiting_reason,
        "reason_hash": content_hash(chat.waiting_reason),
        "version": 1,
    }
    assert receipt.content_hash == content_hash(receipt.seen)
    line = TranscriptEntry.objects.get(transcript__session_id=chat.pk)
    assert (line.kind, line.text) == ("approval", "At night.")
    assert decided.last_message_at == now


def test_only_a_member_decides() -> None:
    chat, key = make("awaiting_approval")
    with pytest.raises(ValueError, match="for a member to decide"):
        services.decide_approval(**key | {"actor": SYSTEM}, is_approved=True, seen_version=1)
    chat.refresh_from_db()
    assert (chat.status, DecisionReceipt.objects.count()) == ("awaiting_approval", 0)


def test_ending_a_chat_touches_nothing_beside_it() -> None:
    chat, key = make("responding")
    TranscriptEntryFactory(transcript=TranscriptFactory(session=chat))
    BackgroundTaskFactory(
        running=True, tenant=chat.tenant, is_carrier=True, source_kind="chat", source_id=chat.pk
    )
    BackgroundTaskFactory(running=True, tenant=chat.tenant, source_kind="chat", source_id=chat.pk)
    watched = [
        model
        for model in apps.get_models()
        if model._meta.app_label in {"workspace", "audit", "agents", "tasks", "flows", "intake"}
        and model is not AuditEntry
    ]
    before = {model: list(model.objects.order_by("pk").values()) for model in watched}
    now = timezone.now()
    ended = services.end_chat(**key, now=now)
    assert {model: list(model.objects.order_by("pk").values()) for model in watched} == before
    assert (ended.status, ended.ended_at, ended.changed_at) == ("ended", now, now)
    assert ended.last_message_at == chat.last_message_at


def test_a_resumed_chat_is_as_old_as_its_last_message() -> None:
    before, key = make("ended", quiet=True)
    chat = services.resume_chat(**key)
    assert (chat.ended_at, chat.changed_at) == (None, before.last_message_at)


def test_a_new_title_is_written_down_and_moves_nothing_else() -> None:
    chat, key = make("ended")
    services.rename_chat(**key, title="  The   log ")
    services.rename_chat(**key, title="The log")
    renamed = Chat.objects.get(pk=chat.pk)
    assert (renamed.title, renamed.version, renamed.changed_at) == ("The log", 1, chat.changed_at)
    entry = AuditEntry.objects.get(object_id=chat.pk)
    assert (entry.action, entry.changes) == ("rename", {"title": [chat.title, "The log"]})


def test_activity_adds_to_the_transcript_and_keeps_the_chat_live() -> None:
    chat, key = make("responding", quiet=True)
    del key["actor"]
    at = timezone.now()
    call = NewEntry(kind=EntryKind.TOOL_CALL, native_id="c1", tool_name="Bash")
    appended = services.record_activity(**key, at=at, delivery=Delivery(entries=[call]), messages=1, turns=1)
    services.record_activity(**key, at=at - timedelta(minutes=5))
    chat.refresh_from_db()
    assert (appended.added, chat.message_count, chat.turn_count, chat.version) == (1, 2, 2, 1)
    assert (chat.last_message_at, chat.changed_at) == (at, at)
    assert not AuditEntry.objects.exists()


def test_an_ended_chat_takes_no_activity() -> None:
    chat, key = make("ended")
    del key["actor"]
    entry = NewEntry(kind=EntryKind.MESSAGE, native_id="m1", text="late")
    with pytest.raises(IllegalMove, match="record_activity is not possible; allowed: resume"):
        services.record_activity(**key, at=timezone.now(), delivery=Delivery(entries=[entry]))
    assert not TranscriptEntry.objects.filter(transcript__session_id=chat.pk).exists()


def test_a_known_secret_reaches_no_column_and_no_record() -> None:
    seat = MembershipFactory(admin=True)
    me = Actor.member(seat.user)
    value = "-".join(["swordfish", uuid.uuid4().hex])
    set_secret(tenant_id=seat.tenant_id, name="DEPLOY_KEY", value=value, actor=me)
    chat = create(seat, title=f"Use {value}", repo=f"https://{value}@host.example/r")
    key = {"tenant_id": seat.tenant_id, "chat_id": chat.pk, "actor": me}
    services.post_message(**key, text=f"it is {value}")
    services.ask_question(**key, reason=f"is it {value}?")
    services.post_message(**key, text="yes")
    asked = services.request_approval(**key, reason=f"login {value}")
    seen = {"seen_version": asked.version}
    services.decide_approval(**key, **seen, is_approved=False, comment=f"not {value}")
    services.fail_turn(**key, error=f"bad key {value}")
    services.rename_chat(**key, title=f"Never {value}")
    stored = [
        *Chat.objects.values(),
        *AuditEntry.objects.values(),
        *TranscriptEntry.objects.values(),
        *DecisionReceipt.objects.values(),
    ]
    assert value not in str(stored)
    assert "DEPLOY_KEY" in str(stored)


@pytest.mark.parametrize(
    "bad",
    [
        {"status": "resting"},
        {"mode": "yell"},
        {"status": "ended"},
        {"ended_at": timezone.now()},
        {"changed_at": timezone.now() + timedelta(hours=1)},
    ],
)
def test_the_database_refuses_a_row_that_makes_no_sense(bad: dict[str, Any]) -> None:
    chat = ChatFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        Chat.objects.filter(pk=chat.pk).update(**bad)


@pytest.mark.django_db(transaction=True)
def test_two_people_at_once_decide_once() -> None:
    chat, key = make("awaiting_approval")
    gate = threading.Barrier(2)

    def decide(is_approved: bool) -> object:
        try:
            connection.ensure_connection()
            gate.wait(timeout=10)
            return services.decide_approval(**key, is_approved=is_approved, seen_version=chat.version)
        except StaleVersion as stale:
            return stale
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(decide, [True, False]))
    assert sum(isinstance(result, StaleVersion) for result in results) == 1
    assert DecisionReceipt.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_change_is_announced_once_it_is_committed_and_never_if_it_is_not() -> None:
    chat, key = make("responding")
    with transaction.atomic():
        services.finish_turn(**key)
        assert read_announcements(chat.tenant) == []
    assert read_announcements(chat.tenant) == [("chat", str(chat.pk))]

    def give_up() -> None:
        with transaction.atomic():
            services.end_chat(**key)
            raise RuntimeError("the caller gives up")

    with pytest.raises(RuntimeError, match="gives up"):
        give_up()
    assert len(read_announcements(chat.tenant)) == 1
    assert Chat.objects.get(pk=chat.pk).status == "idle"
