"""From one step to the next: if nothing speaks against it, one transaction ends one and begins the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.runtimes import Outcome, Performance, Stop, StopReason, Work
from audit.entries import EntryKind, NewEntry
from audit.imports import Delivery
from flows import services
from flows.engine import advance, take_up
from flows.models import FlowRun, RunMode, RunStatus, StepRun
from sessions_app.kinds import IllegalMove
from tasks.models import BackgroundTask
from tests.flows.doings import Bench, Scripted, succeed
from tests.flows.worlds import World, audit_of, lines_of, picture_of, steps_of
from workspace.services import set_secret


def tell_at_the_end(work: Work, stop: Stop) -> Performance:
    """A command that is over before anything of it was told."""
    yield Delivery()
    entry = NewEntry(kind=EntryKind.TOOL_RESULT, native_id=f"{work.key}:end", text="done")
    return Outcome(result={"exit_code": 0}, last=Delivery(entries=[entry]))


def statements_of(bench: Bench, steps: int) -> list[str]:
    run = bench.start(*[{"body": "short"}] * steps, name=f"{steps} steps")
    claim = bench.claim(run)
    with CaptureQueriesContext(connection) as asked:
        advance(claim, Stop(), find_runtime=bench.runtime.find)
    assert FlowRun.objects.get(pk=run.pk).status == RunStatus.COMPLETED
    return [query["sql"] for query in asked.captured_queries]


def test_a_short_step_is_one_transaction_and_no_more_than_sixteen_statements(bench, monkeypatch):
    monkeypatch.setattr("flows.engine.REDACTOR_SECONDS", inf)
    bench.runtime.doings = {"short": tell_at_the_end}
    few, many = statements_of(bench, 2), statements_of(bench, 12)
    assert len(many) - len(few) <= 10 * 16
    transactions = [sum(sql.startswith("SAVEPOINT") for sql in asked) for asked in (few, many)]
    assert transactions[1] - transactions[0] == 10  # savepoints of the test's own transaction


def begin(world: World, **given: Any) -> FlowRun:
    run = world.start(**given)
    world.call(services.begin_run, run)
    world.call(services.start_step, run)
    return run


def look_ahead(run: FlowRun, steps: Sequence[StepRun]) -> Mapping[str, Any]:
    return {"after": next(step.result for step in steps if step.position == run.step_position - 1)}


def test_the_end_of_a_step_and_the_beginning_of_the_next_are_told_and_recorded_one_after_the_other(world):
    run = begin(world)
    world.call(services.finish_step, run, result=[1, 2.0], look_ahead=look_ahead)
    first, second = StepRun.objects.filter(run=run, position__lte=2).order_by("position")
    assert steps_of(run)[:2] == [(1, 1, "completed"), (2, 1, "running")]
    assert (second.parameters, second.started_at) == ({"after": [1, 2.0]}, first.finished_at)
    assert FlowRun.objects.get(pk=run.pk).step_position == 2
    lines = lines_of(run)
    assert [line.text for line in lines[-2:]] == [
        "Step 1 of 3 “build” finished",
        "Step 2 of 3 “test” started",
    ]
    assert second.first_seq == lines[-1].seq
    seqs = {(entry.action, entry.object_id): entry.entry_seq for entry in audit_of(run)}
    assert seqs["finish_step", first.pk] == lines[-2].seq
    assert seqs["start_step", second.pk] == lines[-1].seq


def test_what_the_next_step_begins_with_is_redacted(world):
    run = begin(world)
    value = "-".join(["correct", "horse", "battery"])
    set_secret(tenant_id=run.tenant_id, name="DEPLOY_KEY", value=value, actor=world.actor)
    world.call(services.finish_step, run, look_ahead=lambda run, steps: {"key": value})
    step = StepRun.objects.get(run=run, position=2)
    assert step.parameters == lines_of(run)[-1].data["arguments"] == {"key": "[DEPLOY_KEY]"}


def test_the_task_that_carries_a_run_shows_the_step_that_it_went_on_with(world):
    run = begin(world, run_mode=RunMode.BACKGROUND)
    world.call(services.finish_step, run, look_ahead=look_ahead)
    assert BackgroundTask.objects.get(source_id=run.pk).substate == "Step 2 of 3: test"


@pytest.mark.parametrize("position", [1, 3], ids=["of a step that has ended", "behind the last step"])
def test_nothing_is_written_of_an_end_whose_next_step_cannot_begin(world, position):
    run = begin(world)
    for _ in range(position - 1):
        world.call(services.finish_step, run, look_ahead=look_ahead)
    before = picture_of(run)
    if position == 1:
        StepRun.objects.filter(run=run, position=2).update(status="skipped")
        before = picture_of(run)
    with pytest.raises(IllegalMove):
        world.call(services.finish_step, run, look_ahead=lambda run, steps: {})
    assert picture_of(run) == before


def test_a_worker_goes_on_at_once_and_the_times_of_its_steps_have_no_gap(bench):
    run = bench.start({}, {}, {})
    bench.advance(run)
    steps = list(StepRun.objects.filter(run=run).order_by("position"))
    assert [step.started_at for step in steps[1:]] == [step.finished_at for step in steps[:-1]]
    assert {step.fence for step in steps} == {1}


def test_a_worker_that_is_to_end_begins_with_nothing_further(bench):
    def end_well_but_be_stopped(work: Work, stop: Stop) -> Performance:
        stop.set(StopReason.SHUTDOWN)
        return (yield from succeed(work, stop))

    bench.runtime.doings = {"last": end_well_but_be_stopped}
    run = bench.start({"body": "last"}, {})
    assert bench.advance(run).status == "running"
    assert steps_of(run) == [(1, 1, "completed"), (2, 1, "pending")]


def test_a_step_that_cannot_begin_keeps_what_was_done_before_it(bench):
    class Broken(Scripted):
        def find_missing(self, work: Work) -> str:
            if work.key == "step:2:1":
                raise RuntimeError("out of order")
            return ""

    bench.runtime = Broken()
    run = bench.start({}, {})
    take_up(run.pk, find_runtime=bench.runtime.find)
    assert FlowRun.objects.get(pk=run.pk).status == "interrupted"
    assert steps_of(run) == [(1, 1, "completed"), (2, 1, "pending")]
    assert bench.runtime.keys == ["step:1:1"]


def test_a_step_that_lacks_something_blocks_its_run_behind_one_that_is_done(bench):
    run = bench.start({}, {"runtime": "shell", "parameters": {"x": "{{ steps.s1.result.nowhere }}"}})
    assert bench.advance(run).status == "blocked"
    assert steps_of(run) == [(1, 1, "completed"), (2, 1, "pending")]


def test_where_the_folder_has_gone_meanwhile_the_next_step_gets_a_fresh_one(bench):
    def leave_nothing(work: Work, stop: Stop) -> Performance:
        yield Delivery()
        work.folder.rmdir()
        return Outcome()

    bench.runtime.doings = {"leave": leave_nothing}
    run = bench.start({"body": "leave"}, {})
    assert bench.advance(run).status == "completed"
    assert "The run's folder was gone: it goes on in a fresh one" in [line.text for line in lines_of(run)]
