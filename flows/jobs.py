"""Background jobs of flows, on the queue `runs` but for the schedules. Messages hold ids alone."""

from __future__ import annotations

import uuid

from celery import shared_task

from flows import triggers
from flows.engine import take_up
from flows.waking import wake_lost_runs, wake_next_run

__all__ = ["advance", "start_due_triggers", "take_up_lost_runs"]


@shared_task(name="flows.jobs.advance")  # type: ignore[untyped-decorator]
def advance(run_id: str) -> None:
    """Work on a run until it rests. A message that comes twice finds nothing to claim.

    Where the queue never empties, the sweep's own message would expire in it: so who has done a run looks.
    """
    if take_up(uuid.UUID(run_id)):
        wake_next_run()


@shared_task(name="flows.jobs.take_up_lost_runs")  # type: ignore[untyped-decorator]
def take_up_lost_runs() -> None:
    """Wake runs that no worker holds.

    It waits in the queue of the runs themselves: it is its turn when a worker has time for a further run.
    """
    wake_lost_runs()


@shared_task(name="flows.jobs.start_due_triggers")  # type: ignore[untyped-decorator]
def start_due_triggers() -> None:
    """Start the runs whose schedules have come due."""
    triggers.start_due_triggers()
