"""How background tasks come to be: alone, for another session, or as a sub-agent of a task."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from agents.models import Profile
from audit.headlines import make_title
from audit.moves import make_evidence
from audit.redaction import Redactor
from audit.services import clean_id, record, redact
from sessions_app.kinds import Origin
from sessions_app.live import announce
from tasks.models import BackgroundTask
from tasks.states import KIND
from workspace.actors import Actor
from workspace.placement import Placement, check_placement

__all__ = ["ChildSpec", "Source", "create_task", "insert_child", "source_columns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The session that a task was started from, and the entry and tool call there that started it."""

    kind: str
    id: uuid.UUID
    entry_id: uuid.UUID | None = None
    call_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """A sub-agent that a task wants: what it is to do, and by which profile if not by the parent's."""

    title: str = field(repr=False)
    prompt: str = field(repr=False)
    profile_id: uuid.UUID | None = None
    call_id: str = ""


@transaction.atomic
def create_task(
    *,
    tenant_id: uuid.UUID,
    placement: Placement,
    title: str,
    prompt: str = "",
    actor: Actor,
    profile_id: uuid.UUID | None = None,
    source: Source | None = None,
    is_carrier: bool = False,
    repo: str = "",
    origin: str = Origin.WEB,
    now: datetime | None = None,
) -> BackgroundTask:
    """A queued task. With `is_carrier` it carries its source: it has no work of its own and follows it.

    Raises the DoesNotExist of whatever the placement or the profile names in another tenant, and
    IntegrityError for a carrier without a source or of one that a live task carries already. Where a carrier
    stands is its source's: that was checked when the source began, and its owner may have left since.
    """
    if not is_carrier:
        check_placement(tenant_id, placement)
    if profile_id is not None:
        Profile.objects.for_tenant(tenant_id).get(pk=profile_id)
    now = now or timezone.now()
    task = BackgroundTask(
        tenant_id=tenant_id,
        owner_id=placement.owner_id,
        initiative_id=placement.initiative_id,
        plan_id=placement.plan_id,
        title=make_title(tenant_id, title),
        prompt=redact(tenant_id=tenant_id, text=prompt),
        profile_id=profile_id,
        is_carrier=is_carrier,
        repo=redact(tenant_id=tenant_id, text=repo)[:300],
        origin=origin,
        changed_at=now,
        **source_columns(tenant_id, source),
    )
    return _insert(task, actor=actor, now=now, rule="It stands in the queue.")


def insert_child(parent: BackgroundTask, spec: ChildSpec, *, actor: Actor, now: datetime) -> BackgroundTask:
    """A queued sub-agent of a locked task; the caller counts it there."""
    tenant_id = parent.tenant_id
    if spec.profile_id is not None:
        Profile.objects.for_tenant(tenant_id).get(pk=spec.profile_id)
    child = BackgroundTask(
        tenant_id=tenant_id,
        parent=parent,
        owner_id=parent.owner_id,
        initiative_id=parent.initiative_id,
        plan_id=parent.plan_id,
        title=make_title(tenant_id, spec.title),
        prompt=redact(tenant_id=tenant_id, text=spec.prompt),
        profile_id=spec.profile_id or parent.profile_id,
        repo=parent.repo,
        origin=Origin.AGENT,
        is_folded=True,
        changed_at=now,
        **source_columns(tenant_id, Source(kind=KIND, id=parent.pk, call_id=spec.call_id)),
    )
    return _insert(child, actor=actor, now=now, rule="Its parent put it into the queue.")


def _insert(task: BackgroundTask, *, actor: Actor, now: datetime, rule: str) -> BackgroundTask:
    task.evidence = make_evidence(rule=rule, event="create", actor=actor, now=now)
    task.save(force_insert=True)
    record(
        tenant_id=task.tenant_id,
        actor=actor,
        action="create",
        object_kind=KIND,
        object_id=task.pk,
        object_title=task.title,
        changes={"status": (None, str(task.status))},
        session=(KIND, task.pk),
    )
    announce(tenant_id=task.tenant_id, kind=KIND, id=task.pk)
    return task


def source_columns(
    tenant_id: uuid.UUID, source: Source | None, redactor: Redactor | None = None
) -> dict[str, object]:
    """The columns of a task that say where it was started from; the call's id as transcripts hold it."""
    if source is None:
        return {}
    return {
        "source_kind": source.kind,
        "source_id": source.id,
        "source_entry_id": source.entry_id,
        "source_call_id": clean_id(tenant_id, source.call_id, redactor),
    }
