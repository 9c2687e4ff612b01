"""What a run needs next, decided from its rows alone: nothing that a worker remembers, nothing written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from agents.expressions import ExpressionError, MissingValue, fill, holds
from audit.entries import JSON
from flows.models import CheckpointMode, FlowRun, OnFailure, RunStatus, StepRun, StepStatus
from flows.services.steps import see_results

__all__ = [
    "MAX_CUT_OFFS",
    "AfterFailure",
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
MAX_CUT_OFFS = 5
LONGEST_BACKOFF = timedelta(hours=1)


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
    """A person decides before the current step."""

    arguments: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class Start:
    """The current step begins with these arguments."""

    arguments: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class TakeUp:
    """A person has approved the current step, and nobody has begun with it."""


@dataclass(frozen=True, slots=True)
class Recover:
    """The worker of the current attempt was lost."""

    error: str


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


def decide(
    run: FlowRun,
    steps: Sequence[StepRun],
    now: datetime,
    *,
    approved: Sequence[Mapping[str, Any]] = (),
) -> Decision:
    """What is next for a run that the caller has claimed and whose last decision it has carried out.

    `steps` are all attempts of all steps. `approved` is what people saw when they approved steps of this run:
    a further attempt of exactly that is not asked about again.
    """
    if run.status == RunStatus.PENDING:
        return Begin()
    if run.status != RunStatus.RUNNING:
        return Rest()
    attempts = sorted((s for s in steps if s.position == run.step_position), key=lambda s: s.attempt)
    step = attempts[-1]
    if step.status == StepStatus.PENDING:
        return _decide_pending(run, steps, step, now, approved)
    if step.status == StepStatus.RUNNING:
        return TakeUp() if step.fence is None else _decide_lost(run, attempts)
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
    approved: Sequence[Mapping[str, Any]],
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
    if is_asked and not _is_approved(run, steps, step, arguments, approved):
        return Ask(arguments)
    return Start(arguments)


def _is_approved(
    run: FlowRun,
    steps: Sequence[StepRun],
    step: StepRun,
    arguments: JSON,
    approved: Sequence[Mapping[str, Any]],
) -> bool:
    """Whether somebody approved an earlier attempt of this step, and nothing of it has changed since."""
    before = sorted((s for s in steps if s.position < step.position), key=lambda s: (s.position, s.attempt))
    results = see_results(before)
    skill = run.snapshot["steps"][step.position - 1]["skill"]
    return any(
        seen["step"]["position"] == step.position
        and seen["step"]["skill"] == skill
        and seen["arguments"] == arguments
        and seen["results"] == results
        for seen in approved
    )


def _decide_lost(run: FlowRun, attempts: Sequence[StepRun]) -> Decision:
    lost = 1
    for attempt in reversed(attempts[:-1]):
        if not attempt.was_cut_off:
            break
        lost += 1
    step = attempts[-1]
    if lost < MAX_CUT_OFFS:
        return Recover(f"The worker of step {step.position} “{step.name}” was lost in the middle of it.")
    return GiveUp(
        f"recovery gave up: the worker of step {step.position} “{step.name}” was lost {lost} times in a row. "
        "See what the step does to its machine (memory, time), or the workers' log; then resume the run, "
        "or cancel it."
    )
