"""Steps move with their run: positions, attempts, results, errors, and the lines that they leave."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.entries import EntryKind, NewEntry, RunFacts, Usage
from audit.imports import Delivery
from audit.models import Transcript
from flows import services
from flows.models import FlowRun, RunStatus, StepRun
from sessions_app.kinds import IllegalMove
from tests.flows.worlds import START, World, lines_of, picture_of, steps_of
from workspace.services import set_secret


def begun(world: World) -> FlowRun:
    run = world.start()
    world.call(services.begin_run, run)
    return run


def position_of(run: FlowRun) -> tuple[int, int]:
    run.refresh_from_db()
    return run.step_position, run.step_count


def test_the_position_is_the_current_or_next_step_and_stays_at_the_last(world):
    run = begun(world)
    seen = [position_of(run)]
    for _ in range(3):
        world.finish_steps(run, 1)
        seen.append(position_of(run))
    assert seen == [(1, 3), (2, 3), (3, 3), (3, 3)]
    world.call(services.complete_run, run)
    assert position_of(run) == (3, 3)


def test_a_skipped_step_counts(world):
    run = begun(world)
    world.finish_steps(run, 1)
    world.call(services.skip_step, run, reason="nothing to test")
    assert position_of(run) == (3, 3)
    assert steps_of(run)[1] == (2, 1, "skipped")
    assert lines_of(run)[-1].text == "Step 2 of 3 “test” skipped: nothing to test"


def test_a_step_keeps_its_arguments_result_and_times(world):
    run = begun(world)
    world.call(services.start_step, run, arguments={"target": "api", "commit": "4f2a91c"})
    world.call(services.finish_step, run, result={"image": "api:2.4", "layers": [1, 2]})
    step = StepRun.objects.get(run=run, position=1)
    assert step.parameters == {"target": "api", "commit": "4f2a91c"}
    assert step.result == {"image": "api:2.4", "layers": [1, 2]}
    assert step.finished_at - step.started_at == timedelta(minutes=1)
    begins = next(line for line in lines_of(run) if line.data["event"] == "step_started")
    assert (step.first_seq, begins.data["arguments"]) == (begins.seq, step.parameters)


def test_progress_moves_no_version(world):
    run = begun(world)
    version = FlowRun.objects.get(pk=run.pk).version
    world.finish_steps(run, 2)
    run.refresh_from_db()
    assert (run.version, run.changed_at) == (version, world.now)


def test_a_failed_step_fails_the_run_with_the_first_line_of_its_error(world):
    run = world.run_that_is(RunStatus.RUNNING)
    error = "\n  AssertionError: 3 != 4\n    at test_totals\n"
    world.call(services.fail_step, run, error=error)
    run.refresh_from_db()
    assert (run.status, run.error, run.finished_at) == ("failed", "AssertionError: 3 != 4", world.now)
    step = StepRun.objects.get(run=run, position=1)
    assert (step.status, step.error) == ("failed", error)
    line = lines_of(run)[-1]
    assert (line.kind, line.is_error, line.text) == ("error", True, error)
    assert steps_of(run)[1:] == [(2, 1, "pending"), (3, 1, "pending")]


def test_the_headline_of_an_error_is_cut_and_the_step_keeps_the_whole(world):
    run = world.run_that_is(RunStatus.RUNNING)
    world.call(services.fail_step, run, error="x" * 2000)
    run.refresh_from_db()
    assert len(run.error) == 500
    assert len(StepRun.objects.get(run=run, position=1).error) == 2000


def test_retrying_keeps_each_attempt_as_it_ended(world):
    run = world.run_that_is(RunStatus.FAILED)
    for attempt in (2, 3):
        world.call(services.retry_run, run, actor=world.actor)
        run.refresh_from_db()
        assert (run.status, run.error, run.finished_at) == ("running", "", None)
        world.call(services.start_step, run)
        world.call(services.fail_step, run, error=f"Error in attempt {attempt}")
    world.call(services.retry_run, run)
    world.finish_steps(run, 3)
    assert steps_of(run) == [
        (1, 1, "failed"),
        (1, 2, "failed"),
        (1, 3, "failed"),
        (1, 4, "completed"),
        (2, 1, "completed"),
        (3, 1, "completed"),
    ]
    errors = StepRun.objects.filter(run=run, position=1).order_by("attempt").values_list("error", flat=True)
    assert list(errors)[1:] == ["Error in attempt 2", "Error in attempt 3", ""]
    assert {line.attempt for line in lines_of(run)} == {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("status", "word"), [(RunStatus.INTERRUPTED, "Interrupted"), (RunStatus.BLOCKED, "Blocked")]
)
def test_a_step_that_was_cut_off_has_failed_and_resuming_makes_its_next_attempt(world, status, word):
    run = world.run_that_is(status)
    cut_off = StepRun.objects.get(run=run, position=1)
    assert (cut_off.status, cut_off.finished_at) == ("failed", run.changed_at)
    assert cut_off.error.startswith(f"{word}: ")
    world.call(services.resume_run, run)
    assert steps_of(run)[:2] == [(1, 1, "failed"), (1, 2, "pending")]


def test_a_run_interrupted_between_steps_goes_on_after_the_last_finished_one(world):
    run = begun(world)
    world.finish_steps(run, 1)
    world.call(services.interrupt_run, run, reason="The worker was lost")
    world.call(services.resume_run, run)
    assert position_of(run) == (2, 3)
    assert steps_of(run) == [(1, 1, "completed"), (2, 1, "pending"), (3, 1, "pending")]


def test_what_an_agent_says_goes_under_the_attempt_of_the_current_step(world):
    run = world.run_that_is(RunStatus.FAILED)
    world.call(services.retry_run, run)
    version = FlowRun.objects.get(pk=run.pk).version
    said = NewEntry(kind=EntryKind.MESSAGE, native_id="m1", role="assistant", text="On it.", message_id="m1")
    usage = Usage(message_id="m1", model="opus", input_tokens=20, output_tokens=5)
    now = world.tick()
    delivery = Delivery(entries=[said], usages=[usage], facts=RunFacts(model="opus", branch="main"))
    appended = services.add_entries(tenant_id=world.tenant.pk, run_id=run.pk, delivery=delivery, now=now)
    line = lines_of(run)[-1]
    assert (appended.added, line.text, line.attempt) == (1, "On it.", 2)
    transcript = Transcript.objects.get(session_id=run.pk)
    assert (transcript.model_last, transcript.input_tokens) == ("opus", 20)
    run.refresh_from_db()
    assert (run.changed_at, run.version) == (now, version)


def test_a_credential_in_arguments_result_error_or_reason_is_kept_by_its_name(world):
    value = "-".join(["correct", "horse", "battery"])
    set_secret(tenant_id=world.tenant.pk, name="DEPLOY_KEY", value=value, actor=world.actor)
    run = begun(world)
    world.call(services.start_step, run, arguments={"env": {"KEY": value}})
    world.call(services.finish_step, run, result=[f"used {value}"])
    world.call(services.start_step, run)
    world.call(services.fail_step, run, error=f"denied for {value}")
    world.call(services.retry_run, run)
    world.call(services.block_run, run, reason=f"{value} has expired")
    run.refresh_from_db()
    assert run.error == "[DEPLOY_KEY] has expired"
    stored = [
        *StepRun.objects.filter(run=run).values(),
        run.evidence,
        *[vars(line) for line in lines_of(run)],
    ]
    assert value not in str(stored)
    first = StepRun.objects.get(run=run, position=1)
    assert (first.parameters, first.result) == ({"env": {"KEY": "[DEPLOY_KEY]"}}, ["used [DEPLOY_KEY]"])


def test_each_line_of_the_transcript_tells_of_one_event_in_order(world):
    run = begun(world)
    world.finish_steps(run, 2)
    world.call(services.pause_at_checkpoint, run)
    world.decide(services.approve_checkpoint, run, comment="Go")
    world.call(services.finish_step, run)
    world.call(services.complete_run, run)
    events = [(line.kind, line.data["event"]) for line in lines_of(run)]
    assert events == [
        ("status", "run_started"),
        ("status", "run_begin"),
        *[("status", "step_started"), ("status", "step_finished")] * 2,
        ("checkpoint", "checkpoint"),
        ("approval", "decision"),
        ("status", "step_started"),
        ("status", "step_finished"),
        ("status", "run_complete"),
    ]
    times = [line.occurred_at for line in lines_of(run)]
    assert times == sorted(times)
    assert times[0] > START


@pytest.mark.parametrize("status", [status for status in RunStatus if status != RunStatus.RUNNING])
def test_an_agent_adds_nothing_to_a_run_that_is_not_at_work(world, status):
    run = world.run_that_is(status)
    before = picture_of(run)
    entry = NewEntry(kind=EntryKind.MESSAGE, native_id="late", occurred_at=world.now, text="Still here")
    with pytest.raises(IllegalMove, match="add_entries"):
        services.add_entries(tenant_id=world.tenant.pk, run_id=run.pk, delivery=Delivery(entries=[entry]))
    assert picture_of(run) == before
