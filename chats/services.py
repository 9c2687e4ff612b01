"""Every write to a chat.

Each function is one transaction: the row, its audit entry, the announcement on commit. A stranger's id raises
`Chat.DoesNotExist`; a move that the state machine does not have raises `IllegalMove`, and a `seen_version`
that is not the row's `StaleVersion`, with nothing changed. `now` is the time of the change, the clock's by
default. Texts are redacted here before they are stored.

Only words move an open chat in time: a message, a decision, what the agent says and does. A turn that ends
or fails leaves `last_message_at`, and with it `changed_at`, where they are.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.models import Profile
from audit.entries import EntryKind, NewEntry
from audit.headlines import make_headline, make_title
from audit.imports import Delivery, append_delivery
from audit.models import Outcome
from audit.moves import allowed_moves, check_move, lock_session, make_evidence, save_move, save_progress
from audit.services import Appended, append_entries, content_hash, record, record_decision, redact
from chats.importing import ImportedChat, sync_imported_chat
from chats.models import Chat, ChatMode
from chats.states import KIND, MOVES, OPEN_STATUSES
from sessions_app.kinds import IllegalMove, Origin
from sessions_app.live import announce
from workspace.actors import Actor
from workspace.placement import Placement, check_placement

__all__ = [
    "ImportedChat",
    "ask_question",
    "create_chat",
    "decide_approval",
    "end_chat",
    "fail_turn",
    "finish_turn",
    "post_message",
    "record_activity",
    "rename_chat",
    "request_approval",
    "resume_chat",
    "sync_imported_chat",
    "withdraw_question",
]

_AT_REST: dict[str, Any] = {"waiting_reason": "", "waiting_since": None}


@transaction.atomic
def create_chat(
    *,
    tenant_id: uuid.UUID,
    placement: Placement,
    title: str,
    actor: Actor,
    mode: ChatMode = ChatMode.CHAT,
    profile_id: uuid.UUID | None = None,
    repo: str = "",
    origin: str = Origin.WEB,
    now: datetime | None = None,
) -> Chat:
    """An idle chat without a message; until it has one it counts from `now`.

    Raises the DoesNotExist of whatever the placement or the profile names in another tenant.
    """
    check_placement(tenant_id, placement)
    if profile_id is not None:
        Profile.objects.for_tenant(tenant_id).get(pk=profile_id)
    now = now or timezone.now()
    chat = Chat(
        tenant_id=tenant_id,
        owner_id=placement.owner_id,
        initiative_id=placement.initiative_id,
        plan_id=placement.plan_id,
        title=make_title(tenant_id, title),
        mode=mode,
        profile_id=profile_id,
        repo=redact(tenant_id=tenant_id, text=repo)[:300],
        origin=origin,
        last_message_at=now,
        changed_at=now,
        evidence=make_evidence(rule="Nobody has asked anything yet.", event="create", actor=actor, now=now),
    )
    chat.save(force_insert=True)
    _record(chat, actor, "create", {"status": (None, str(chat.status))})
    return chat


@transaction.atomic
def post_message(
    *,
    tenant_id: uuid.UUID,
    chat_id: uuid.UUID,
    actor: Actor,
    text: str,
    now: datetime | None = None,
    seen_version: int | None = None,
) -> Chat:
    """idle, awaiting you, failed -> responding; the message stands in the transcript."""
    now = now or timezone.now()
    chat = _lock(tenant_id, chat_id, "post_message", seen_version)
    seq = _write_line(chat, kind=EntryKind.MESSAGE, text=text, now=now, role="user")
    fields = {"message_count": chat.message_count + 1, "error": ""}
    rule = "The agent works on a message."
    return _save(chat, "post_message", actor, now, rule, fields, said_at=now, entry_seq=seq)


@transaction.atomic
def record_activity(
    *,
    tenant_id: uuid.UUID,
    chat_id: uuid.UUID,
    at: datetime,
    delivery: Delivery | None = None,
    messages: int = 0,
    turns: int = 0,
) -> Appended:
    """What the agent said or did at `at`, by adding it to the transcript of an open chat.

    `messages` of it are texts that people see, `turns` begin a new turn. Moves no version, writes no audit
    entry. A later message that is there already is not outrun.
    """
    chat = lock_session(Chat, tenant_id=tenant_id, session_id=chat_id)
    if chat.status not in OPEN_STATUSES:
        raise IllegalMove(
            subject=f"chat “{chat.title}”",
            tried="record_activity",
            status=chat.state,
            allowed=allowed_moves(MOVES, chat.state),
        )
    appended = append_delivery(tenant_id, (KIND, chat.pk), delivery or Delivery())
    said_at = max(chat.last_message_at, at)
    fields = {
        "last_message_at": said_at,
        "message_count": chat.message_count + messages,
        "turn_count": chat.turn_count + turns,
    }
    save_progress(chat, kind=KIND, now=said_at, fields=fields)
    return appended


@transaction.atomic
def finish_turn(
    *,
    tenant_id: uuid.UUID,
    chat_id: uuid.UUID,
    actor: Actor,
    now: datetime | None = None,
    seen_version: int | None = None,
) -> Chat:
    """responding -> idle: the agent's turn is over and it asked nothing."""
    chat = _lock(tenant_id, chat_id, "finish_turn", seen_version)
    return _save(chat, "finish_turn", actor, now or timezone.now(), "The agent's turn is over.")


