"""Every legal move of a run works from each status that the table names, and no other move does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flows import services
from flows.models import FlowRun, RunStatus
from flows.moves import MOVES
from sessions_app.kinds import IllegalMove, StaleVersion
from tests.flows.worlds import World, audit_of, lines_of, picture_of, steps_of

#: How each move of the table is made.
CALLS: dict[str, Callable[[World, FlowRun], Any]] = {
    "begin": lambda world, run: world.call(services.begin_run, run),
    "start_step": lambda world, run: world.call(services.start_step, run),
    "finish_step": lambda world, run: world.call(services.finish_step, run, result={"ok": True}),
    "skip_step": lambda world, run: world.call(services.skip_step, run, reason="not needed"),
    "retry_step": lambda world, run: world.call(services.retry_step, run, error="Error: exit code 1"),
    "pass_step": lambda world, run: world.call(services.pass_step, run, error="Error: exit code 1"),
    "fail_step": lambda world, run: world.call(services.fail_step, run, error="Error: exit code 1"),
    "pause": lambda world, run: world.call(services.pause_at_checkpoint, run),
    "approve": lambda world, run: world.decide(services.approve_checkpoint, run),
    "skip": lambda world, run: world.decide(services.skip_checkpoint, run),
    "reject": lambda world, run: world.decide(services.reject_checkpoint, run),
    "block": lambda world, run: world.call(services.block_run, run, reason="No runtime"),
    "interrupt": lambda world, run: world.call(services.interrupt_run, run, reason="Worker lost"),
    "resume": lambda world, run: world.call(services.resume_run, run),
    "retry": lambda world, run: world.call(services.retry_run, run),
    "complete": lambda world, run: world.call(services.complete_run, run),
    "cancel": lambda world, run: world.call(services.cancel_run, run),
}

LEGAL = [(move, source) for move in MOVES for source in sorted(MOVES[move].sources)]
ILLEGAL = [(move, s.value) for move in MOVES for s in RunStatus if s.value not in MOVES[move].sources]


def run_ready_for(world: World, move: str, status: str) -> FlowRun:
    """A run in this status whose current step is where the move wants it."""
    starts_afresh = move == "skip" or status == RunStatus.RUNNING
    if not starts_afresh or move not in {"start_step", "skip_step", "pause", "complete", "skip"}:
        return world.run_that_is(status)
    run = world.start()
    world.call(services.begin_run, run)
    if move == "complete":
        world.finish_steps(run, 3)
    if move == "skip":
        world.call(services.pause_at_checkpoint, run)
    return FlowRun.objects.get(pk=run.pk)


def test_the_table_has_a_service_for_each_move():
    assert CALLS.keys() == MOVES.keys()


def test_the_table_is_the_machine_that_the_model_draws():
    drawn = {
        ("pending", "running"),
        ("running", "paused"),
        ("paused", "running"),
        ("paused", "rejected"),
        ("pending", "blocked"),
        ("running", "blocked"),
        ("blocked", "running"),
        ("running", "completed"),
        ("running", "failed"),
        ("running", "interrupted"),
        ("interrupted", "running"),
        ("failed", "running"),
        *((status, "cancelled") for status in ("pending", "running", "paused", "blocked", "interrupted")),
    }
    table = {(source, move.target) for move in MOVES.values() for source in move.sources}
    assert table - {("running", "running")} == drawn


@pytest.mark.parametrize(("move", "status"), LEGAL)
def test_a_legal_move_ends_in_its_status_and_is_on_record(world, move, status):
    run = run_ready_for(world, move, status)
    CALLS[move](world, run)
    moved = FlowRun.objects.get(pk=run.pk)
    assert moved.status == MOVES[move].target
    assert moved.changed_at == world.now
    entry, line = audit_of(run)[-1], lines_of(run)[-1]
    assert entry.action == move
    is_of_step = move in {"start_step", "finish_step", "skip_step", "retry_step", "pass_step"}
    assert entry.object_kind == ("step_run" if is_of_step else "flow_run")
    assert line.occurred_at == world.now
    assert entry.entry_seq in {line.seq, line.seq - 1}
    is_progress = MOVES[move].target == status
    assert moved.version == run.version + (0 if is_progress else 1)


@pytest.mark.parametrize(("move", "status"), ILLEGAL)
def test_an_illegal_move_says_what_is_allowed_and_changes_nothing(world, move, status):
    run = world.run_that_is(status)
    before = picture_of(run)
    with pytest.raises(IllegalMove) as refused:
        CALLS[move](world, run)
    assert refused.value.tried == move
    assert refused.value.status == status
    assert set(refused.value.allowed) == {name for name in MOVES if status in MOVES[name].sources}
    assert picture_of(run) == before


@pytest.mark.parametrize("move", ["start_step", "skip_step", "pause", "complete"])
def test_a_move_that_the_running_step_does_not_have_changes_nothing(world, move):
    run = world.run_that_is(RunStatus.RUNNING)
    before = picture_of(run)
    with pytest.raises(IllegalMove, match="running"):
        CALLS[move](world, run)
    assert picture_of(run) == before


@pytest.mark.parametrize("move", ["finish_step", "fail_step", "retry_step", "pass_step"])
def test_a_step_that_has_not_started_neither_finishes_nor_fails(world, move):
    run = run_ready_for(world, "start_step", RunStatus.RUNNING)
    before = picture_of(run)
    with pytest.raises(IllegalMove, match=r"step 1 “build” is pending.*allowed: cancel, pause, skip, start"):
        CALLS[move](world, run)
    assert picture_of(run) == before


def test_a_run_with_open_steps_is_not_complete(world):
    run = run_ready_for(world, "start_step", RunStatus.RUNNING)
    world.finish_steps(run, 2)
    with pytest.raises(IllegalMove, match="running at step 3 of 3"):
        CALLS["complete"](world, run)


@pytest.mark.parametrize(
    ("service", "status"),
    [(services.resume_run, "blocked"), (services.resume_run, "interrupted"), (services.retry_run, "failed")],
)
def test_taking_up_a_run_that_has_moved_on_is_refused(world, service, status):
    run = world.run_that_is(status)
    before = picture_of(run)
    with pytest.raises(StaleVersion, match=f"it is {status} now"):
        world.call(service, run, seen_version=run.version - 1)
    assert picture_of(run) == before
    world.call(service, run, seen_version=run.version)


@pytest.mark.parametrize("move", MOVES)
def test_a_stranger_finds_no_run_to_move(world, move):
    sources = sorted(MOVES[move].sources)
    run = run_ready_for(World(), move, sources[0])
    before = picture_of(run)
    with pytest.raises(FlowRun.DoesNotExist):
        CALLS[move](world, run)
    assert picture_of(run) == before


def test_a_run_that_is_held_up_says_why_until_it_goes_on(world):
    run = world.run_that_is(RunStatus.BLOCKED)
    assert run.error == "DEPLOY_KEY is not set"
    assert run.waiting_since == run.changed_at
    assert run.evidence[0]["text"] == "Blocked: DEPLOY_KEY is not set"
    world.call(services.resume_run, run)
    run.refresh_from_db()
    assert (run.error, run.waiting_since) == ("", None)


def test_a_run_blocked_before_it_began_starts_when_it_is_resumed(world):
    run = world.start()
    world.call(services.block_run, run, reason="No worker runs this runtime")
    resumed = world.call(services.resume_run, run, actor=world.actor)
    assert (resumed.started_at, steps_of(run)[0]) == (world.now, (1, 1, "pending"))


def test_cancelling_ends_every_open_step_and_clears_what_it_waited_for(world):
    run = world.run_that_is(RunStatus.PAUSED)
    cancelled = world.call(services.cancel_run, run, actor=world.actor)
    assert (cancelled.checkpoint_hash, cancelled.checkpoint_message, cancelled.waiting_since) == (
        "",
        "",
        None,
    )
    assert cancelled.finished_at == world.now
    assert [status for *_, status in steps_of(run)] == ["completed", "completed", "cancelled"]
