"""Telling workers that a run has something to do. PostgreSQL knows what there is: a message only hurries."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta
from functools import partial

from celery import current_app
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from flows.leases import AT_WORK, KIND
from flows.models import FlowRun
from sessions_app.live import announce

__all__ = ["send_run", "wake", "wake_lost_runs", "wake_next_run"]

logger = logging.getLogger(__name__)

type Found = tuple[uuid.UUID, uuid.UUID, datetime | None]

JOB = "flows.jobs.advance"
#: How long a run may wait for the worker that its message woke before it is sent once more.
PATIENCE = timedelta(seconds=5)
#: Of those that were lost, and of those that wait: their messages are most likely on their way still.
MOST_LOST, MOST_WAITING = 200, 20


def wake(run: FlowRun) -> None:
    """Once the transaction has committed, have a worker take this run up."""
    transaction.on_commit(partial(send_run, run.pk), robust=True)


def send_run(run_id: uuid.UUID) -> bool:
    """Send the job; False when the broker is away, which loses nothing: the sweep finds the run."""
    try:
        current_app.send_task(JOB, args=[str(run_id)], retry=False)
    except Exception as error:  # whatever a broker's client raises
        logger.warning("run %s was not sent to a worker: %s", run_id, type(error).__name__)
        return False
    return True


def wake_lost_runs() -> int:
    """Send a job for runs that want work and that no worker holds; returns how many were sent.

    That is: those whose worker was lost, and the oldest of those that have waited for a worker for some
    seconds. Pages that show a run whose lease has lapsed are told to look again.
    """
    sent = 0
    for tenant_id, run_id, lapsed_at in [*_find_lost()[:MOST_LOST], *_find_waiting()[:MOST_WAITING]]:
        if lapsed_at is not None:
            announce(tenant_id=tenant_id, kind=KIND, id=run_id)
        if not send_run(run_id):
            break
        sent += 1
    return sent


def wake_next_run() -> None:
    """Send one run that no worker holds, one that was lost if there is any.

    One message for each run that was worked on: however many wait, the queue does not grow by it.
    """
    for _, run_id, _ in _find_lost()[:1] or _find_waiting()[:1]:
        send_run(run_id)


def _find_lost() -> QuerySet[FlowRun, Found]:
    return _find(Q(lease_expires_at__lt=Now()))


def _find_waiting() -> QuerySet[FlowRun, Found]:
    return _find(Q(lease_expires_at__isnull=True, changed_at__lt=Now() - PATIENCE))


def _find(which: Q) -> QuerySet[FlowRun, Found]:
    runs = FlowRun.objects.filter(which, status__in=AT_WORK, tenant__suspended_at__isnull=True)
    return runs.order_by("lease_expires_at", "id").values_list("tenant_id", "pk", "lease_expires_at")
