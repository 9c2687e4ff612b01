"""Sweeps: started when a secret is set, done by a worker batch by batch, taken up again wherever one died."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from audit.models import RedactionSweep, SweepStatus
from audit.redaction import Redactor
from audit.redactors import one_redactor
from audit.services import record
from audit.sweep_targets import Target, all_targets
from audit.sweeping import read_batch, write_batch
from workspace.actors import SYSTEM, Actor

__all__ = [
    "Look",
    "SweepLost",
    "claim_sweep",
    "has_older_writers",
    "look_through",
    "open_tenants",
    "run_sweep",
    "start_sweep",
    "tell_unscanned",
]

#: A batch takes seconds at most: a worker that was silent for longer is dead, and another one takes over.
LEASE = timedelta(minutes=2)
#: How many rows of a table that could not be looked through are named; all of them are counted.
MOST_NAMED = 100


class SweepLost(Exception):
    """Another worker has taken the sweep over; nothing more was written."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a table came to: its rows, those that held a known secret, and those with a text that could not be
    looked through, of which the first are named.
    """

    key: str
    label: str
    rows: int
    held: int
    unscanned: int = 0
    unscanned_ids: Sequence[str] = ()


@transaction.atomic
def start_sweep(*, tenant_id: uuid.UUID, reason: str, actor: Actor) -> RedactionSweep:
    """Have all stored text of a tenant looked through. One that waits already takes this on as well.

    A worker begins once the transaction has committed; without one it waits.
    """
    sweep = RedactionSweep(tenant_id=tenant_id, reason=reason[:200], started_by_id=actor.user_id)
    made = RedactionSweep.objects.bulk_create([sweep], ignore_conflicts=True)[0]
    rows = RedactionSweep.objects.for_tenant(tenant_id).select_for_update(no_key=True, of=("self",))
    waiting = rows.get(status=SweepStatus.PENDING)
    if waiting.pk != made.pk and reason not in waiting.reason:
        waiting.reason = f"{waiting.reason}; {reason}"[:200]
        waiting.save(update_fields=["reason"])
    if waiting.pk == made.pk:
        record(
            tenant_id=tenant_id,
            actor=actor,
            action="start_sweep",
            object_kind="redaction_sweep",
            object_id=waiting.pk,
            object_title=reason,
        )
    transaction.on_commit(partial(_send, tenant_id), robust=True)
    return waiting


def _send(tenant_id: uuid.UUID) -> None:
    """A broker that is away loses the message, not the sweep: `open_tenants` finds it."""
    from audit.jobs import sweep

    sweep.delay(str(tenant_id))


def open_tenants() -> list[uuid.UUID]:
    """The tenants with a sweep that nobody is at."""
    is_free = Q(status=SweepStatus.PENDING) | Q(status=SweepStatus.RUNNING, lease_expires_at__lt=Now())
    found = RedactionSweep.objects.filter(is_free).order_by().values_list("tenant_id", flat=True)
    return list(found.distinct())


def claim_sweep(tenant_id: uuid.UUID) -> RedactionSweep | None:
    """The sweep that this worker is to do: one whose worker died, else the one that waits; None if busy."""
    sweeps = RedactionSweep.objects.for_tenant(tenant_id)
    lease: dict[str, Any] = {"fence": F("fence") + 1, "lease_expires_at": Now() + LEASE}
    running = sweeps.filter(status=SweepStatus.RUNNING)
    if running.filter(lease_expires_at__lt=Now()).update(**lease):
        return running.get()
    try:
        with transaction.atomic():
            begun = {"status": SweepStatus.RUNNING, "started_at": Now(), **lease}
            claimed = sweeps.filter(status=SweepStatus.PENDING).update(**begun)
    except IntegrityError:  # another one runs
        return None
    return running.get() if claimed else None


def has_older_writers(sweep: RedactionSweep) -> bool:
    """Whether a transaction that writes is older than the sweep: it may not know the secret yet.

    What it stores would be seen by nobody once the sweep has passed. Redactors are made inside of the
    transaction that they serve, which has a number from then on.
    """
    with connection.cursor() as cursor:
        # Within a transaction the view would otherwise say again what it said before.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_xid IS NOT NULL AND pid <> pg_backend_pid() AND xact_start < %s)",
            [sweep.started_at],
        )
        return bool(cursor.fetchone()[0])


def hand_back(sweep: RedactionSweep) -> None:
    """Let go of a sweep, so that whoever asks next gets it."""
    _mine(sweep).update(lease_expires_at=Now() - timedelta(seconds=1))


def run_sweep(sweep: RedactionSweep) -> RedactionSweep:
    """Do what is left of a claimed sweep. Raises `SweepLost` when another worker has it.

    Each batch is one transaction with the progress that it makes, so it may be cut off anywhere. Rows that
    cannot be looked through stay as they are; the sweep does all others, names them and ends as failed.
    """
    with one_redactor(sweep.tenant_id) as redactor:
        for target in all_targets():
            _sweep_target(sweep, target, redactor)
    if told := tell_unscanned({target["label"]: target.get("unscanned", 0) for target in sweep.targets}):
        return _finish(sweep, SweepStatus.FAILED, told)
    return _finish(sweep, SweepStatus.COMPLETED)


def tell_unscanned(counts: Mapping[str, int]) -> str:
    """How many rows of which tables could not be looked through, in words; "" for none."""
    total = sum(counts.values())
    if not total:
        return ""
    parts = ", ".join(f"{count:,} of the {label}" for label, count in counts.items() if count)
    return f"{total:,} {'row' if total == 1 else 'rows'} could not be looked through: {parts}"[:200]


def _sweep_target(sweep: RedactionSweep, target: Target, redactor: Redactor) -> None:
    state = _state_of(sweep, target)
    while not state["is_done"]:
        with transaction.atomic():
            batch = read_batch(target, tenant_id=sweep.tenant_id, redactor=redactor, after=state["cursor"])
            unscanned = set(batch.unscanned)
            if batch.held:
                changed, unread = write_batch(
                    target, tenant_id=sweep.tenant_id, redactor=redactor, keys=batch.held
                )
                state["changed"] += changed
                unscanned |= unread
            if unscanned:
                ids = [*state.get("unscanned_ids", []), *sorted(map(str, unscanned))]
                state["unscanned_ids"] = ids[:MOST_NAMED]
                state["unscanned"] = state.get("unscanned", 0) + len(unscanned)
            state["done"] += batch.count
            state["cursor"] = list(batch.cursor) or None
            state["is_done"] = not batch.count
            if not _mine(sweep).update(targets=sweep.targets, lease_expires_at=Now() + LEASE):
                raise SweepLost


def _state_of(sweep: RedactionSweep, target: Target) -> dict[str, Any]:
    """How far a table is; one that is begun is counted first, for the progress."""
    for state in sweep.targets:
        if state["key"] == target.key:
            found: dict[str, Any] = state
            return found
    new = {
        "key": target.key,
        "label": target.label,
        "done": 0,
        "total": target.rows(sweep.tenant_id).count(),
        "changed": 0,
        "cursor": None,
        "is_done": False,
    }
    sweep.targets.append(new)
    return new


@transaction.atomic
def _finish(sweep: RedactionSweep, status: SweepStatus, error: str = "") -> RedactionSweep:
    closed = {"status": status, "error": error, "finished_at": Now(), "lease_expires_at": None}
    if not _mine(sweep).update(**closed):
        raise SweepLost
    record(
        tenant_id=sweep.tenant_id,
        actor=SYSTEM,
        action="finish_sweep",
        object_kind="redaction_sweep",
        object_id=sweep.pk,
        object_title=sweep.reason,
        changes={"status": (str(SweepStatus.RUNNING), str(status)), "changed": (0, sweep.changed)},
    )
    sweep.refresh_from_db()
    return sweep


def _mine(sweep: RedactionSweep) -> QuerySet[RedactionSweep]:
    """The sweep's row as long as nobody else has claimed it."""
    rows = RedactionSweep.objects.for_tenant(sweep.tenant_id)
    return rows.filter(pk=sweep.pk, fence=sweep.fence, status=SweepStatus.RUNNING)


def look_through(tenant_id: uuid.UUID) -> Iterator[Look]:
    """What a sweep would change, table by table; writes nothing."""
    with one_redactor(tenant_id) as redactor:
        for target in all_targets():
            rows = held = unscanned = 0
            named: list[str] = []
            after: tuple[str, ...] | None = None
            while True:
                with transaction.atomic():
                    batch = read_batch(target, tenant_id=tenant_id, redactor=redactor, after=after)
                if not batch.count:
                    break
                rows, held, after = rows + batch.count, held + len(batch.held), batch.cursor
                unscanned += len(batch.unscanned)
                named = [*named, *map(str, batch.unscanned)][:MOST_NAMED]
            yield Look(target.key, target.label, rows, held, unscanned, named)
