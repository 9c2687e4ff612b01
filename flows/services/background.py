"""Runs that nobody watches: a background task carries each, shows its state and stands in the list for it."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit.entries import EntryKind
from audit.models import TranscriptEntry
from audit.moves import lock_session, save_progress
from audit.services import Appended, record
from flows.models import FlowRun, RunMode, RunStatus
from flows.moves import KIND, mirror_run, write_line
from sessions_app.kinds import IllegalMove
from tasks.services import Source, create_task
from workspace.actors import Actor
from workspace.placement import Placement

__all__ = ["CAN_GO", "carry_run", "count_turns", "send_to_background"]

#: The statuses in which a run has something left to do without being watched.
CAN_GO = frozenset(
    {RunStatus.PENDING, RunStatus.RUNNING, RunStatus.PAUSED, RunStatus.BLOCKED, RunStatus.INTERRUPTED}
)


@transaction.atomic
def send_to_background(
    *, tenant_id: uuid.UUID, run_id: uuid.UUID, actor: Actor, now: datetime | None = None
) -> FlowRun:
    """A run that was watched goes on in the background, as it stands: its status and version stay.

    Raises IllegalMove for a run that has ended or is there already.
    """
    now = now or timezone.now()
    run = lock_session(FlowRun, tenant_id=tenant_id, session_id=run_id)
    if run.run_mode == RunMode.BACKGROUND or run.status not in CAN_GO:
        place = " in the background" if run.run_mode == RunMode.BACKGROUND else ""
        raise IllegalMove(
            subject=f"flow run “{run.title}”", tried="background", status=f"{run.status}{place}", allowed=()
        )
    seq = write_line(
        run,
        kind=EntryKind.STATUS,
        native_id="run:background",
        text=f"{actor.name} sent the run to the background",
        now=now,
        data={"event": "run_background"},
    )
    save_progress(run, kind=KIND, now=now, fields={"run_mode": RunMode.BACKGROUND, "is_folded": True})
    record(
        tenant_id=tenant_id,
        actor=actor,
        action="send_to_background",
        object_kind=KIND,
        object_id=run.pk,
        object_title=run.title,
        changes={"run_mode": (str(RunMode.INTERACTIVE), str(RunMode.BACKGROUND))},
        session=(KIND, run.pk),
        entry_seq=seq,
    )
    carry_run(run, actor=actor, now=now)
    return run


def carry_run(run: FlowRun, *, actor: Actor, now: datetime) -> None:
    """Make the task that carries a locked run in the background, in the state that the run is in by now."""
    create_task(
        tenant_id=run.tenant_id,
        placement=Placement(owner_id=run.owner_id, initiative_id=run.initiative_id, plan_id=run.plan_id),
        title=run.title,
        actor=actor,
        source=Source(kind=KIND, id=run.pk),
        is_carrier=True,
        repo=run.repo,
        origin=run.origin,
        now=now,
    )
    mirror_run(run, actor=actor, now=now, turn_count=count_turns(run))


def count_turns(run: FlowRun, since: Appended | None = None) -> int:
    """The turns that agents took in a run: what they said, in all of it or in what was added just now."""
    said = TranscriptEntry.objects.for_tenant(run.tenant_id).filter(
        kind=EntryKind.MESSAGE.value, role="assistant"
    )
    if since is None:
        return said.filter(transcript__session_kind=KIND, transcript__session_id=run.pk).count()
    new = {"seq__gte": since.first_seq, "seq__lte": since.last_seq}
    return said.filter(transcript_id=since.transcript_id, **new).count() if since.added else 0
