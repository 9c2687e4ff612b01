"""How a status changes: a table of legal moves, one lock, the row, the audit entry, the announcement."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models

from audit.headlines import make_headline
from audit.services import record
from sessions_app.kinds import IllegalMove, SessionModel, StaleVersion
from sessions_app.live import announce
from workspace.actors import Actor

__all__ = [
    "Move",
    "Moves",
    "allowed_moves",
    "check_move",
    "lock_session",
    "make_evidence",
    "save_move",
    "save_progress",
]

#: The columns of a move whose values before and after the audit log keeps, where they differ.
AUDITED = ("status", "waiting_on", "waiting_reason", "error", "title")


@dataclass(frozen=True, slots=True)
class Move:
    """A transition by its name: the states that it may start from and the status that it ends in.

    A state is `SessionModel.state`: the status, or a finer part of it where the kind has such.
    """

    sources: frozenset[str]
    target: str

    @classmethod
    def of(cls, sources: Iterable[str], target: str) -> Move:
        return cls(frozenset(str(source) for source in sources), str(target))


Moves = Mapping[str, Move]


def allowed_moves(moves: Moves, state: str) -> list[str]:
    """The names of the moves that a session in this state may make, sorted."""
    return sorted(name for name, move in moves.items() if state in move.sources)


def check_move(obj: SessionModel, *, moves: Moves, move: str, seen_version: int | None = None) -> None:
    """Raise `StaleVersion` or `IllegalMove` unless a locked row may make `move`; nothing is written.

    `save_move` checks by itself: call this first where a service has work to do before it.
    """
    subject = f"{obj._meta.verbose_name} “{obj.title}”"
    if seen_version is not None and seen_version != obj.version:
        raise StaleVersion(subject=subject, seen=seen_version, current=obj.version, status=obj.state)
    if obj.state not in moves[move].sources:
        raise IllegalMove(
            subject=subject, tried=move, status=obj.state, allowed=allowed_moves(moves, obj.state)
        )


def make_evidence(*, rule: str, event: str, actor: Actor, now: datetime) -> list[dict[str, str]]:
    """Why a status is what it is, as `SessionModel.evidence` holds it; `rule` is the reason in words."""
    return [
        {"label": "Rule", "text": rule},
        {"label": "Last event", "text": event.replace("_", " "), "at": now.isoformat()},
        {"label": "Set by", "text": actor.name},
    ]


def lock_session[M: SessionModel](model: type[M], *, tenant_id: uuid.UUID, session_id: uuid.UUID) -> M:
    """The row, locked until the transaction ends. Raises the model's DoesNotExist for a stranger's id."""
    rows = model._default_manager.select_for_update(no_key=True, of=("self",))
    return rows.get(tenant_id=tenant_id, pk=session_id)


def save_move(
    obj: SessionModel,
    *,
    kind: str,
    moves: Moves,
    move: str,
    actor: Actor,
    now: datetime,
    rule: str,
    fields: Mapping[str, Any] | None = None,
    seen_version: int | None = None,
    entry_seq: int | None = None,
) -> None:
    """Make `move` on a locked row: check it, write it, record who did it, announce it.

    `rule` is the reason that people read behind the status; it is redacted and stored as one line.
    `fields` are further columns of the same write;
    `changed_at` becomes `now` and `evidence` tells of the move unless they say otherwise. `seen_version`
    binds a decision to what was seen.
    Raises `StaleVersion` or `IllegalMove` with nothing changed. Call it inside the caller's transaction.
    """
    check_move(obj, moves=moves, move=move, seen_version=seen_version)
    because = make_headline(obj.tenant_id, rule)
    evidence = make_evidence(rule=because, event=move, actor=actor, now=now)
    values = {
        "changed_at": now,
        "evidence": evidence,
        **(fields or {}),
        "status": moves[move].target,
        "version": obj.version + 1,
    }
    changes = {name: (getattr(obj, name), values[name]) for name in AUDITED if name in values}
    _write(obj, values)
    record(
        tenant_id=obj.tenant_id,
        actor=actor,
        action=move,
        object_kind=kind,
        object_id=obj.pk,
        object_title=obj.title,
        changes={name: pair for name, pair in changes.items() if name == "status" or pair[0] != pair[1]},
        session=(kind, obj.pk),
        entry_seq=entry_seq,
    )
    announce(tenant_id=obj.tenant_id, kind=kind, id=obj.pk)


def save_progress(obj: SessionModel, *, kind: str, now: datetime, fields: Mapping[str, Any]) -> None:
    """Write progress of a locked row: no version, no audit entry, one announcement."""
    _write(obj, {"changed_at": now, **fields})
    announce(tenant_id=obj.tenant_id, kind=kind, id=obj.pk)


def _write(obj: models.Model, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(obj, name, value)
    obj.save(update_fields=list(values))
