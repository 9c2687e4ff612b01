"""Sub-agents that ran elsewhere: their rows are brought to what their records say, no more and no less."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from uuid_utils.compat import uuid7

from audit.headlines import make_evidence, make_headline, make_title
from audit.imports import Delivery, Synced, SyncOutcome, append_delivery, record_import, sync_row
from audit.models import AuditEntry, Transcript
from audit.moves import lock_session
from audit.redaction import Redactor
from audit.redactors import redactor_for
from audit.services import record, redact
from audit.transcripts import find_transcript
from sessions_app.kinds import Evidence, Origin
from sessions_app.live import announce
from tasks.creating import Source, source_columns
from tasks.models import BackgroundTask, TaskStatus
from tasks.saving import count_child, lock_task
from tasks.states import ENDED, KIND
from workspace.actors import Actor
from workspace.placement import Placement, check_placement

__all__ = [
    "IMPORTED_STATUSES",
    "ImportedTask",
    "fold_imported_task",
    "join_imported_task",
    "sync_imported_task",
]

#: What a record of work elsewhere can say. That it stopped growing says nothing about its end.
IMPORTED_STATUSES = frozenset(
    {TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.UNKNOWN}
)
#: What a person's later decision here (to dismiss it) keeps an import from changing.
_STATE_COLUMNS = ("status", "error", "finished_at", "evidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedTask:
    """A sub-agent as its records tell of it, not yet redacted.

    `status` is one of `IMPORTED_STATUSES`, `evidence` the reason for it. `changed_at` is its last activity.
    `is_folded`: it belongs to another session, which shows it.
    """

    title: str = field(repr=False)
    status: TaskStatus
    evidence: tuple[Evidence, ...] = field(repr=False)
    changed_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    prompt: str = field(default="", repr=False)
    result: str = field(default="", repr=False)
    error: str = field(default="", repr=False)
    source: Source | None = None
    turn_count: int = 0
    files_touched: int = 0
    repo: str = ""
    origin: str = Origin.AGENT
    is_folded: bool = True


@transaction.atomic
def sync_imported_task(
    *,
    tenant_id: uuid.UUID,
    session_id: uuid.UUID | None,
    placement: Placement,
    task: ImportedTask,
    actor: Actor,
    parent_id: uuid.UUID | None = None,
    delivery: Delivery | None = None,
    is_latest: bool = True,
) -> Synced:
    """Create the task of an imported sub-agent (`session_id` None), or bring it up to date.

    Of records that are not the latest, only entries that the transcript lacks are taken.

    When nothing is new, nothing is written, counted or announced. The placement and the parent count when the
    task is created. A task that was dismissed here stays so. Raises ValueError for a status that no record
    can say, and DoesNotExist for a session, parent or placement of another tenant.
    """
    if task.status not in IMPORTED_STATUSES:
        raise ValueError(f"an import cannot say that a task is {task.status}")
    if session_id is None:
        return _create(tenant_id, placement, task, actor, parent_id, delivery or Delivery())
    locked = lock_task(tenant_id, session_id)
    row = locked.task
    redactor = redactor_for(tenant_id)
    appended = append_delivery(
        tenant_id, (KIND, row.pk), delivery or Delivery(), is_latest=is_latest, redactor=redactor
    )
    values = _columns(tenant_id, task, redactor) if is_latest else {}
    had_ended = row.status in ENDED
    if row.status not in IMPORTED_STATUSES:
        values = {name: value for name, value in values.items() if name not in _STATE_COLUMNS}
    outcome = sync_row(
        row,
        kind=KIND,
        actor=actor,
        values=values,
        has_new_entries=bool(appended.added),
        now=task.changed_at,
    )
    if locked.parent is not None and had_ended != (row.status in ENDED):
        count_child(locked.parent, done=-1 if had_ended else 1, now=task.changed_at)
    return Synced(row.pk, outcome, appended)


@transaction.atomic
def join_imported_task(
    *, tenant_id: uuid.UUID, session_id: uuid.UUID, source: Source, prompt: str, actor: Actor
) -> SyncOutcome:
    """Fold an imported sub-agent that came alone under the session that started it, once that is here.

    `prompt` is what the starter's transcript, already redacted, holds of the call. Does nothing to a task
    that belongs to a session already. Raises DoesNotExist for a task of another tenant.
    """
    row = lock_task(tenant_id, session_id).task
    if row.is_folded:
        return SyncOutcome.UNCHANGED
    redactor = redactor_for(tenant_id)
    values = {
        "is_folded": True,
        "prompt": row.prompt or prompt,
        **source_columns(tenant_id, source, redactor),
    }
    return sync_row(row, kind=KIND, actor=actor, values=values, has_new_entries=False, now=row.changed_at)


@transaction.atomic
def fold_imported_task(
    *, tenant_id: uuid.UUID, session_id: uuid.UUID, into_id: uuid.UUID, actor: Actor
) -> bool:
    """Remove the task of a sub-agent that only its call told of, now that it is known to be `into_id`.

    Returns False and leaves it if it is more than what a call tells: if it has a transcript or sub-agents, or
    anything but imports happened to it. Raises DoesNotExist for a task of another tenant.
    """
    locked = lock_task(tenant_id, session_id)
    row = locked.task
    if not _is_told_only(row):
        return False
    survivor = BackgroundTask.objects.for_tenant(tenant_id).get(pk=into_id)
    if locked.parent is not None:
        count_child(locked.parent, added=-1, done=-int(row.status in ENDED), now=row.changed_at)
    Transcript.objects.for_tenant(tenant_id).filter(session_kind=KIND, session_id=session_id).delete()
    row.delete()
    record(
        tenant_id=tenant_id,
        actor=actor,
        action="fold",
        object_kind=KIND,
        object_id=session_id,
        object_title=row.title,
        changes={"status": (str(row.status), None)},
        session=(KIND, survivor.pk),
    )
    for changed in (session_id, survivor.pk):
        announce(tenant_id=tenant_id, kind=KIND, id=changed)
    return True


def _is_told_only(row: BackgroundTask) -> bool:
    """Whether a locked task has nothing but what an import wrote to its row."""
    transcript = find_transcript(row.tenant_id, (KIND, row.pk))
    tasks, entries = BackgroundTask.objects.for_tenant(row.tenant_id), AuditEntry.objects
    of_row = entries.for_tenant(row.tenant_id).filter(object_kind=KIND, object_id=row.pk)
    return (
        row.status in IMPORTED_STATUSES
        and (transcript is None or _is_empty(transcript))
        and not tasks.filter(parent=row).exists()
        and not tasks.filter(source_kind=KIND, source_id=row.pk).exists()
        and of_row.filter(action="import").exists()
        and not of_row.exclude(action="import").exists()
    )


def _is_empty(transcript: Transcript) -> bool:
    return not (transcript.entry_count or transcript.raw_records.exists() or transcript.usages.exists())


def _create(
    tenant_id: uuid.UUID,
    placement: Placement,
    task: ImportedTask,
    actor: Actor,
    parent_id: uuid.UUID | None,
    delivery: Delivery,
) -> Synced:
    check_placement(tenant_id, placement)
    parent = lock_session(BackgroundTask, tenant_id=tenant_id, session_id=parent_id) if parent_id else None
    redactor = redactor_for(tenant_id)
    row = BackgroundTask(
        id=uuid7(),
        tenant_id=tenant_id,
        owner_id=placement.owner_id,
        initiative_id=placement.initiative_id,
        plan_id=placement.plan_id,
        parent=parent,
        **_columns(tenant_id, task, redactor),
    )
    row.save(force_insert=True)
    appended = append_delivery(tenant_id, (KIND, row.pk), delivery, redactor=redactor)
    record_import(row, kind=KIND, actor=actor)
    if parent is not None:
        count_child(parent, added=1, done=int(row.status in ENDED), now=task.changed_at)
    return Synced(row.pk, SyncOutcome.CREATED, appended)


def _columns(tenant_id: uuid.UUID, task: ImportedTask, redactor: Redactor) -> dict[str, Any]:
    """The row's columns as its source says them, redacted."""
    return {
        "title": make_title(tenant_id, task.title, redactor),
        "status": task.status,
        "evidence": make_evidence(tenant_id, task.evidence, redactor),
        "changed_at": task.changed_at,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
        "prompt": redact(tenant_id=tenant_id, text=task.prompt, redactor=redactor),
        "result": redact(tenant_id=tenant_id, text=task.result, redactor=redactor),
        "error": make_headline(tenant_id, task.error, redactor),
        "turn_count": task.turn_count,
        "files_touched": task.files_touched,
        "repo": redact(tenant_id=tenant_id, text=task.repo, redactor=redactor)[:300],
        "origin": task.origin,
        "is_folded": task.is_folded,
        **source_columns(tenant_id, task.source, redactor),
    }
