"""Who is at work on a run: claimed by compare-and-set on the database's clock, kept by a heartbeat.

A claim has a number, the run's `fence`, which only grows. Each write of a worker names its fence, so one that
lost its run (it hung, its machine slept, the network was away) cannot write any more, whatever it believes.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error, connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from agents.runtimes import Stop, StopReason
from agents.shutdown import is_shutting_down
from flows.models import FlowRun, RunStatus
from sessions_app.live import announce
from workspace.models import Tenant

__all__ = [
    "LEASE",
    "Claim",
    "LeaseLost",
    "check_fence",
    "claim_run",
    "keep",
    "make_holder",
    "park",
    "release",
    "renew",
]

logger = logging.getLogger(__name__)

KIND = "flow_run"
#: A worker that was silent for longer is taken for dead, and another one takes over.
LEASE = timedelta(seconds=20)
RENEW_SECONDS = 5.0
#: How often a worker looks whether its run is still its own: how long a cancel takes to be seen.
LOOK_SECONDS = 1.0
#: A worker that cannot reach the database gives its run up before another one can claim it.
GIVE_UP_SECONDS = LEASE.total_seconds() - 2 * LOOK_SECONDS
#: Who holds a run that waits for its next attempt, as people read it.
PARKED = "nobody: it waits to try again"
AT_WORK = frozenset({RunStatus.PENDING, RunStatus.RUNNING})


class LeaseLost(Exception):
    """The run is not this worker's any more: it ended, or another worker has it. Nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One worker's hold of one run; `fence` tells it from every other hold of it, earlier and later."""

    tenant_id: uuid.UUID
    run_id: uuid.UUID
    fence: int
    holder: str


def make_holder() -> str:
    """This process, as people find it behind a status."""
    return f"{socket.gethostname()[:80]}:{os.getpid()}"


@transaction.atomic
def claim_run(run_id: uuid.UUID, holder: str) -> Claim | None:
    """Take a run that waits for work or whose worker was lost; None if there is nothing to take.

    Of any number of workers that try at once one gets it. Runs of suspended workspaces stay where they are.
    """
    is_free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now())
    runs = FlowRun.objects.filter(pk=run_id)
    # No join: Django would update by a subquery, which a worker that waited for the row's lock does not ask
    # again, and two would get the run.
    suspended = Tenant.objects.filter(pk=OuterRef("tenant_id"), suspended_at__isnull=False)
    free = runs.filter(is_free, ~Exists(suspended), status__in=AT_WORK)
    taken = free.update(fence=F("fence") + 1, lease_holder=holder, lease_expires_at=Now() + LEASE)
    if not taken:
        return None
    # The row is locked by the update: nobody else has moved the fence meanwhile.
    tenant_id, fence = runs.values_list("tenant_id", "fence").get()
    announce(tenant_id=tenant_id, kind=KIND, id=run_id)
    return Claim(tenant_id=tenant_id, run_id=run_id, fence=fence, holder=holder)


def renew(claim: Claim) -> bool:
    """Hold the run for another `LEASE`; False if it is not this claim's any more."""
    return bool(_mine(claim).update(lease_expires_at=Now() + LEASE))


def release(claim: Claim) -> None:
    """Let go of a run that is still this claim's: whoever asks next gets it."""
    _mine(claim).update(lease_holder="", lease_expires_at=None)


def park(claim: Claim, until: datetime) -> None:
    """Let go of a run that has nothing to do before `until`: nobody gets it earlier, any worker does then."""
    _mine(claim).update(fence=F("fence") + 1, lease_holder=PARKED, lease_expires_at=until)


def check_fence(run: FlowRun, fence: int | None) -> None:
    """Raise `LeaseLost` unless a locked run is still at work under this fence; None is no worker's write."""
    if fence is not None and (run.fence != fence or run.status not in AT_WORK):
        raise LeaseLost(f"run {run.pk} is {run.status} under fence {run.fence}, not at work under {fence}")


@contextmanager
def keep(claim: Claim, stop: Stop) -> Iterator[None]:
    """Hold the run while the block runs, and set `stop` when the work in it is to end.

    A thread with a connection of its own looks once a second: was the run cancelled or lost, is this process
    to shut down, was the database away for too long?
    """
    done = threading.Event()
    thread = threading.Thread(
        target=_watch, args=(claim, stop, done), name=f"lease of {claim.run_id}", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _watch(claim: Claim, stop: Stop, done: threading.Event) -> None:
    held_at = time.monotonic()
    try:
        while not done.wait(LOOK_SECONDS):
            if is_shutting_down():
                stop.set(StopReason.SHUTDOWN)
            asked_at = time.monotonic()
            try:
                if asked_at - held_at < RENEW_SECONDS:
                    reason = _look(claim)
                else:
                    reason = None if renew(claim) else _look(claim) or StopReason.LEASE_LOST
                    held_at = held_at if reason else asked_at
            except Error as error:
                logger.warning("the lease of run %s was not renewed: %s", claim.run_id, error)
                connection.close()
                reason = StopReason.LEASE_LOST if asked_at - held_at > GIVE_UP_SECONDS else None
            if reason is not None:
                stop.set(reason)
                return
    finally:
        connection.close()


def _look(claim: Claim) -> StopReason | None:
    """Why the work on this run is to end, None if it is not."""
    runs = FlowRun.objects.for_tenant(claim.tenant_id).filter(pk=claim.run_id)
    seen = runs.values_list("fence", "status").first()
    if seen is None or seen[0] != claim.fence:
        return StopReason.LEASE_LOST
    if seen[1] == RunStatus.CANCELLED:
        return StopReason.CANCELLED
    return None if seen[1] in AT_WORK else StopReason.LEASE_LOST


def _mine(claim: Claim) -> QuerySet[FlowRun]:
    """The run while this claim holds it: one that rested and was approved is nobody's at first."""
    runs = FlowRun.objects.for_tenant(claim.tenant_id)
    return runs.filter(pk=claim.run_id, fence=claim.fence, lease_holder=claim.holder, status__in=AT_WORK)
