"""What a run needs next, decided from its rows alone: nothing that a worker remembers, nothing written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from agents.expression_filters import as_text
from agents.expressions import ExpressionError, MissingValue, fill, holds
from audit.entries import JSON
from audit.services import content_hash
from flows.models import CheckpointMode, FlowRun, OnFailure, RunStatus, StepRun, StepStatus
from flows.services.steps import see_results

__all__ = [
    "MAX_CUT_OFFS",
    "AfterFailure",
    "Approval",
    "Ask",
    "Begin",
    "Block",
    "Complete",
    "Decision",
    "Fail",
    "GiveUp",
    "Pass",
    "Recover",
    "Rest",
    "Retry",
    "Skip",
    "Start",
    "TakeUp",
    "Wait",
    "decide",
    "decide_after_failure",
    "values_of",
]

#: A step that takes its worker with it this often in a row is not begun again by itself.
MAX_CUT_OFFS = 10
LONGEST_BACKOFF = timedelta(hours=1)
#: Of what expressions make of a checkpoint's message; lists show it.
LONGEST_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class Begin:
    """The run has not begun."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The next attempt begins at `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Skip:
    """The current step is passed over."""

    reason: str


@dataclass(frozen=True, slots=True)
class Block:
    """Something is missing that a person must provide."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A person decides before the current step; `message` is what they are asked, "" for the usual question.

    `again` says what has changed since somebody approved it.
    """

    arguments: Mapping[str, JSON]
    again: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """The current step begins with these arguments."""

    arguments: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class TakeUp:
    """A person has approved the current step, and nobody has begun with it."""


@dataclass(frozen=True, slots=True)
class Recover:
    """The worker of the current attempt was lost, or what was approved is not what it would begin with."""

    error: str
    was_handed_back: bool = False


@dataclass(frozen=True, slots=True)
class GiveUp:
    """So were those of the attempts before it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Complete:
    """The last step is over."""


@dataclass(frozen=True, slots=True)
class Rest:
    """There is nothing to do: the run waits for a person or has ended."""


type Decision = Begin | Wait | Skip | Block | Ask | Start | TakeUp | Recover | GiveUp | Complete | Rest


@dataclass(frozen=True, slots=True)
class Fail:
    """The run fails with its step."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The step is tried again."""

    due_at: datetime


@dataclass(frozen=True, slots=True)
class Pass:
    """The run goes on without the step: at the next one, or at the later one that is named."""

    to: str = ""


type AfterFailure = Fail | Retry | Pass


@dataclass(frozen=True, slots=True)
class Approval:
    """The last approval of the current step: what was seen, and the changes of files as they are by now."""

    seen: Mapping[str, Any]
    file_edits: Sequence[JSON] = ()

    @property
    def arguments(self) -> dict[str, JSON]:
        """What was approved: what was seen, as it was edited."""
        edits = self.seen.get("edits", {})
        return {**self.seen["arguments"], **{name: after for name, (_, after) in edits.items()}}


def decide(
    run: FlowRun, steps: Sequence[StepRun], now: datetime, *, approval: Approval | None = None
) -> Decision:
    """What is next for a run that the caller has claimed and whose last decision it has carried out.

    `steps` are all attempts of all steps. An `approval` of an earlier attempt of the current step holds for
    a further one, with what was approved, until something has changed that its approver did not see.
    """
    if run.status == RunStatus.PENDING:
        return Begin()
    if run.status != RunStatus.RUNNING:
        return Rest()
    attempts = sorted((s for s in steps if s.position == run.step_position), key=lambda s: s.attempt)
    step = attempts[-1]
    if step.status == StepStatus.PENDING:
        return _decide_pending(run, steps, step, now, approval)
    if step.status == StepStatus.RUNNING:
        return _decide_approved(run, approval) if step.fence is None else _decide_lost(run, attempts)
    return Complete()


def decide_after_failure(
    design: Mapping[str, Any], attempts: Sequence[StepRun], now: datetime
) -> AfterFailure:
    """What follows on an attempt that has failed, `attempts` being all of its step, itself included.

    Attempts that were cut off are no failures of the step.
    """
    match design["on_failure"]:
        case OnFailure.SKIP:
            return Pass()
        case OnFailure.FALLBACK:
            return Pass(design["fallback_step"])
        case OnFailure.RETRY:
            failures = sum(not attempt.was_cut_off for attempt in attempts)
            if failures <= design["max_retries"]:
                wait = timedelta(seconds=design["backoff_seconds"]) * 2 ** min(failures - 1, 30)
                return Retry(now + min(wait, LONGEST_BACKOFF))
    return Fail()