@transaction.atomic
def ask_question(
    *,
    tenant_id: uuid.UUID,
    chat_id: uuid.UUID,
    actor: Actor,
    reason: str,
    now: datetime | None = None,
    seen_version: int | None = None,
    entry_seq: int | None = None,
) -> Chat:
    """responding -> awaiting you: the agent asked outright, and cannot go on without an answer."""
    now = now or timezone.now()
    chat = _lock(tenant_id, chat_id, "ask_question", seen_version)
    fields = {"waiting_reason": make_headline(tenant_id, reason), "waiting_since": now}
    return _save(
        chat, "ask_question", actor, now, "A question stands unanswered.", fields, entry_seq=entry_seq
    )


@transaction.atomic
def withdraw_question(
    *,
    tenant_id: uuid.UUID,
    chat_id: uuid.UUID,
    actor: Actor,
    now: datetime | None = None,
    seen_version: int | None = None,
) -> Chat:
    """awaiting you -> idle: the question needs no answer any more."""
    chat = _lock(tenant_id, chat_id, "withdraw_question", seen_version)
    return _save(chat, "withdraw_question", actor, now or timezone.now(), "Its question was withdrawn.")


@transaction.atomic
def request_approval(
    *,
    tenant_id: uuid.UUID,
    chat_id: uuid.UUID,
    actor: Actor,
    reason: str,
    now: datetime | None = None,
    seen_version: int | None = None,
    entry_seq: int | None = None,
) -> Chat:
    """responding -> awaiting approval of what `reason` says."""
    now = now or timezone.now()
    chat = _lock(tenant_id, chat_id, "request_approval", seen_version)
    fields = {"waiting_reason": make_headline(tenant_id, reason), "waiting_since": now}
    rule = "A tool call waits for an approval."
    return _save(chat, "request_approval", actor, now, rule, fields, entry_seq=entry_seq)


@transaction.atomic
def decide_approval(
    *,
    tenant_id: uuid.UUID,
    chat_id: uuid.UUID,
    actor: Actor,
    seen_version: int,
    is_approved: bool,
    comment: str = "",
    now: datetime | None = None,
) -> Chat:
    """awaiting approval -> responding, a refused one too, its agent being told.

    Keeps a receipt of what was seen: the reason with its hash. The call that asks, by its id and its
    arguments, comes with the runtimes that ask. Raises ValueError unless a member decides, and `StaleVersion`
    where `seen_version`, that of the page the decision was taken on, is not what stands there now.
    """
    now = now or timezone.now()
    move = "approve" if is_approved else "deny"
    chat = _lock(tenant_id, chat_id, move, seen_version)
    if actor.user_id is None:
        raise ValueError(f"{move} is for a member to decide, not for {actor.name}")
    record_decision(
        tenant_id=tenant_id,
        session=(KIND, chat.pk),
        subject=chat.waiting_reason or chat.title,
        outcome=Outcome.APPROVED if is_approved else Outcome.REJECTED,
        seen={
            "title": chat.title,
            "reason": chat.waiting_reason,
            "reason_hash": content_hash(chat.waiting_reason),
            "version": chat.version,
        },
        decided_by_id=actor.user_id,
        comment=redact(tenant_id=tenant_id, text=comment),
    )
    decision = {"decision": move, "by": actor.name}
    seq = _write_line(chat, kind=EntryKind.APPROVAL, text=comment, now=now, role="user", data=decision)
    rule = f"{actor.name} {'approved' if is_approved else 'refused'} it: the agent goes on."
    return _save(chat, move, actor, now, rule, said_at=now, entry_seq=seq)


