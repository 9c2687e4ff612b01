"""What a run needs next follows from its rows alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.deciding import (
    AfterFailure,
    Approval,
    Ask,
    Begin,
    Block,
    Complete,
    Decision,
    Fail,
    GiveUp,
    Pass,
    Recover,
    Rest,
    Retry,
    Skip,
    Start,
    TakeUp,
    Wait,
    decide,
    decide_after_failure,
)
from flows.models import FlowRun, StepRun

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)
SKILL = {"id": "1", "name": "Ship", "runtime": "shell", "body": "make"}


def run_of(*designs: dict[str, Any], at: int = 1, status: str = "running", mode: str = "template") -> FlowRun:
    plain = {
        "skill": SKILL,
        "parameters": {},
        "condition": "",
        "has_checkpoint": False,
        "on_failure": "stop",
        "fallback_step": "",
        "max_retries": 0,
        "backoff_seconds": 1,
    }
    steps = [
        {**plain, "name": f"s{number}", "position": number, **design}
        for number, design in enumerate(designs, start=1)
    ]
    snapshot = {"flow": {"checkpoint_mode": mode}, "steps": steps}
    return FlowRun(
        title="Release",
        status=status,
        snapshot=snapshot,
        parameters={"target": "api", "dry": False},
        step_position=at,
        step_count=len(steps),
    )


def step(position: int = 1, status: str = "pending", attempt: int = 1, **fields: Any) -> StepRun:
    return StepRun(position=position, name=f"s{position}", attempt=attempt, status=status, **fields)


def lost(attempt: int, **fields: Any) -> StepRun:
    return step(status="failed", attempt=attempt, was_cut_off=True, **fields)


FIRST_DONE = step(1, "completed", result={"image": "api:2.4", "files": ["a", "b"]})
REFERS = {"parameters": {"image": "{{ steps.s1.result.image }}", "files": "{{ steps.s1.result.files }}"}}
FILLED = {"image": "api:2.4", "files": ["a", "b"]}

CASES: dict[str, tuple[FlowRun, list[StepRun], Decision]] = {
    "a pending run begins": (run_of({}, status="pending"), [step()], Begin()),
    "a step without conditions starts": (run_of({}), [step()], Start({})),
    "values of parameters and earlier steps are put in": (
        run_of({}, REFERS, at=2),
        [FIRST_DONE, step(2)],
        Start(FILLED),
    ),
    "the newest attempt of an earlier step counts": (
        run_of({}, {"parameters": {"n": "{{ steps.s1.attempt }}"}}, at=2),
        [step(1, "completed", attempt=2), step(1, "failed"), step(2)],
        Start({"n": 2}),
    ),
    "a condition that does not hold skips": (
        run_of({"condition": "params.dry"}),
        [step()],
        Skip("its condition does not hold: params.dry"),
    ),
    "a condition that holds starts": (run_of({"condition": "not params.dry"}), [step()], Start({})),
    "a checkpoint asks": (run_of({"has_checkpoint": True}), [step()], Ask({})),
    "what is asked about has its values": (
        run_of({}, {**REFERS, "has_checkpoint": True}, at=2),
        [FIRST_DONE, step(2)],
        Ask(FILLED),
    ),
    "what somebody is asked has its values": (
        run_of(
            {},
            {
                "has_checkpoint": True,
                "checkpoint_message": "{{ steps.s1.result.files }} of {{ params.target }}?",
            },
            at=2,
        ),
        [FIRST_DONE, step(2)],
        Ask({}, message='["a", "b"] of api?'),
    ),
    "a message that is one value is a text": (
        run_of({"has_checkpoint": True, "checkpoint_message": "{{ params.dry }}"}),
        [step()],
        Ask({}, message="false"),
    ),
    "a message whose value is not there is asked as it is written": (
        run_of({}, {"has_checkpoint": True, "checkpoint_message": "Ship {{ steps.s1.result.image }}?"}, at=2),
        [step(1, "skipped"), step(2)],
        Ask({}, message="Ship {{ steps.s1.result.image }}?"),
    ),
    "what expressions make of a message is cut": (
        run_of({"has_checkpoint": True, "checkpoint_message": "{{ params.target }}" + "y" * 2000}),
        [step()],
        Ask({}, message="api" + "y" * 1997),
    ),
    "a condition is looked at before anybody is asked": (
        run_of({"has_checkpoint": True, "condition": "params.dry"}),
        [step()],
        Skip("its condition does not hold: params.dry"),
    ),
    "mode all asks before every step": (run_of({}, mode="all"), [step()], Ask({})),
    "mode none never asks": (run_of({"has_checkpoint": True}, mode="none"), [step()], Start({})),
    "a retry waits for its time": (run_of({}), [step(due_at=LATER)], Wait(LATER)),
    "a retry whose time has come starts": (run_of({}), [step(due_at=NOW)], Start({})),
    "a step that was approved is taken up": (run_of({}), [step(status="running")], TakeUp()),
    "a step whose worker was lost is recovered": (
        run_of({}),
        [step(status="running", fence=3)],
        Recover("The worker of step 1 “s1” was lost in the middle of it."),
    ),
    "the last step done completes": (run_of({}), [step(status="completed")], Complete()),
    "the last step skipped completes": (run_of({}), [step(status="skipped")], Complete()),
    "the last step passed over completes": (run_of({}), [step(status="failed")], Complete()),
    **{
        f"a run that is {status} rests": (run_of({}, status=status), [step()], Rest())
        for status in ("paused", "blocked", "interrupted", "completed", "failed", "rejected", "cancelled")
    },
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_next(case):
    run, steps, expected = CASES[case]
    assert decide(run, steps, NOW) == expected
    assert decide(run, steps[::-1], NOW) == expected


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ({"parameters": {"x": "{{ steps.s1.result.nothing }}"}}, "steps.s1.result.nothing"),
        ({"condition": "params.nothing"}, "params.nothing"),
    ],
)
def test_a_value_that_is_not_there_blocks_and_is_named(field, text):
    decision = decide(run_of({}, field, at=2), [FIRST_DONE, step(2)], NOW)
    assert isinstance(decision, Block)
    assert decision.reason.startswith("step 2 “s2” cannot begin: ")
    assert text in decision.reason


@pytest.mark.parametrize(("lost_before", "gives_up"), [(0, False), (8, False), (9, True), (12, True)])
def test_recovery_gives_up_after_ten_workers_in_a_row(lost_before, gives_up):
    attempts = [lost(number) for number in range(1, lost_before + 1)]
    current = step(status="running", attempt=lost_before + 1, fence=9)
    decision = decide(run_of({}), [*attempts, current], NOW)
    assert isinstance(decision, GiveUp if gives_up else Recover)
    if isinstance(decision, GiveUp):
        assert f"lost {lost_before + 1} times in a row" in decision.reason


@pytest.mark.parametrize(("lost_before", "gives_up"), [(0, False), (8, False), (9, True)])
def test_attempts_that_were_handed_back_neither_count_nor_begin_the_count_anew(lost_before, gives_up):
    attempts = []
    for _ in range(lost_before or 1):
        attempts += [lost(len(attempts) + at, was_handed_back=True) for at in range(1, 6)]
        attempts += [lost(len(attempts) + 1)] if lost_before else []
    decision = decide(run_of({}), [*attempts, step(status="running", attempt=99, fence=9)], NOW)
    assert isinstance(decision, GiveUp if gives_up else Recover)
    if isinstance(decision, GiveUp):
        assert "lost 10 times in a row" in decision.reason


def test_a_failure_between_cut_offs_begins_the_count_anew():
    attempts = [*map(lost, range(1, 9)), step(status="failed", attempt=9), lost(10)]
    decision = decide(run_of({}), [*attempts, step(status="running", attempt=11, fence=9)], NOW)
    assert isinstance(decision, Recover)


def seen(**changes: Any) -> dict[str, Any]:
    result = {"position": 1, "name": "s1", "attempt": 1, "status": "completed", "result": FIRST_DONE.result}
    return {
        "version": 1,
        "step": {"position": 2, "name": "s2", "attempt": 1, "skill": SKILL},
        "arguments": FILLED,
        "results": [result],
        **changes,
    }


ARGUMENTS_CHANGED = "its arguments are not those that were approved"
RESULTS_CHANGED = "the results of earlier steps have changed since it was approved"
FILES_CHANGED = "files have changed since it was approved"
SEEN_EDIT, OWN_EDIT = ({"seq": seq, "path": "a", "digest": str(seq)} for seq in (4, 9))


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({}, ""),
        ({"arguments": {**FILLED, "image": "api:2.3"}}, ARGUMENTS_CHANGED),
        ({"results": []}, RESULTS_CHANGED),
        (
            {"step": {"position": 2, "name": "s2", "attempt": 1, "skill": {**SKILL, "body": "rm"}}},
            "its skill is not the one that was approved",
        ),
        ({"file_edits": [SEEN_EDIT]}, FILES_CHANGED),
    ],
)
def test_a_further_attempt_is_asked_about_unless_exactly_that_was_approved(changes, again):
    run = run_of({}, {**REFERS, "has_checkpoint": True}, at=2)
    steps = [FIRST_DONE, step(2, "failed"), step(2, attempt=2)]
    approval = Approval(seen(**changes))
    assert decide(run, steps, NOW, approval=approval) == (Ask(FILLED, again) if again else Start(FILLED))
    assert decide(run, steps, NOW) == Ask(FILLED)


def test_a_further_attempt_begins_with_what_was_approved_not_with_what_was_seen():
    run = run_of({}, {**REFERS, "has_checkpoint": True}, at=2)
    steps = [FIRST_DONE, step(2, "failed"), step(2, attempt=2)]
    edited = seen(edits={"image": ["api:2.4", "api:2.5"]})
    assert decide(run, steps, NOW, approval=Approval(edited)) == Start({**FILLED, "image": "api:2.5"})


def test_a_number_that_became_true_is_asked_about():
    run = run_of({"has_checkpoint": True, "parameters": {"n": True}})
    saw = {**seen(arguments={"n": 1}, results=[]), "step": {"position": 1, "attempt": 1, "skill": SKILL}}
    decision = decide(run, [step(1, "failed"), step(attempt=2)], NOW, approval=Approval(saw))
    assert decision == Ask({"n": True}, ARGUMENTS_CHANGED)


@pytest.mark.parametrize(
    ("moves_since", "edits", "again"),
    [
        (1, [SEEN_EDIT], ""),
        (1, [SEEN_EDIT, OWN_EDIT], ""),
        (1, [], FILES_CHANGED),
        (1, [OWN_EDIT], FILES_CHANGED),
        (3, [SEEN_EDIT], ""),
        (3, [SEEN_EDIT, OWN_EDIT], FILES_CHANGED),
    ],
)
def test_what_a_step_has_changed_itself_is_news_to_those_who_take_its_run_up_again(moves_since, edits, again):
    run = run_of({}, {**REFERS, "has_checkpoint": True}, at=2)
    run.version = 7 + moves_since
    approval = Approval(seen(version=7, file_edits=[SEEN_EDIT]), edits)
    steps = [FIRST_DONE, step(2, "failed"), step(2, attempt=2)]
    assert decide(run, steps, NOW, approval=approval) == (Ask(FILLED, again) if again else Start(FILLED))


def test_a_step_that_was_approved_is_not_begun_with_where_what_was_seen_is_gone():
    run = run_of({"has_checkpoint": True})
    run.version = 8
    approval = Approval(seen(version=7, file_edits=[SEEN_EDIT]), [])
    decision = decide(run, [step(status="running")], NOW, approval=approval)
    assert decision == Recover(f"It was not begun with: {FILES_CHANGED}.", was_handed_back=True)


def after(seconds: int) -> Retry:
    return Retry(NOW + timedelta(seconds=seconds))


RETRIED = {"on_failure": "retry", "max_retries": 2, "backoff_seconds": 3}
FAILURES: dict[str, tuple[dict[str, Any], list[StepRun], AfterFailure]] = {
    "stop fails the run": ({"on_failure": "stop"}, [step()], Fail()),
    "skip goes on": ({"on_failure": "skip"}, [step()], Pass()),
    "fallback goes on there": ({"on_failure": "fallback", "fallback_step": "mend"}, [step()], Pass("mend")),
    "the first retry waits": (RETRIED, [step()], after(3)),
    "the second waits twice as long": (RETRIED, [step(), step(attempt=2)], after(6)),
    "there is no third": (RETRIED, [step(), step(attempt=2), step(attempt=3)], Fail()),
    "what was cut off is no failure": (RETRIED, [lost(1), lost(2), step(attempt=3)], after(3)),
    "no wait is longer than an hour": (
        {"on_failure": "retry", "max_retries": 100, "backoff_seconds": 3600},
        [step(attempt=number) for number in range(1, 60)],
        after(3600),
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_follows_on_a_failure(case):
    design, attempts, expected = FAILURES[case]
    assert decide_after_failure(design, attempts, NOW) == expected
