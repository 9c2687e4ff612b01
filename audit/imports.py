"""How a row that stands for a session of another tool is brought to what its source says now."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from audit.entries import NewEntry, NewRecord, RunFacts, Usage
from audit.moves import Move, save_move, save_progress
from audit.redaction import Redactor
from audit.services import Appended, append_entries, record
from sessions_app.kinds import SessionModel
from sessions_app.live import announce
from workspace.actors import Actor

__all__ = ["Delivery", "SyncOutcome", "Synced", "append_delivery", "record_import", "sync_row"]

_MOVING = frozenset({"status", "waiting_on", "waiting_reason", "error"})


class SyncOutcome(StrEnum):
    """What a delivery of a session did to its row and its transcript."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a source brings for a session's transcript; what the transcript has already adds nothing.

    `first_facts` are those of the session's beginning, `facts` those of what was read last.
    """

    entries: Iterable[NewEntry] = ()
    first_facts: RunFacts | None = None
    facts: RunFacts | None = None
    usages: Iterable[Usage] = ()
    records: Iterable[NewRecord] = ()
    source: str = ""
    native_session_id: str = ""


@dataclass(frozen=True, slots=True)
class Synced:
    """The session that a delivery became or changed, and what it added to the transcript."""

    session_id: uuid.UUID
    outcome: SyncOutcome
    appended: Appended


def append_delivery(
    tenant_id: uuid.UUID,
    session: tuple[str, uuid.UUID],
    delivery: Delivery,
    *,
    is_latest: bool = True,
    redactor: Redactor | None = None,
) -> Appended:
    """Hand a delivery to `append_entries`, which says what the last two mean."""
    return append_entries(
        tenant_id=tenant_id,
        session=session,
        entries=delivery.entries,
        first_facts=delivery.first_facts,
        facts=delivery.facts,
        usages=delivery.usages,
        records=delivery.records,
        source=delivery.source,
        native_session_id=delivery.native_session_id,
        is_latest=is_latest,
        redactor=redactor,
    )


def record_import(obj: SessionModel, *, kind: str, actor: Actor) -> None:
    """The audit entry and the announcement of an imported row that was just inserted."""
    record(
        tenant_id=obj.tenant_id,
        actor=actor,
        action="import",
        object_kind=kind,
        object_id=obj.pk,
        object_title=obj.title,
        changes={"status": (None, str(obj.status))},
        session=(kind, obj.pk),
    )
    announce(tenant_id=obj.tenant_id, kind=kind, id=obj.pk)


def sync_row(
    obj: SessionModel,
    *,
    kind: str,
    actor: Actor,
    values: Mapping[str, Any],
    has_new_entries: bool,
    now: datetime,
) -> SyncOutcome:
    """Write to a locked row what differs of `values`, which hold its columns as its source says them.

    A change of status, waiting reason or error is a move: version, audit entry, announcement. A new title is
    written down in the audit log. Anything else is progress. Nothing new: nothing is written or announced.
    """
    changes = {name: value for name, value in values.items() if getattr(obj, name) != value}
    if not changes and not has_new_entries:
        return SyncOutcome.UNCHANGED
    if changes.keys() & _MOVING:
        moves = {"import": Move.of([obj.state], values["status"])}
        save_move(
            obj, kind=kind, moves=moves, move="import", actor=actor, now=now, rule="", fields=dict(values)
        )
    elif changes:
        title = obj.title
        save_progress(obj, kind=kind, now=now, fields={"changed_at": obj.changed_at, **changes})
        _record_title(obj, kind, actor, title)
    else:
        announce(tenant_id=obj.tenant_id, kind=kind, id=obj.pk)
    return SyncOutcome.UPDATED


def _record_title(obj: SessionModel, kind: str, actor: Actor, before: str) -> None:
    if obj.title != before:
        record(
            tenant_id=obj.tenant_id,
            actor=actor,
            action="import",
            object_kind=kind,
            object_id=obj.pk,
            object_title=obj.title,
            changes={"title": (before, obj.title)},
            session=(kind, obj.pk),
        )