@transaction.atomic
def fail_turn(
    *,
    tenant_id: uuid.UUID,
    chat_id: uuid.UUID,
    actor: Actor,
    error: str,
    now: datetime | None = None,
    seen_version: int | None = None,
    entry_seq: int | None = None,
) -> Chat:
    """responding -> failed: the last turn failed. The chat stays open, the next message tries again."""
    chat = _lock(tenant_id, chat_id, "fail_turn", seen_version)
    fields = {"error": make_headline(tenant_id, error)}
    now = now or timezone.now()
    return _save(chat, "fail_turn", actor, now, "Its last turn failed.", fields, entry_seq=entry_seq)


@transaction.atomic
def end_chat(
    *,
    tenant_id: uuid.UUID,
    chat_id: uuid.UUID,
    actor: Actor,
    now: datetime | None = None,
    seen_version: int | None = None,
) -> Chat:
    """Any open status -> ended. Touches nothing beside the chat: no run, no task, no transcript."""
    now = now or timezone.now()
    chat = _lock(tenant_id, chat_id, "end", seen_version)
    fields = {"ended_at": now, "changed_at": now, "lease_holder": "", "lease_expires_at": None}
    return _save(chat, "end", actor, now, f"{actor.name} ended it.", fields)


@transaction.atomic
def resume_chat(
    *,
    tenant_id: uuid.UUID,
    chat_id: uuid.UUID,
    actor: Actor,
    now: datetime | None = None,
    seen_version: int | None = None,
) -> Chat:
    """ended -> idle. It is as old as its last message again, so it may be quiet until somebody writes."""
    chat = _lock(tenant_id, chat_id, "resume", seen_version)
    rule = f"{actor.name} opened it again."
    return _save(chat, "resume", actor, now or timezone.now(), rule, {"ended_at": None, "error": ""})


@transaction.atomic
def rename_chat(*, tenant_id: uuid.UUID, chat_id: uuid.UUID, actor: Actor, title: str) -> Chat:
    """Another title, in any status; the same one again changes nothing. Moves neither version nor time."""
    chat = lock_session(Chat, tenant_id=tenant_id, session_id=chat_id)
    before, chat.title = chat.title, make_title(tenant_id, title)
    if chat.title != before:
        chat.save(update_fields=["title"])
        _record(chat, actor, "rename", {"title": (before, chat.title)})
    return chat


def _lock(tenant_id: uuid.UUID, chat_id: uuid.UUID, move: str, seen_version: int | None) -> Chat:
    chat = lock_session(Chat, tenant_id=tenant_id, session_id=chat_id)
    check_move(chat, moves=MOVES, move=move, seen_version=seen_version)
    return chat


def _save(
    chat: Chat,
    move: str,
    actor: Actor,
    now: datetime,
    rule: str,
    fields: Mapping[str, Any] | None = None,
    *,
    said_at: datetime | None = None,
    entry_seq: int | None = None,
) -> Chat:
    last_message_at = max(chat.last_message_at, said_at or chat.last_message_at)
    in_time = {"last_message_at": last_message_at, "changed_at": last_message_at}
    save_move(
        chat,
        kind=KIND,
        moves=MOVES,
        move=move,
        actor=actor,
        now=now,
        rule=rule,
        fields={**_AT_REST, **in_time, **(fields or {})},
        entry_seq=entry_seq,
    )
    return chat


def _write_line(chat: Chat, *, kind: EntryKind, text: str, now: datetime, **more: Any) -> int:
    line = NewEntry(kind=kind, native_id=str(uuid.uuid4()), occurred_at=now, text=text, **more)
    return append_entries(tenant_id=chat.tenant_id, session=(KIND, chat.pk), entries=[line]).last_seq


def _record(chat: Chat, actor: Actor, action: str, changes: Mapping[str, tuple[Any, Any]]) -> None:
    record(
        tenant_id=chat.tenant_id,
        actor=actor,
        action=action,
        object_kind=KIND,
        object_id=chat.pk,
        object_title=chat.title,
        changes=changes,
        session=(KIND, chat.pk),
    )
    announce(tenant_id=chat.tenant_id, kind=KIND, id=chat.pk)
