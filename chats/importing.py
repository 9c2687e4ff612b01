"""Chats that are held elsewhere: their rows are brought to what their records say, no more and no less."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from uuid_utils.compat import uuid7

from audit.headlines import make_evidence, make_headline, make_title
from audit.imports import Delivery, Synced, SyncOutcome, append_delivery, record_import, sync_row
from audit.models import AuditEntry
from audit.moves import lock_session
from audit.redaction import Redactor
from audit.redactors import redactor_for
from audit.services import redact
from chats.models import Chat, ChatMode, ChatStatus
from chats.states import KIND
from sessions_app.kinds import Evidence, Origin
from workspace.actors import Actor
from workspace.placement import Placement, check_placement

__all__ = ["IMPORTED_STATUSES", "ImportedChat", "sync_imported_chat"]

#: What a record can say. That it stopped growing says neither that the agent is at work nor that all is over.
IMPORTED_STATUSES = frozenset({ChatStatus.IDLE, ChatStatus.AWAITING_YOU, ChatStatus.FAILED})
#: What is left as it is while the chat's status here is not one that a record can say.
_STATE_COLUMNS = frozenset({"status", "evidence", "waiting_reason", "waiting_since", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedChat:
    """A chat as its records tell of it, not yet redacted.

    `status` is one of `IMPORTED_STATUSES`, `evidence` the reason for it; `waiting_reason` is the question of
    one that awaits an answer. `last_message_at` is the newest message, tool calls and results included.
    """

    title: str = field(repr=False)
    status: ChatStatus
    evidence: tuple[Evidence, ...] = field(repr=False)
    last_message_at: datetime
    waiting_reason: str = field(default="", repr=False)
    waiting_since: datetime | None = None
    error: str = field(default="", repr=False)
    message_count: int = 0
    turn_count: int = 0
    repo: str = ""
    origin: str = Origin.CLI
    mode: ChatMode = ChatMode.CHAT


@transaction.atomic
def sync_imported_chat(
    *,
    tenant_id: uuid.UUID,
    session_id: uuid.UUID | None,
    placement: Placement,
    chat: ImportedChat,
    actor: Actor,
    delivery: Delivery | None = None,
    is_latest: bool = True,
) -> Synced:
    """Create an imported chat (`session_id` None), or bring it up to date.

    Of records that are not the latest, only entries that the transcript lacks are taken.

    When nothing is new, nothing is written or announced. The placement counts when the chat is created. A
    title that a member gave here stays. A chat that was ended here stays ended until its records hold a
    message from after that. Raises ValueError for a status that no record can say, and DoesNotExist for a
    session or placement of another tenant.
    """
    if chat.status not in IMPORTED_STATUSES:
        raise ValueError(f"an import cannot say that a chat is {chat.status}")
    if session_id is None:
        return _create(tenant_id, placement, chat, actor, delivery or Delivery())
    row = lock_session(Chat, tenant_id=tenant_id, session_id=session_id)
    redactor = redactor_for(tenant_id)
    appended = append_delivery(
        tenant_id, (KIND, row.pk), delivery or Delivery(), is_latest=is_latest, redactor=redactor
    )
    outcome = sync_row(
        row,
        kind=KIND,
        actor=actor,
        values=_columns_to_take(row, chat, redactor) if is_latest else {},
        has_new_entries=bool(appended.added),
        now=chat.last_message_at,
    )
    return Synced(row.pk, outcome, appended)


def _create(
    tenant_id: uuid.UUID, placement: Placement, chat: ImportedChat, actor: Actor, delivery: Delivery
) -> Synced:
    check_placement(tenant_id, placement)
    redactor = redactor_for(tenant_id)
    row = Chat(
        id=uuid7(),
        tenant_id=tenant_id,
        owner_id=placement.owner_id,
        initiative_id=placement.initiative_id,
        plan_id=placement.plan_id,
        **_columns(tenant_id, chat, redactor),
    )
    row.save(force_insert=True)
    appended = append_delivery(tenant_id, (KIND, row.pk), delivery, redactor=redactor)
    record_import(row, kind=KIND, actor=actor)
    return Synced(row.pk, SyncOutcome.CREATED, appended)


def _columns_to_take(row: Chat, chat: ImportedChat, redactor: Redactor) -> dict[str, Any]:
    """What the records may say of a row that is there already: what members decided here stands."""
    values = _columns(row.tenant_id, chat, redactor)
    if values["title"] != row.title and _was_renamed(row):
        del values["title"]
    if row.ended_at is not None and chat.last_message_at > row.ended_at:
        return values | {"ended_at": None}
    if row.status not in IMPORTED_STATUSES:
        values = {name: value for name, value in values.items() if name not in _STATE_COLUMNS}
    if row.ended_at is not None:
        del values["changed_at"]
    return values


def _was_renamed(row: Chat) -> bool:
    entries = AuditEntry.objects.for_tenant(row.tenant_id)
    return entries.filter(object_kind=KIND, object_id=row.pk, action="rename").exists()


def _columns(tenant_id: uuid.UUID, chat: ImportedChat, redactor: Redactor) -> dict[str, Any]:
    """The row's columns as its source says them, redacted."""
    return {
        "title": make_title(tenant_id, chat.title, redactor),
        "status": chat.status,
        "evidence": make_evidence(tenant_id, chat.evidence, redactor),
        "last_message_at": chat.last_message_at,
        "changed_at": chat.last_message_at,
        "waiting_reason": make_headline(tenant_id, chat.waiting_reason, redactor),
        "waiting_since": chat.waiting_since,
        "error": make_headline(tenant_id, chat.error, redactor),
        "message_count": chat.message_count,
        "turn_count": chat.turn_count,
        "repo": redact(tenant_id=tenant_id, text=chat.repo, redactor=redactor)[:300],
        "origin": chat.origin,
        "mode": chat.mode,
    }
