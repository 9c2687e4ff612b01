"""Tokens, turns and the state of the last turn of Codex's rollouts."""

from __future__ import annotations

import pytest

from audit.entries import EntryKind
from intake.readers.base import Severity, TurnState
from intake.readers.summary import Tokens
from tests.intake.codex_records import Rollout


def test_running_totals_are_taken_once_and_leave_out_what_was_cached() -> None:
    rollout = Rollout()
    rollout.user("One")
    rollout.answer("First.")
    rollout.tokens((100, 20, 10))
    rollout.tokens((100, 20, 10))
    rollout.event("token_count", info=None)
    rollout.answer("Second.")
    rollout.tokens((250, 120, 30), last=(150, 100, 20))
    assert rollout.summary.tokens == Tokens(input=130, output=30, cache_read=120)
    assert rollout.summary.turns == 2


def test_tokens_that_are_counted_before_the_answer_belong_to_it() -> None:
    rollout = Rollout()
    rollout.user("One")
    for number, total in enumerate(((100, 0, 10), (250, 0, 30))):
        rollout.tokens(total, last=(100 + 50 * number, 0, 10))
        rollout.item("reasoning", summary=[{"type": "summary_text", "text": f"Hm {number}"}])
        rollout.call(f"c{number}", "shell", command=["ls"])
        rollout.result(f"c{number}", "ok")
    usages = [record.usage for record in rollout.read() if record.usage]
    calls = [entry.message_id for entry in rollout.all(EntryKind.TOOL_CALL)]
    assert [usage.message_id for usage in usages] == calls
    assert (rollout.summary.turns, rollout.summary.tokens.input) == (2, 250)


def test_calls_at_once_are_one_answer() -> None:
    rollout = Rollout()
    rollout.user("One")
    rollout.answer("Looking.")
    for call in ("c1", "c2"):
        rollout.call(call, "shell", command=["ls"])
    for call in ("c1", "c2"):
        rollout.result(call, "ok")
    rollout.tokens((100, 0, 10))
    rollout.answer("Done.")
    assert rollout.summary.turns == 2


def test_a_count_that_begins_anew_is_added() -> None:
    rollout = Rollout()
    rollout.user("One")
    for total in ((100, 0, 10), (40, 0, 5), (90, 0, 9)):
        rollout.answer(f"Answer {total}")
        rollout.tokens(total, last=(40, 0, 5) if total[0] == 40 else (50, 0, 4))
    assert rollout.summary.tokens == Tokens(input=190, output=19)


def test_numbers_that_no_message_has_are_left_out_and_told() -> None:
    rollout = Rollout()
    rollout.answer("One")
    rollout.tokens((10**15, 0, 10))
    problems = [problem for record in rollout.read() for problem in record.problems]
    assert [problem.severity for problem in problems] == [Severity.REPAIRED]
    assert rollout.summary.tokens == Tokens()


def ended(rollout: Rollout) -> tuple[TurnState, str, bool]:
    summary = rollout.summary
    return summary.state, summary.evidence.rule, summary.evidence.is_certain


def test_a_turn_is_over_when_its_end_is_recorded_and_not_before() -> None:
    rollout = Rollout()
    rollout.start()
    rollout.user("One")
    rollout.answer("Done.", phase="final_answer")
    assert ended(rollout)[0] is TurnState.IN_TURN
    rollout.event("task_complete", duration_ms=2500)
    assert ended(rollout) == (TurnState.TURN_OVER, "task_complete", True)
    assert rollout.only(EntryKind.STATUS).duration_ms == 2500


def test_without_records_of_turns_an_answer_ends_one_but_not_for_sure() -> None:
    rollout = Rollout(cli_version="0.40.0")
    rollout.user("One")
    rollout.answer("Done.")
    assert ended(rollout) == (TurnState.TURN_OVER, "answer_last", False)


def test_a_call_without_a_result_is_open_and_a_question_is_asked() -> None:
    rollout = Rollout()
    rollout.start()
    rollout.user("One")
    rollout.call("c1", "exec_command", cmd="make")
    assert ended(rollout)[:2] == (TurnState.IN_TURN, "open_call")
    rollout.result("c1", "Exit code: 0\nOutput:\nok")
    rollout.call("c2", "request_user_input", questions=[{"id": "q", "question": "Which?"}])
    assert ended(rollout)[:2] == (TurnState.ASKED, "open_question")
    assert rollout.summary.headline == "Which?"


@pytest.mark.parametrize("ends_too", [False, True])
def test_an_interrupted_turn_stays_interrupted(ends_too: bool) -> None:
    rollout = Rollout()
    rollout.start()
    rollout.user("One")
    rollout.call("c1", "exec_command", cmd="make")
    rollout.event("turn_aborted", reason="interrupted")
    if ends_too:
        rollout.event("task_complete")
    assert ended(rollout)[:2] == (TurnState.INTERRUPTED, "turn_aborted")
    assert rollout.summary.open_calls == ()


def test_an_error_fails_the_turn_until_the_next_one() -> None:
    rollout = Rollout()
    rollout.start()
    rollout.user("One")
    rollout.event("error", message="usage limit reached")
    rollout.event("task_complete")
    assert (rollout.summary.state, rollout.summary.headline) == (TurnState.FAILED, "usage limit reached")
    rollout.turn("Again", "Done.")
    assert rollout.summary.state is TurnState.TURN_OVER


def test_turns_that_were_taken_back_are_told() -> None:
    rollout = Rollout()
    rollout.turn("One", "Done.")
    rollout.event("thread_rolled_back", num_turns=2)
    status = [entry for entry in rollout.all(EntryKind.STATUS) if entry.data]
    assert [(entry.text, entry.data) for entry in status] == [
        ("Went back: the last 2 turns before this no longer count", {"rolled_back": 2})
    ]
    assert ended(rollout)[:2] == (TurnState.TURN_OVER, "thread_rolled_back")