def values_of(run: FlowRun, steps: Sequence[StepRun]) -> dict[str, Any]:
    """What expressions may refer to: the run's parameters, and of each step its newest attempt."""
    newest = {step.name: step for step in sorted(steps, key=lambda step: step.attempt)}
    return {
        "params": run.parameters,
        "steps": {
            name: {
                "status": str(step.status),
                "result": step.result,
                "error": step.error,
                "attempt": step.attempt,
            }
            for name, step in newest.items()
        },
        "run": {"id": str(run.pk), "title": run.title},
    }


def _decide_pending(
    run: FlowRun,
    steps: Sequence[StepRun],
    step: StepRun,
    now: datetime,
    approval: Approval | None,
) -> Decision:
    if step.due_at is not None and step.due_at > now:
        return Wait(step.due_at)
    design = run.snapshot["steps"][step.position - 1]
    values = values_of(run, steps)
    try:
        if not holds(design["condition"], values):
            return Skip(f"its condition does not hold: {design['condition']}")
        # It is of the parameters' shape.
        arguments = cast(dict[str, JSON], fill(design["parameters"], values))
    except (MissingValue, ExpressionError) as error:
        return Block(f"step {step.position} “{step.name}” cannot begin: {error}")
    mode = run.snapshot["flow"]["checkpoint_mode"]
    is_asked = mode == CheckpointMode.ALL or (mode == CheckpointMode.TEMPLATE and design["has_checkpoint"])
    if not is_asked:
        return Start(arguments)
    message = _fill_message(design.get("checkpoint_message", ""), values)
    if approval is None:
        return Ask(arguments, message=message)
    change = _find_change(run, steps, step, arguments, approval.seen) or _find_changed_files(run, approval)
    return Ask(arguments, change, message) if change else Start(approval.arguments)


def _fill_message(message: str, values: Mapping[str, Any]) -> str:
    """What a person is asked. Nothing is done with it, so what is not there keeps nobody from deciding."""
    try:
        return as_text(fill(message, values))[:LONGEST_MESSAGE]
    except (MissingValue, ExpressionError):
        return message


def _decide_approved(run: FlowRun, approval: Approval | None) -> Decision:
    """A step that was approved is not begun with in a folder that has lost what its approver saw there."""
    change = _find_changed_files(run, approval) if approval else ""
    return Recover(f"It was not begun with: {change}.", was_handed_back=True) if change else TakeUp()


def _find_change(
    run: FlowRun, steps: Sequence[StepRun], step: StepRun, arguments: JSON, seen: Mapping[str, Any]
) -> str:
    """What of a step is not as it was seen, "" if all is; True and 1 are not the same."""
    before = sorted((s for s in steps if s.position < step.position), key=lambda s: (s.position, s.attempt))
    if content_hash(seen["step"]["skill"]) != content_hash(run.snapshot["steps"][step.position - 1]["skill"]):
        return "its skill is not the one that was approved"
    if content_hash(seen["arguments"]) != content_hash(arguments):
        return "its arguments are not those that were approved"
    if content_hash(seen["results"]) != content_hash(see_results(before)):
        return "the results of earlier steps have changed since it was approved"
    return ""


def _find_changed_files(run: FlowRun, approval: Approval) -> str:
    """Whether files have changed beyond what was approved, in words; "" if not.

    While the run goes on by itself (its version moved once since, by the approval) whatever has been added
    is what the approved step did itself. Once somebody has taken the run up again it is news to them.
    """
    seen, found = approval.seen.get("file_edits", []), list(approval.file_edits)
    if run.version == approval.seen["version"] + 1:
        found = found[: len(seen)]
    return "" if found == seen else "files have changed since it was approved"


def _decide_lost(run: FlowRun, attempts: Sequence[StepRun]) -> Decision:
    """Again, unless workers were lost by it too often; those that handed it back say nothing of it."""
    lost = 1
    for attempt in reversed(attempts[:-1]):
        if not attempt.was_cut_off:
            break
        lost += not attempt.was_handed_back
    step = attempts[-1]
    if lost < MAX_CUT_OFFS:
        return Recover(f"The worker of step {step.position} “{step.name}” was lost in the middle of it.")
    return GiveUp(
        f"recovery gave up: the worker of step {step.position} “{step.name}” was lost {lost} times in a row. "
        "See what the step does to its machine (memory, time), or the workers' log; then resume the run, "
        "or cancel it."
    )
