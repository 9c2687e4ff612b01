"""Schedules that start flows: made and changed by members, used by one job that claims each due time once."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import transaction
from django.utils import timezone

from audit.entries import JSON, EntryKind
from audit.headlines import make_headline
from audit.services import record, redact_value
from flows.design import ParameterDesign, read_values
from flows.models import LIVE_STATUSES, Flow, FlowRun, FlowTrigger, RunStatus
from flows.moves import write_line
from flows.schedules import check_schedule, count_times, next_times
from flows.services.starting import start_run
from sessions_app.kinds import Origin
from workspace.actors import Actor, ActorKind
from workspace.models import Membership
from workspace.placement import Placement

__all__ = [
    "SCHEDULE",
    "create_trigger",
    "delete_trigger",
    "pause_trigger",
    "resume_trigger",
    "run_trigger_now",
    "start_due_triggers",
    "update_trigger",
]

logger = logging.getLogger(__name__)

SCHEDULE = Actor(ActorKind.SYSTEM, "schedule")

#: A start is late, and says so, when it comes longer than this after its time.
LATE = timedelta(minutes=1)
#: One that cannot be used is tried again after this.
PUT_OFF = timedelta(minutes=5)
#: How many due triggers one call takes up; the next one takes the rest.
BATCH = 200


@transaction.atomic
def create_trigger(
    *,
    tenant_id: uuid.UUID,
    flow_id: uuid.UUID,
    owner_id: uuid.UUID,
    actor: Actor,
    cron: str,
    time_zone: str,
    parameters: Mapping[str, JSON] | None = None,
    skips_overlap: bool = False,
    now: datetime | None = None,
) -> FlowTrigger:
    """A trigger whose runs are the owner's.

    Raises ValidationError by field: cron, time_zone, or the name of a parameter that does not fit the flow as
    it is now; and the DoesNotExist of a flow or a member of another workspace.
    """
    now = now or timezone.now()
    flow = Flow.objects.for_tenant(tenant_id).get(pk=flow_id)
    Membership.objects.for_tenant(tenant_id).get(user_id=owner_id)
    trigger = FlowTrigger(tenant_id=tenant_id, flow=flow, owner_id=owner_id)
    _fill(trigger, cron, time_zone, parameters or {}, skips_overlap, now)
    trigger.save(force_insert=True)
    _record(trigger, actor, "create_trigger", {"cron": (None, trigger.cron)})
    return trigger


@transaction.atomic
def update_trigger(
    *,
    tenant_id: uuid.UUID,
    trigger_id: uuid.UUID,
    actor: Actor,
    cron: str,
    time_zone: str,
    parameters: Mapping[str, JSON],
    skips_overlap: bool,
    now: datetime | None = None,
) -> FlowTrigger:
    """Change all of it at once; a paused one stays paused. Raises as `create_trigger` does."""
    trigger = _lock(tenant_id, trigger_id)
    before = (trigger.cron, trigger.time_zone, trigger.parameters, trigger.skips_overlap)
    _fill(trigger, cron, time_zone, parameters, skips_overlap, now or timezone.now())
    after = (trigger.cron, trigger.time_zone, trigger.parameters, trigger.skips_overlap)
    trigger.save()
    names = ("cron", "time_zone", "parameters", "skips_overlap")
    pairs = zip(names, before, after, strict=True)
    _record(trigger, actor, "update_trigger", {name: (a, b) for name, a, b in pairs if a != b})
    return trigger


@transaction.atomic
def pause_trigger(
    *, tenant_id: uuid.UUID, trigger_id: uuid.UUID, actor: Actor, now: datetime | None = None
) -> FlowTrigger:
    """It starts nothing until it is resumed. A paused one stays as it is."""
    trigger = _lock(tenant_id, trigger_id)
    if trigger.paused_at is None:
        _pause(trigger, actor, now or timezone.now(), f"{actor.name} paused it.")
    return trigger


@transaction.atomic
def resume_trigger(
    *, tenant_id: uuid.UUID, trigger_id: uuid.UUID, actor: Actor, now: datetime | None = None
) -> FlowTrigger:
    """It goes on with the next time from now; what passed while it was paused is not made up for.

    Raises ValidationError where it would be paused again at once: by its parameters, its flow or its owner.
    """
    trigger = _lock(tenant_id, trigger_id)
    if trigger.paused_at is None:
        return trigger
    if problem := _find_problem(trigger):
        raise ValidationError(problem)
    read_values(map(ParameterDesign.from_json, trigger.flow.parameters), trigger.parameters)
    [trigger.next_at] = next_times(trigger.cron, trigger.time_zone, now or timezone.now())
    before, trigger.paused_at, trigger.note = trigger.paused_at, None, ""
    trigger.save()
    _record(trigger, actor, "resume_trigger", {"paused_at": (before.isoformat(), None)})
    return trigger


@transaction.atomic
def delete_trigger(*, tenant_id: uuid.UUID, trigger_id: uuid.UUID, actor: Actor) -> None:
    """Its runs stay."""
    trigger = _lock(tenant_id, trigger_id)
    _record(trigger, actor, "delete_trigger", {"cron": (trigger.cron, None)})
    trigger.delete()


@transaction.atomic
def run_trigger_now(
    *, tenant_id: uuid.UUID, trigger_id: uuid.UUID, actor: Actor, now: datetime | None = None
) -> FlowRun:
    """Start its flow once, as it would; its next time stays. A person asked, so nothing is skipped.

    Raises ValidationError as `start_run` does, or where its owner may not run things any more.
    """
    now = now or timezone.now()
    trigger = _lock(tenant_id, trigger_id)
    if problem := _find_problem(trigger):
        raise ValidationError(problem)
    run = _start(trigger, actor, now)
    trigger.last_run, trigger.last_run_at = run, now
    trigger.save(update_fields=["last_run", "last_run_at"])
    _record(trigger, actor, "run_trigger_now", {}, run)
    return run


def start_due_triggers(now: datetime | None = None, *, limit: int = BATCH) -> int:
    """Start what is due in every workspace that is open; returns how many triggers were taken up.

    Each time is claimed by compare-and-set on `next_at` in the transaction that starts the run: two workers
    start it once, and a worker that dies before it commits has claimed nothing. One trigger that cannot be
    used keeps none of the others back: it is put off for a while, so that those behind it have their turn.
    """
    now = now or timezone.now()
    due = FlowTrigger.objects.filter(
        next_at__lte=now, paused_at__isnull=True, tenant__suspended_at__isnull=True
    )
    taken = 0
    for trigger_id, due_at in due.order_by("next_at").values_list("pk", "next_at")[:limit]:
        try:
            taken += _take_up(trigger_id, due_at, now)
        except Exception:
            logger.exception("trigger %s could not be taken up", trigger_id)
            # Where the database is away this fails too, and the next call goes on from here.
            _put_off(trigger_id, due_at, now)
    return taken


@transaction.atomic
def _take_up(trigger_id: uuid.UUID, due_at: datetime, now: datetime) -> bool:
    """Use the time `due_at` of a trigger, unless somebody else has, or it was changed or paused meanwhile."""
    found = FlowTrigger.objects.filter(pk=trigger_id, next_at=due_at, paused_at__isnull=True)
    schedule = found.values_list("cron", "time_zone").first()
    if schedule is None:
        return False
    [following] = next_times(*schedule, now)
    if not found.update(next_at=following):
        return False
    trigger = FlowTrigger.objects.select_related("flow", "owner", "last_run").get(pk=trigger_id)
    last = trigger.last_run
    if trigger.skips_overlap and last is not None and last.status in LIVE_STATUSES:
        status = RunStatus(last.status).label.lower()
        _note(trigger, f"The time of {_clock(due_at)} was skipped: its last run is still {status}.")
        return True
    if problem := _find_problem(trigger):
        _pause(trigger, SCHEDULE, now, problem)
        return True
    try:
        run = _start(trigger, SCHEDULE, now)
    except (ValidationError, ObjectDoesNotExist) as refused:
        _pause(trigger, SCHEDULE, now, _say(refused))
        return True
    trigger.last_run, trigger.last_run_at = run, now
    trigger.save(update_fields=["last_run", "last_run_at"])
    _note(trigger, _tell_of_delay(trigger, run, due_at, now))
    return True


@transaction.atomic
def _put_off(trigger_id: uuid.UUID, due_at: datetime, now: datetime) -> None:
    """Leave the time `due_at` of a trigger that could not be taken up for later, and say so."""
    found = FlowTrigger.objects.filter(pk=trigger_id, next_at=due_at, paused_at__isnull=True)
    if found.update(next_at=now + PUT_OFF):
        trigger = FlowTrigger.objects.get(pk=trigger_id)
        _note(
            trigger,
            f"The time of {_clock(due_at)} could not be used: something is wrong in this installation, "
            f"whose log has more. It is tried again at {_clock(trigger.next_at)}.",
        )


def _start(trigger: FlowTrigger, actor: Actor, now: datetime) -> FlowRun:
    return start_run(
        tenant_id=trigger.tenant_id,
        flow_id=trigger.flow_id,
        placement=Placement(owner_id=trigger.owner_id),
        actor=actor,
        parameters=trigger.parameters,
        origin=Origin.SCHEDULE,
        now=now,
    )


def _tell_of_delay(trigger: FlowTrigger, run: FlowRun, due_at: datetime, now: datetime) -> str:
    """What a run that comes late says in its transcript, and its trigger after it; "" for one in time."""
    if now - due_at < LATE:
        return ""
    missed = count_times(trigger.cron, trigger.time_zone, due_at, now)
    times = f" and {missed:,} more" if missed else ""
    text = f"Started late, once for the time of {_clock(due_at)}{times}: nothing was there to start it then."
    write_line(
        run, kind=EntryKind.STATUS, native_id="run:late", text=text, now=now, data={"event": "run_late"}
    )
    return text


def _find_problem(trigger: FlowTrigger) -> str:
    """Why nothing can be started of its flow, in the name of its owner; "" if it can."""
    member = Membership.objects.for_tenant(trigger.tenant_id).filter(user_id=trigger.owner_id).first()
    if member is None or not trigger.owner.is_active:
        return f"Its owner, {trigger.owner.display_name}, is no member any more: make a new one."
    if not member.can_run:
        return f"Its owner, {trigger.owner.display_name}, may not run things any more."
    if trigger.flow.archived_at is not None:
        return f"Its flow, “{trigger.flow.name}”, is archived: restore it first."
    return ""


def _pause(trigger: FlowTrigger, actor: Actor, now: datetime, reason: str) -> None:
    trigger.paused_at = now
    _note(trigger, reason)
    trigger.save(update_fields=["paused_at"])
    _record(
        trigger, actor, "pause_trigger", {"paused_at": (None, now.isoformat()), "note": ("", trigger.note)}
    )


def _note(trigger: FlowTrigger, text: str) -> None:
    trigger.note = make_headline(trigger.tenant_id, text)
    trigger.save(update_fields=["note"])


def _fill(
    trigger: FlowTrigger,
    cron: str,
    time_zone: str,
    parameters: Mapping[str, JSON],
    skips_overlap: bool,
    now: datetime,
) -> None:
    cron = " ".join(cron.split())
    check_schedule(cron, time_zone)
    read_values(map(ParameterDesign.from_json, trigger.flow.parameters), parameters)
    trigger.cron, trigger.time_zone, trigger.skips_overlap = cron, time_zone, skips_overlap
    trigger.parameters = redact_value(tenant_id=trigger.tenant_id, value=dict(parameters))
    [trigger.next_at] = next_times(cron, time_zone, now)


def _lock(tenant_id: uuid.UUID, trigger_id: uuid.UUID) -> FlowTrigger:
    rows = FlowTrigger.objects.for_tenant(tenant_id).select_for_update(no_key=True, of=("self",))
    return rows.select_related("flow", "owner").get(pk=trigger_id)


def _record(
    trigger: FlowTrigger,
    actor: Actor,
    action: str,
    changes: Mapping[str, tuple[Any, Any]],
    run: FlowRun | None = None,
) -> None:
    record(
        tenant_id=trigger.tenant_id,
        actor=actor,
        action=action,
        object_kind="flow_trigger",
        object_id=trigger.pk,
        object_title=f"{trigger.flow.name}: {trigger.cron}",
        changes=changes,
        session=("flow_run", run.pk) if run else None,
    )


def _say(refused: Exception) -> str:
    if isinstance(refused, ValidationError):
        return "It cannot be started as it stands: " + "; ".join(refused.messages)
    return f"It cannot be started as it stands: {refused}"


def _clock(moment: datetime) -> str:
    return f"{moment:%-d %b %Y, %H:%M} UTC"
