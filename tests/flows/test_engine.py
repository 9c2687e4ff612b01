"""A worker carries a run from step to step: results, retries, checkpoints, what is missing, where it ends."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from agents.folders import session_folder
from agents.results import MAX_RESULT_DEPTH, read_json
from agents.runtimes import Outcome, Performance, Stop, StopReason, Work
from audit.imports import Delivery
from flows import services
from flows.design import ParameterDesign
from flows.leases import claim_run
from flows.models import Artifact, FlowRun, StepRun
from flows.waking import wake_lost_runs
from tests.factories.agents import ProfileFactory
from tests.flows.doings import Bench, break_down, fail, say
from tests.flows.worlds import lines_of, receipts_of, steps_of
from workspace.services import set_secret

AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")


def lines_with(run: FlowRun, event: str) -> list[str]:
    return [line.text for line in lines_of(run) if line.data.get("event") == event]


def test_a_run_goes_from_step_to_step_and_is_complete(bench):
    run = bench.start({}, {}, {})
    ended = bench.advance(run)
    assert (ended.status, ended.step_position, ended.lease_holder) == ("completed", 3, "")
    assert steps_of(run) == [(1, 1, "completed"), (2, 1, "completed"), (3, 1, "completed")]
    assert bench.runtime.keys == ["step:1:1", "step:2:1", "step:3:1"]
    texts = [line.text for line in lines_of(run)]
    assert texts[2:5] == ["Step 1 of 3 “s1” started", "step:1:1 at work", "Step 1 of 3 “s1” finished"]
    assert [line.seq for line in lines_of(run)] == list(range(1, len(texts) + 1))


def test_parameters_and_earlier_results_reach_a_step(bench):
    parameters = {"from": "{{ params.environment }}", "was": "{{ steps.s1.result.arguments.n }}"}
    design = (ParameterDesign(name="environment", default="dev"),)
    steps = {"parameters": {"n": [1, 2]}}, {"parameters": parameters}
    run = bench.start(*steps, parameters=design, values={"environment": "staging"})
    bench.advance(run)
    assert bench.runtime.done[-1].arguments == {"from": "staging", "was": [1, 2]}


def test_a_result_as_deep_as_one_may_be_is_kept_told_and_referred_to(bench):
    deep = read_json("[" * (MAX_RESULT_DEPTH + 1) + "]" * (MAX_RESULT_DEPTH + 1))

    def think(work: Work, stop: Stop) -> Performance:
        yield say(work, "deep thoughts")
        return Outcome(result=deep)

    bench.runtime.doings = {"think": think}
    run = bench.start({"body": "think"}, {"parameters": {"x": "{{ steps.s1.result }}"}})
    assert bench.advance(run).status == "completed"
    assert bench.runtime.done[-1].arguments == {"x": deep}
    assert StepRun.objects.get(run=run, position=1).result == deep
    assert "UNSCANNED" not in "".join(json.dumps(line.data) for line in lines_of(run))


def test_a_step_whose_condition_does_not_hold_is_skipped(bench):
    run = bench.start({}, {"condition": 'steps.s1.status == "failed"'}, {})
    assert bench.advance(run).status == "completed"
    assert steps_of(run)[1] == (2, 1, "skipped")
    assert bench.runtime.keys == ["step:1:1", "step:3:1"]


def test_a_failing_step_fails_its_run_and_a_retry_goes_on_there(bench):
    bench.runtime.doings = {"bad": fail}
    run = bench.start({}, {"body": "bad"}, {})
    failed = bench.advance(run)
    assert (failed.status, failed.error) == ("failed", "step:2:1 has failed")
    bench.runtime.doings = {}
    bench.world.call(services.retry_run, run, now=None)
    assert bench.advance(run).status == "completed"
    assert bench.runtime.keys == ["step:1:1", "step:2:1", "step:2:2", "step:3:1"]


def test_a_failing_step_is_tried_again_as_often_as_it_may_be(bench):
    bench.runtime.doings = {"bad": fail}
    run = bench.start({"body": "bad", "on_failure": "retry", "max_retries": 2, "backoff_seconds": 0}, {})
    assert bench.advance(run).status == "failed"
    assert steps_of(run) == [(1, 1, "failed"), (1, 2, "failed"), (1, 3, "failed"), (2, 1, "pending")]
    assert {line.attempt for line in lines_of(run)} == {1, 2, 3}
    assert lines_with(run, "step_retry") == ["Attempt 2 of “s1” begins", "Attempt 3 of “s1” begins"]


def test_a_retry_waits_its_time(bench):
    bench.runtime.doings = {"bad": fail}
    run = bench.start({"body": "bad", "on_failure": "retry", "max_retries": 1, "backoff_seconds": 1})
    bench.advance(run)
    first, second = StepRun.objects.filter(run=run).order_by("attempt")
    assert second.due_at is not None
    assert second.started_at >= second.due_at >= first.finished_at + timedelta(seconds=1)
    assert lines_with(run, "step_retry") == ["Attempt 2 of “s1” begins in 1 s"]


def test_a_short_wait_ends_when_the_work_is_to_stop(bench):
    stop = Stop()

    def fail_before_the_end(work: Work, stop: Stop) -> Performance:
        yield say(work, "x")
        threading.Timer(0.2, stop.set, [StopReason.SHUTDOWN]).start()
        return Outcome(error="no")

    bench.runtime.doings = {"bad": fail_before_the_end}
    run = bench.start({"body": "bad", "on_failure": "retry", "max_retries": 1, "backoff_seconds": 4})
    assert bench.advance(run, stop).status == "running"
    assert stop.is_set()
    assert steps_of(run) == [(1, 1, "failed"), (1, 2, "pending")]


def test_a_run_that_waits_long_for_its_next_attempt_holds_no_worker_and_is_not_called_lost(bench):
    bench.runtime.doings = {"bad": fail}
    run = bench.start({"body": "bad", "on_failure": "retry", "max_retries": 1, "backoff_seconds": 60})
    waiting = bench.advance(run)
    assert bench.runtime.keys == ["step:1:1"]
    assert (waiting.status, waiting.lease_holder) == ("running", "nobody: it waits to try again")
    assert timedelta(seconds=50) < waiting.lease_expires_at - timezone.now() < timedelta(seconds=61)
    assert claim_run(run.pk, "too early") is None
    assert wake_lost_runs() == 0
    past = timezone.now() - timedelta(seconds=1)
    FlowRun.objects.filter(pk=run.pk).update(lease_expires_at=past)
    StepRun.objects.filter(run=run, attempt=2).update(due_at=past)
    assert bench.advance(run).status == "failed"
    assert bench.runtime.keys == ["step:1:1", "step:1:2"]


def test_a_step_that_may_fail_is_passed_over_even_as_the_last(bench):
    bench.runtime.doings = {"bad": fail}
    run = bench.start({"body": "bad", "on_failure": "skip"}, {}, {"body": "bad", "on_failure": "skip"})
    ended = bench.advance(run)
    assert (ended.status, ended.error) == ("completed", "")
    assert steps_of(run) == [(1, 1, "failed"), (2, 1, "completed"), (3, 1, "failed")]


def test_a_fallback_goes_on_at_a_later_step_and_skips_what_lies_between(bench):
    bench.runtime.doings = {"bad": fail}
    run = bench.start(
        {"body": "bad", "on_failure": "fallback", "fallback_step": "s4"},
        {},
        {},
        {"parameters": {"why": "{{ steps.s1.error }}"}},
    )
    assert bench.advance(run).status == "completed"
    assert steps_of(run) == [(1, 1, "failed"), (2, 1, "skipped"), (3, 1, "skipped"), (4, 1, "completed")]
    assert bench.runtime.done[-1].arguments == {"why": "step:1:1 has failed"}


def test_a_runtime_that_breaks_down_fails_the_step(bench):
    bench.runtime.doings = {"bad": break_down}
    failed = bench.advance(bench.start({"body": "bad"}))
    assert failed.error == "The runtime scripted failed: RuntimeError: out of order"


def test_a_run_rests_at_a_checkpoint_and_goes_on_once_it_is_approved(bench):
    asks = {"has_checkpoint": True, "checkpoint_message": "After try {{ steps.s1.attempt }}?"}
    run = bench.start({}, {**asks, "parameters": {"n": "{{ steps.s1.attempt }}"}}, {})
    paused = bench.advance(run)
    assert paused.checkpoint_message == "After try 1?"
    assert (paused.status, paused.lease_holder, bench.runtime.keys) == ("paused", "", ["step:1:1"])
    bench.approve(run)
    assert bench.advance(run).status == "completed"
    assert bench.runtime.done[1].arguments == {"n": 1}
    assert receipts_of(run)[0].seen["arguments"] == {"n": 1}


def test_a_further_attempt_of_what_was_approved_is_not_asked_about_again(bench):
    bench.runtime.doings = {"bad": fail}
    run = bench.start({}, {"body": "bad", "has_checkpoint": True})
    bench.advance(run)
    bench.approve(run)
    assert bench.advance(run).status == "failed"
    bench.world.call(services.retry_run, run, now=None)
    assert bench.advance(run).status == "failed"
    assert bench.runtime.keys == ["step:1:1", "step:2:1", "step:2:2"]
    assert len(receipts_of(run)) == 1


def test_a_missing_value_blocks_the_run_and_is_named(bench):
    run = bench.start({}, {"parameters": {"x": "{{ steps.s1.result.nothing }}"}})
    blocked = bench.advance(run)
    assert (blocked.status, blocked.lease_holder) == ("blocked", "")
    assert "steps.s1.result.nothing" in blocked.error


@pytest.mark.parametrize("approved", [False, True])
def test_a_runtime_that_is_not_configured_blocks_the_run_until_it_is(bench, approved):
    bench.runtime.missing = "MODEL_URL is not set"
    run = bench.start({"has_checkpoint": approved})
    if approved:
        bench.advance(run)
        bench.approve(run)
    blocked = bench.advance(run)
    assert (blocked.status, blocked.error) == ("blocked", "MODEL_URL is not set")
    bench.runtime.missing = ""
    bench.world.call(services.resume_run, run, now=None)
    assert bench.advance(run).status == "completed"


def test_a_runtime_that_is_not_there_blocks_the_run(bench):
    blocked = bench.advance(bench.start({"runtime": "codex"}))
    assert (blocked.status, blocked.error) == ("blocked", "there is no runtime “codex” in this installation")


def test_a_repository_of_another_workspace_blocks_the_run(bench, settings, tmp_path):
    settings.REPO_ROOTS = [tmp_path / "repos"]
    theirs = tmp_path / "repos" / "theirs" / "demo"
    own = tmp_path / "repos" / bench.world.tenant.slug / "demo"
    for place in (theirs, own):
        place.mkdir(parents=True)
        for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
            subprocess.run(["git", *AUTHOR, *arguments], cwd=place, check=True)
    assert bench.advance(bench.start({}, repo_path="demo")).status == "completed"
    for number, named in enumerate((str(theirs), "../theirs/demo")):
        blocked = bench.advance(bench.start({}, name=f"Bench {number}", repo_path=named))
        assert blocked.status == "blocked"
        assert f"no repository {named}: its repositories lie in {own.parent}" in blocked.error


def test_a_secret_reaches_the_work_that_names_it_and_nothing_else(bench):
    value = "-".join(["correct", "horse", "battery"])
    profile = ProfileFactory(tenant=bench.world.tenant, env_secret_names=["DEPLOY_KEY"], name="Deployer")
    run = bench.start({"profile_id": profile.pk}, {})
    blocked = bench.advance(run)
    assert blocked.error.startswith("the profile “Deployer” names DEPLOY_KEY, and this workspace has no such")

    def leak(work: Work, stop: Stop) -> Performance:
        yield say(work, *work.environment.values())
        return Outcome(result=list(work.environment.values()))

    set_secret(tenant_id=run.tenant_id, name="DEPLOY_KEY", value=value, actor=bench.world.actor)
    bench.world.call(services.resume_run, run, now=None)
    bench.runtime.doings = {"true": leak}
    assert bench.advance(run).status == "completed"
    assert [dict(work.environment) for work in bench.runtime.done] == [{"DEPLOY_KEY": value}, {}]
    stored = [*StepRun.objects.filter(run=run).values(), *[vars(line) for line in lines_of(run)]]
    assert value not in str(stored)
    assert "[DEPLOY_KEY]" in str(stored)


def test_limits_are_those_of_the_profile_and_what_is_left_of_the_flows(bench):
    limits = {"max_minutes": 10, "max_turns": 5, "max_memory_mb": 64, "max_output_kb": 8}
    profile = ProfileFactory(tenant=bench.world.tenant, **limits)
    run = bench.start({}, {"profile_id": profile.pk}, max_minutes=2, max_turns=30)
    bench.advance(run)
    first, second = (work.limits for work in bench.runtime.done)
    assert (first.seconds, first.turns, first.memory_bytes) == (120, 30, None)
    assert 119 < second.seconds < 120
    assert (second.turns, second.memory_bytes, second.output_bytes) == (5, 64 << 20, 8 << 10)


def test_a_run_that_has_used_its_minutes_fails_and_says_what_to_raise(bench):
    run = bench.start({}, {}, max_minutes=1)

    def age(work: Work, stop: Stop) -> Performance:
        yield Delivery()
        StepRun.objects.filter(run=run).update(started_at=timezone.now() - timedelta(minutes=2))
        return Outcome()

    bench.runtime.doings = {"true": age}
    failed = bench.advance(run)
    assert (
        failed.error
        == "The run has used its 1 minutes. Raise the flow's limit on minutes and start it again."
    )
    assert len(bench.runtime.done) == 1


def test_a_folder_that_is_gone_is_made_anew_and_the_transcript_says_so(bench):
    bench.runtime.doings = {"bad": fail}
    run = bench.start({}, {"body": "bad"})
    bench.advance(run)
    folder = session_folder(run.tenant_id, run.pk)
    assert folder.is_dir()
    assert lines_with(run, "run_folder") == []
    shutil.rmtree(folder)
    bench.world.call(services.retry_run, run, now=None)
    bench.advance(run)
    assert folder.is_dir()
    assert lines_with(run, "run_folder") == ["The run's folder was gone: it goes on in a fresh one"]


def test_work_that_is_stopped_by_a_shutdown_was_cut_off_and_goes_on_elsewhere(bench):
    def stop_in_the_middle(work: Work, stop: Stop) -> Performance:
        yield say(work, "half")
        stop.set(StopReason.SHUTDOWN)
        return Outcome(error="shutdown")

    bench.runtime.doings = {"long": stop_in_the_middle}
    run = bench.start({}, {"body": "long"})
    for attempt in range(1, 8):  # as often as anybody likes: nothing is wrong with the step
        assert bench.advance(run).status == "running"
        cut_off = StepRun.objects.get(run=run, position=2, attempt=attempt)
        assert (cut_off.status, cut_off.was_cut_off, cut_off.was_handed_back) == ("failed", True, True)
        FlowRun.objects.filter(pk=run.pk).update(lease_expires_at=None)
    lose_a_worker(bench, run)
    bench.runtime.doings = {}
    assert bench.advance(run).status == "completed"
    assert bench.runtime.keys[-1] == "step:2:9"


def lose_a_worker(bench: Bench, run: FlowRun) -> None:
    claim = bench.claim(run)
    bench.world.call(services.start_step, run, fence=claim.fence)
    FlowRun.objects.filter(pk=run.pk).update(lease_expires_at=None)


def test_a_last_step_that_was_passed_over_is_not_done_again_by_resuming(bench):
    """The worker had it written down that the run goes on without it, and came no further."""
    bench.runtime.doings = {"bad": fail}
    run = bench.start({}, {"body": "bad", "on_failure": "skip"})
    bench.world.call(services.begin_run, run)
    bench.world.finish_steps(run, 1)
    bench.world.call(services.start_step, run)
    bench.world.call(services.pass_step, run, error="it failed")
    bench.world.call(services.interrupt_run, run, reason="a fault of the engine")
    bench.world.call(services.resume_run, run, now=None)
    assert bench.advance(run).status == "completed"
    assert bench.runtime.keys == []
    assert steps_of(run) == [(1, 1, "completed"), (2, 1, "failed")]


def test_a_secret_that_is_registered_in_the_middle_of_a_step_is_kept_out_of_what_it_says_later(
    bench, monkeypatch
):
    monkeypatch.setattr("flows.engine.REDACTOR_SECONDS", 0.0)
    value = "-".join(["correct", "horse", "battery"])

    def register_and_tell(work: Work, stop: Stop) -> Performance:
        yield say(work, "before")
        set_secret(tenant_id=run.tenant_id, name="LATE_KEY", value=value, actor=bench.world.actor)
        yield Delivery(entries=[*say(work, "", f"it is {value}").entries][1:])
        return Outcome(result=value, last=Delivery(entries=[*say(work, "", "", value).entries][2:]))

    bench.runtime.doings = {"true": register_and_tell}
    run = bench.start({})
    assert bench.advance(run).status == "completed"
    assert [line.text for line in lines_of(run)][4:6] == ["it is [LATE_KEY]", "[LATE_KEY]"]
    assert StepRun.objects.get(run=run).result == "[LATE_KEY]"


def test_what_a_step_makes_is_kept_with_it(bench):
    def write(work: Work, stop: Stop) -> Performance:
        (work.folder / "report.txt").write_text("all well\n")
        yield Delivery()
        return Outcome()

    bench.runtime.doings = {"true": write}
    run = bench.start({"artifacts": ("*.txt",)})
    assert bench.advance(run).status == "completed"
    kept = Artifact.objects.get(run=run)
    assert (kept.name, kept.text, kept.step_run_id) == (
        "report.txt",
        "all well\n",
        StepRun.objects.get(run=run).pk,
    )
