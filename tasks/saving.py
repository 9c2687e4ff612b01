"""How a task is locked and written, together with the counts on the task that fanned out to it.

Locks are taken from the top of a fan-out downwards: a parent before its children, children by id. A session
that a task carries is locked before the task. So no two writers can wait for each other.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.entries import EntryKind, NewEntry
from audit.moves import Moves, check_move, lock_session, save_move, save_progress
from audit.services import append_entries
from tasks.models import BackgroundTask, WaitingOn
from tasks.states import ENDED, KIND, WAITING_FOR, moves_of
from workspace.actors import SYSTEM, Actor

__all__ = ["LockedTask", "count_child", "lock_children", "lock_task", "save_task", "settle", "write_line"]

#: What a move leaves behind unless it says otherwise: nobody is waited for, no sub-step is under way.
_AT_REST: dict[str, Any] = {"waiting_on": "", "waiting_reason": "", "waiting_since": None, "substate": ""}
_NO_LEASE: dict[str, Any] = {"lease_holder": "", "lease_expires_at": None}


@dataclass(frozen=True, slots=True)
class LockedTask:
    """A task whose row, and whose parent's, nobody else can write until the transaction ends."""

    task: BackgroundTask
    parent: BackgroundTask | None


def lock_task(tenant_id: uuid.UUID, task_id: uuid.UUID) -> LockedTask:
    """Raises `BackgroundTask.DoesNotExist` for a stranger's id. A task never changes its parent."""
    parent_id = (
        BackgroundTask.objects.for_tenant(tenant_id).values_list("parent_id", flat=True).get(pk=task_id)
    )
    parent = lock_session(BackgroundTask, tenant_id=tenant_id, session_id=parent_id) if parent_id else None
    return LockedTask(lock_session(BackgroundTask, tenant_id=tenant_id, session_id=task_id), parent)


def lock_children(parent: BackgroundTask) -> list[LockedTask]:
    """The children of a locked task, by id."""
    children = BackgroundTask.objects.for_tenant(parent.tenant_id).filter(parent=parent).order_by("pk")
    return [LockedTask(child, parent) for child in children.select_for_update(no_key=True, of=("self",))]


def save_task(
    locked: LockedTask,
    move: str,
    *,
    actor: Actor,
    now: datetime,
    rule: str,
    fields: Mapping[str, Any] | None = None,
    seen_version: int | None = None,
    entry_seq: int | None = None,
    moves: Moves | None = None,
) -> BackgroundTask:
    """Make a move on a locked task, and count it on its parent if it has ended by it or lives again."""
    task = locked.task
    moves = moves or moves_of(task)
    check_move(task, moves=moves, move=move, seen_version=seen_version)
    had_ended = task.status in ENDED
    has_ended = moves[move].target in ENDED
    ending = {"finished_at": task.finished_at or now, **_NO_LEASE} if has_ended else {}
    save_move(
        task,
        kind=KIND,
        moves=moves,
        move=move,
        actor=actor,
        now=now,
        rule=rule,
        fields={**_AT_REST, **ending, **(fields or {})},
        entry_seq=entry_seq,
    )
    if locked.parent is not None and had_ended != has_ended:
        count_child(locked.parent, done=1 if has_ended else -1, now=now)
    return task


def count_child(parent: BackgroundTask, *, added: int = 0, done: int = 0, now: datetime) -> None:
    """Move the `3 of 5` of a locked parent; one that waits for its children goes on when all have ended."""
    counts = {
        "child_count": parent.child_count + added,
        "child_done_count": parent.child_done_count + done,
        "changed_at": max(parent.changed_at, now),
    }
    save_progress(parent, kind=KIND, now=now, fields=counts)
    settle(parent, now=now)


def settle(task: BackgroundTask, *, now: datetime) -> None:
    """Let a locked task that waits for its children go on if none of them is left to wait for."""
    if task.state == WAITING_FOR[WaitingOn.CHILDREN] and task.child_done_count == task.child_count:
        save_move(
            task,
            kind=KIND,
            moves=moves_of(task),
            move="resume",
            actor=SYSTEM,
            now=now,
            rule="Every one of its sub-agents has ended.",
            fields=_AT_REST | {"changed_at": max(task.changed_at, now)},
        )


def write_line(task: BackgroundTask, *, kind: EntryKind, text: str, now: datetime, **more: Any) -> int:
    """Add one line to the task's transcript; its number there."""
    line = NewEntry(kind=kind, native_id=str(uuid.uuid4()), occurred_at=now, text=text, **more)
    return append_entries(tenant_id=task.tenant_id, session=(KIND, task.pk), entries=[line]).last_seq
