"""The steps of a run as its page shows them: each by its last attempt, the earlier ones below."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.entries import JSON
from audit.looking import newest_lines
from audit.presenting import format_arguments
from flows.models import FlowRun, RunStatus, StepRun, StepStatus
from flows.moves import KIND

__all__ = ["AttemptView", "StepView", "present_steps"]

STEP_LOOKS = {
    StepStatus.PENDING: ("neutral", "circle-dashed"),
    StepStatus.RUNNING: ("active", "loader-circle"),
    StepStatus.PAUSED: ("attention", "circle-pause"),
    StepStatus.COMPLETED: ("success", "circle-check"),
    StepStatus.FAILED: ("problem", "circle-x"),
    StepStatus.SKIPPED: ("neutral", "skip-forward"),
    StepStatus.CANCELLED: ("neutral", "ban"),
}
#: So much of what a step says just now stands in its line.
SHOWN_LINES = 6
RESULT_LENGTH = 120


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One try of a step; `seconds` is None until it has ended."""

    number: int
    tone: str
    icon: str
    status_label: str
    seconds: float | None
    started_at: datetime | None
    error: str
    transcript_url: str


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of the timeline, by its last attempt. `output` is the end of what it says while it is at work.

    `due_at` is when a retry begins.
    """

    number: int
    name: str
    last: AttemptView
    is_current: bool
    earlier: tuple[AttemptView, ...]
    detail: str
    condition: str
    result: str
    result_line: str
    output: str
    due_at: datetime | None

    @property
    def retry_count(self) -> int:
        return self.last.number - 1


def present_steps(run: FlowRun, url: str) -> Iterator[StepView]:
    """The steps in their order. Costs two queries, and two more while a step is at work."""
    attempts: defaultdict[int, list[StepRun]] = defaultdict(list)
    for step in StepRun.objects.for_tenant(run.tenant_id).filter(run=run).order_by("position", "attempt"):
        attempts[step.position].append(step)
    designs = {step["position"]: step for step in run.snapshot["steps"]}
    for position, steps in sorted(attempts.items()):
        yield _present_step(run, steps, designs[position], url)


def _present_step(run: FlowRun, steps: list[StepRun], design: dict[str, Any], url: str) -> StepView:
    last = steps[-1]
    result = format_arguments(last.result)
    is_at_work = last.status == StepStatus.RUNNING and run.status == RunStatus.RUNNING
    return StepView(
        number=last.position,
        name=last.name,
        last=_present_attempt(last, url),
        is_current=last.position == run.step_position and run.status != RunStatus.COMPLETED,
        earlier=tuple(_present_attempt(step, url) for step in reversed(steps[:-1])),
        detail=f"{design['skill']['name']} ({design['skill']['runtime']})",
        condition=design.get("condition", ""),
        result=result,
        result_line=_summarise(last.result),
        output=_newest_output(run, last) if is_at_work else "",
        due_at=last.due_at if last.status == StepStatus.PENDING else None,
    )


def _present_attempt(step: StepRun, url: str) -> AttemptView:
    tone, icon = STEP_LOOKS[StepStatus(step.status)]
    has_ended = step.started_at is not None and step.finished_at is not None
    return AttemptView(
        number=step.attempt,
        tone=tone,
        icon=icon,
        status_label=str(StepStatus(step.status).label),
        seconds=(step.finished_at - step.started_at).total_seconds() if has_ended else None,  # type: ignore[operator]
        started_at=step.started_at,
        error=step.error,
        transcript_url=f"{url}?at={step.first_seq}#e-{step.first_seq}" if step.first_seq else "",
    )


def _summarise(result: JSON) -> str:
    """A step's result in a line: the end of what it said, or its values, as far as they fit."""
    said = result.get("output", result.get("text")) if isinstance(result, dict) else None
    if isinstance(said, str) and said.strip():
        return said.strip().splitlines()[-1][:RESULT_LENGTH]
    return json.dumps(result, ensure_ascii=False)[:RESULT_LENGTH] if result is not None else ""


def _newest_output(run: FlowRun, step: StepRun) -> str:
    return newest_lines(run.tenant_id, (KIND, run.pk), since=step.first_seq or 0, count=SHOWN_LINES)
