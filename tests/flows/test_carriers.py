"""The task that carries a run follows it; a worker's hold on the run ends when the run is not at work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from flows import services
from flows.models import FlowRun, RunStatus
from flows.moves import AS_TASK, KIND
from sessions_app.kinds import StaleVersion
from sessions_app.registry import get_kind
from tasks.models import BackgroundTask
from tests.flows.test_moves import CALLS
from tests.flows.worlds import World, steps_of
from workspace.actors import Actor


@pytest.fixture
def carried(world: World) -> tuple[FlowRun, BackgroundTask]:
    run = world.start(run_mode="background")
    return run, carrier_of(run)


def carrier_of(run: FlowRun) -> BackgroundTask:
    return BackgroundTask.objects.get(source_kind=KIND, source_id=run.pk, is_carrier=True)


def state_of(task: BackgroundTask) -> tuple[str, str, str]:
    task.refresh_from_db()
    return task.state, task.error, task.waiting_reason


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


def perform(task: BackgroundTask, name: str, actor: Actor, version: int) -> str:
    return get_kind("background_task").perform(
        name, session_id=task.pk, actor=actor, tenant_id=task.tenant_id, version=version, comment=""
    )


def test_a_run_is_cancelled_through_a_carrier_that_has_moved_on(world, carried):
    run, task = carried
    seen = task.version
    world.call(services.begin_run, run)
    perform(task, "cancel", world.actor, seen)
    run.refresh_from_db()
    task.refresh_from_db()
    assert (run.status, task.status) == ("cancelled", "cancelled")


@pytest.mark.django_db(transaction=True)
def test_a_run_that_moves_on_just_as_its_carrier_is_looked_at_is_not_approved_unseen():
    world = World()
    run = world.start(run_mode="background")
    task = carrier_of(run)
    world.call(services.begin_run, run)
    world.call(services.pause_at_checkpoint, run)
    task.refresh_from_db()
    moves = iter([lambda: go_on_to_the_next_checkpoint(world, run)])

    def let_the_run_move_on_after_the_first_look(execute: Any, *query: Any) -> Any:
        found = execute(*query)
        if "tasks_backgroundtask" in query[0] and (move := next(moves, None)):
            with ThreadPoolExecutor(1) as pool:
                pool.submit(move).result(timeout=30)
        return found

    with (
        connection.execute_wrapper(let_the_run_move_on_after_the_first_look),
        pytest.raises(StaleVersion, match="background task"),
    ):
        perform(task, "approve", world.actor, task.version)
    assert [status for _, _, status in steps_of(run)] == ["skipped", "paused", "pending"]


def go_on_to_the_next_checkpoint(world: World, run: FlowRun) -> None:
    try:
        world.decide(services.skip_checkpoint, run)
        world.call(services.pause_at_checkpoint, run)
    finally:
        connection.close()
