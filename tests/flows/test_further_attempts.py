"""An approval holds for further attempts until something has changed that its approver has not seen."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from agents.folders import session_folder
from agents.runtimes import Outcome, Performance, Stop, StopReason, Work
from audit.entries import EntryKind, NewEntry
from audit.imports import Delivery
from flows import services
from flows.engine import advance
from flows.leases import release
from flows.models import FlowRun
from flows.moves import find_current_step
from tests.flows.doings import Bench, Doing, fail, succeed
from tests.flows.worlds import lines_of, receipts_of, steps_of


def change(work: Work, path: str) -> Delivery:
    edit = NewEntry(
        kind=EntryKind.FILE_EDIT, native_id=f"{work.key}:{path}", path=path, before="a\n", after=work.key
    )
    return Delivery(entries=[edit])


def change_and_fail(work: Work, stop: Stop) -> Performance:
    yield change(work, "shop/tax.py")
    return Outcome(error=f"{work.key} has failed")


def change_and_finish(work: Work, stop: Stop) -> Performance:
    yield change(work, "shop/prices.py")
    return Outcome(result=None)


def first(*doings: Doing) -> Doing:
    """One doing for each attempt, and then success."""
    left = list(doings)
    return lambda work, stop: (left.pop(0) if left else succeed)(work, stop)


def start_approved(
    bench: Bench, doing: Doing, arguments: dict[str, Any] | None = None, **step: Any
) -> FlowRun:
    """A run whose first step has changed a file and whose second one was approved, and is not begun with."""
    bench.runtime.doings = {"change": change_and_finish, "ask": doing}
    asked = {"body": "ask", "has_checkpoint": True, "parameters": {"target": "all"}, **step}
    run = bench.start({"body": "change"}, asked, {})
    bench.advance(run)
    bench.world.decide(services.approve_checkpoint, run, arguments=arguments, now=None)
    return FlowRun.objects.get(pk=run.pk)


def retry(bench: Bench, run: FlowRun) -> FlowRun:
    bench.world.call(services.retry_run, run, now=None)
    return bench.advance(run)


def lose_folder(run: FlowRun) -> None:
    shutil.rmtree(session_folder(run.tenant_id, run.pk))


def test_a_step_that_was_approved_with_other_arguments_is_tried_again_with_them_unasked(bench):
    run = start_approved(bench, first(fail, fail), {"target": "docs"})
    assert bench.advance(run).status == "failed"
    assert retry(bench, run).status == "failed"
    assert retry(bench, run).status == "completed"
    tried = [work.arguments for work in bench.runtime.done if work.key.startswith("step:2:")]
    assert tried == [{"target": "docs"}] * 3
    assert [receipt.outcome for receipt in receipts_of(run)] == ["edited"]


def test_what_an_approved_step_changes_before_it_is_tried_again_by_its_design_asks_nobody(bench):
    run = start_approved(bench, first(change_and_fail), on_failure="retry", max_retries=1, backoff_seconds=0)
    assert bench.advance(run).status == "completed"
    assert steps_of(run)[1:3] == [(2, 1, "failed"), (2, 2, "completed")]


def test_what_an_approved_step_changed_before_its_worker_was_lost_asks_nobody(bench):
    stop = Stop()

    def change_and_stop(work: Work, told: Stop) -> Performance:
        yield change(work, "shop/tax.py")
        stop.set(StopReason.SHUTDOWN)
        return Outcome(error="stopped")

    run = start_approved(bench, first(change_and_stop))
    claim = bench.claim(run)
    advance(claim, stop, find_runtime=bench.runtime.find)
    release(claim)
    assert steps_of(run)[1:3] == [(2, 1, "failed"), (2, 2, "pending")]
    assert bench.advance(run).status == "completed"


def test_who_takes_up_a_run_whose_step_has_changed_files_since_is_asked_with_those_changes(bench):
    run = start_approved(bench, first(change_and_fail), {"target": "docs"})
    assert bench.advance(run).status == "failed"
    paused = retry(bench, run)
    assert (paused.status, find_current_step(run).parameters) == ("paused", {"target": "all"})
    assert paused.checkpoint_message.endswith("\n\nAsked again: files have changed since it was approved.")
    seen = services.see_checkpoint(paused, find_current_step(run))
    assert [edit["path"] for edit in seen["file_edits"]] == ["shop/prices.py", "shop/tax.py"]
    bench.approve(run)
    assert bench.advance(run).status == "completed"
    assert bench.runtime.done[-2].arguments == {"target": "all"}


def test_an_approval_is_of_the_files_as_its_last_one_saw_them(bench):
    run = start_approved(bench, first(change_and_fail, fail))
    bench.advance(run)
    retry(bench, run)
    bench.approve(run)
    assert bench.advance(run).status == "failed"
    assert retry(bench, run).status == "completed"
    assert len(receipts_of(run)) == 2


@pytest.mark.parametrize("begun", [False, True], ids=["before it was begun with", "before it is tried again"])
def test_changes_that_are_gone_with_the_runs_folder_are_not_what_was_approved(bench, begun):
    run = start_approved(bench, first(fail) if begun else succeed)
    if begun:
        bench.advance(run)
        lose_folder(run)
        paused = retry(bench, run)
    else:
        lose_folder(run)
        paused = bench.advance(run)
    assert (paused.status, paused.step_position) == ("paused", 2)
    assert "Asked again: files have changed" in paused.checkpoint_message
    assert "file_edits" not in services.see_checkpoint(paused, find_current_step(run))
    assert len([work for work in bench.runtime.done if work.key.startswith("step:2:")]) == int(begun)
    bench.approve(run)
    assert bench.advance(run).status == "completed"


def test_a_folder_that_held_nothing_that_was_seen_may_be_gone(bench):
    bench.runtime.doings = {"ask": first(fail)}
    run = bench.start({}, {"body": "ask", "has_checkpoint": True})
    bench.advance(run)
    bench.approve(run)
    bench.advance(run)
    lose_folder(run)
    assert retry(bench, run).status == "completed"


def test_a_run_that_asks_before_its_first_step_has_lost_no_folder(bench):
    run = bench.start({"has_checkpoint": True})
    bench.advance(run)
    bench.approve(run)
    assert bench.advance(run).status == "completed"
    assert not any("folder was gone" in line.text for line in lines_of(run))


def test_the_time_that_an_approved_step_waits_for_a_worker_is_no_time_at_work(bench):
    run = bench.start({"has_checkpoint": True})
    bench.advance(run)
    bench.world.decide(services.approve_checkpoint, run)  # by the world's clock, long ago
    bench.advance(run)
    step = find_current_step(run)
    assert step.started_at is not None
    assert step.finished_at is not None
    assert (step.finished_at - step.started_at).total_seconds() < 60
