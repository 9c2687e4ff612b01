"""The writers of the record. Every service calls `record`; transcripts are written here alone."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

from audit.appending import Appended, append_entries, redact, redact_value
from audit.ids import clean_id, clean_ids
from audit.models import AuditEntry, DecisionReceipt
from workspace.actors import MAX_NAME, Actor

__all__ = [
    "Appended",
    "append_entries",
    "clean_id",
    "clean_ids",
    "content_hash",
    "record",
    "record_decision",
    "redact",
    "redact_value",
]


def record(
    *,
    tenant_id: uuid.UUID,
    actor: Actor,
    action: str,
    object_kind: str,
    object_id: uuid.UUID,
    object_title: str,
    changes: Mapping[str, tuple[Any, Any]] | None = None,
    session: tuple[str, uuid.UUID] | None = None,
    entry_seq: int | None = None,
) -> AuditEntry:
    """Say who did what to which object; `changes` is {field: (before, after)} of JSON values.

    Call it inside the transaction of the change. Text handed in here has been redacted by its owner.
    """
    session_kind, session_id = session or ("", None)
    return AuditEntry.objects.create(
        tenant_id=tenant_id,
        actor_kind=actor.kind.value,
        actor_id=actor.user_id,
        actor_name=actor.name[:MAX_NAME],
        action=action,
        object_kind=object_kind,
        object_id=object_id,
        object_title=object_title[:300],
        changes={name: list(pair) for name, pair in (changes or {}).items()},
        session_kind=session_kind,
        session_id=session_id,
        entry_seq=entry_seq,
    )


def content_hash(seen: Any) -> str:
    """SHA-256 of canonical JSON: what a person was shown when they decided."""
    canonical = json.dumps(seen, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def record_decision(
    *,
    tenant_id: uuid.UUID,
    session: tuple[str, uuid.UUID],
    subject: str,
    outcome: str,
    seen: Any,
    decided_by_id: uuid.UUID | None,
    comment: str = "",
) -> DecisionReceipt:
    """Keep one decision and exactly what it was taken on."""
    return DecisionReceipt.objects.create(
        tenant_id=tenant_id,
        session_kind=session[0],
        session_id=session[1],
        subject=subject[:300],
        outcome=outcome,
        comment=comment,
        decided_by_id=decided_by_id,
        content_hash=content_hash(seen),
        seen=seen,
    )
