"""The task that carries a run follows it; a worker's hold on the run ends when the run is not at work."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows import services
from flows.models import FlowRun, RunStatus
from flows.moves import AS_TASK, KIND
from tasks.models import BackgroundTask
from tasks.services import Source, create_task
from tests.flows.test_moves import CALLS
from tests.flows.worlds import World


@pytest.fixture
def carried(world: World) -> tuple[FlowRun, BackgroundTask]:
    run = world.start()
    task = create_task(
        tenant_id=world.tenant.pk,
        placement=world.place(),
        title=run.title,
        actor=world.actor,
        source=Source(kind=KIND, id=run.pk),
        is_carrier=True,
        now=world.tick(),
    )
    return run, task


def test_every_status_of_a_run_has_its_words_of_a_task():
    assert AS_TASK.keys() == set(RunStatus)


@pytest.mark.parametrize(
    ("moves", "seen"),
    [
        (["begin", "start_step"], ("running", "", "", "")),
        (["begin", "pause"], ("waiting", "approval", "Go on with step 1. build (attempt 1)?", "")),
        (["begin", "block"], ("waiting", "input", "No runtime", "")),
        (["begin", "interrupt"], ("waiting", "input", "Worker lost", "")),
        (["begin", "interrupt", "resume"], ("running", "", "", "")),
        (["begin", "pause", "approve", "fail_step"], ("failed", "", "", "Error: exit code 1")),
        (["begin", *["pause", "skip"] * 3], ("completed", "", "", "")),
        (["cancel"], ("cancelled", "", "", "")),
    ],
)
def test_the_carrier_shows_what_the_run_is(world, carried, moves, seen):
    run, task = carried
    for move in moves:
        CALLS[move](world, run)
    task.refresh_from_db()
    assert (task.status, task.waiting_on, task.waiting_reason, task.error) == seen


def test_a_rejected_run_is_a_failed_task_with_the_reason(world, carried):
    run, task = carried
    world.call(services.begin_run, run)
    world.call(services.pause_at_checkpoint, run)
    world.decide(services.reject_checkpoint, run, comment="Not now")
    task.refresh_from_db()
    assert (task.status, task.error) == ("failed", f"Rejected by {world.owner.user.name}: Not now")


@pytest.mark.parametrize("move", ["pause", "interrupt", "block", "cancel"])
def test_no_worker_holds_a_run_that_is_not_at_work(world, move):
    run = world.start()
    world.call(services.begin_run, run)
    lease = {"lease_holder": "worker-1", "lease_expires_at": world.now + timedelta(minutes=1)}
    FlowRun.objects.filter(pk=run.pk).update(**lease)
    CALLS[move](world, run)
    run.refresh_from_db()
    assert (run.lease_holder, run.lease_expires_at) == ("", None)
