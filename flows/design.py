"""What a flow is meant to be, as plain data: the checks of a design and of the values a run is given."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Self

from django.core.exceptions import ValidationError

from audit.entries import JSON
from flows.models import CheckpointMode, OnFailure, RunMode

__all__ = ["FlowDesign", "ParameterDesign", "StepDesign", "check_design", "read_values"]

PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
STEP_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
#: What each type is called when a value is not of it.
TYPE_WORDS = {"string": "text", "number": "a number", "boolean": "true or false"}
MAX_STEPS = 200
MAX_RETRIES = 100
MAX_BACKOFF_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterDesign:
    """One parameter of a flow: `type` is string, number or boolean; pages leave a hidden one out of forms."""

    name: str
    type: str = "string"
    required: bool = False
    default: JSON = None
    hidden: bool = False

    def to_json(self) -> dict[str, JSON]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**{name: stored[name] for name in cls.__slots__ if name in stored})


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDesign:
    """One step; its position is its place in the design, from 1."""

    name: str
    skill_id: uuid.UUID
    profile_id: uuid.UUID | None = None
    parameters: Mapping[str, JSON] = field(default_factory=dict)
    has_checkpoint: bool = False
    checkpoint_message: str = ""
    condition: str = ""
    on_failure: str = OnFailure.STOP.value
    fallback_step: str = ""
    max_retries: int = 0
    backoff_seconds: int = 1
    artifacts: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowDesign:
    """A whole flow. It belongs to a plan, to an initiative, or (neither given) to the whole workspace.

    `approver_ids` are the only people who decide its checkpoints; none means any member.
    """

    name: str
    steps: tuple[StepDesign, ...]
    description: str = ""
    parameters: tuple[ParameterDesign, ...] = ()
    initiative_id: uuid.UUID | None = None
    plan_id: uuid.UUID | None = None
    checkpoint_mode: str = CheckpointMode.TEMPLATE.value
    run_mode: str = RunMode.INTERACTIVE.value
    max_turns: int | None = None
    max_minutes: int | None = None
    repo_path: str = ""
    wants_review: bool = False
    approver_ids: frozenset[uuid.UUID] = frozenset()


def check_design(design: FlowDesign) -> None:
    """Raises ValidationError with everything that is wrong, by field: name, steps, parameters, ..."""
    problems: dict[str, list[str]] = {}
    for name, problem in _find_problems(design):
        problems.setdefault(name, []).append(problem)
    if problems:
        raise ValidationError(problems)


def _find_problems(design: FlowDesign) -> Iterator[tuple[str, str]]:
    if not design.name.strip() or len(design.name) > 200:
        yield "name", "a flow needs a name of 1 to 200 characters"
    if design.initiative_id and design.plan_id:
        yield "plan", "a flow belongs to an initiative or to a plan, not to both"
    if design.checkpoint_mode not in CheckpointMode.values:
        yield "checkpoint_mode", f"“{design.checkpoint_mode}” is none of {', '.join(CheckpointMode.values)}"
    if design.run_mode not in RunMode.values:
        yield "run_mode", f"“{design.run_mode}” is none of {', '.join(RunMode.values)}"
    for name in ("max_turns", "max_minutes"):
        limit = getattr(design, name)
        if limit is not None and limit < 1:
            yield name, "a limit is at least 1; leave it out for none"
    for problem in _find_parameter_problems(design.parameters):
        yield "parameters", problem
    for problem in _find_step_problems(design.steps):
        yield "steps", problem


def _find_parameter_problems(parameters: Iterable[ParameterDesign]) -> Iterator[str]:
    seen: set[str] = set()
    for parameter in parameters:
        name = parameter.name
        if not PARAMETER_NAME.fullmatch(name):
            yield f"“{name}” is no name for a parameter: letters, digits and _, not a digit first"
        if name in seen:
            yield f"two parameters are called “{name}”"
        seen.add(name)
        if parameter.type not in TYPE_WORDS:
            yield f"“{name}” is of type “{parameter.type}”, which is none of {', '.join(TYPE_WORDS)}"
        elif parameter.default is not None and not _is_of_type(parameter.default, parameter.type):
            yield f"the default of “{name}” must be {TYPE_WORDS[parameter.type]}"


def _find_step_problems(steps: tuple[StepDesign, ...]) -> Iterator[str]:
    if not 1 <= len(steps) <= MAX_STEPS:
        yield f"a flow has 1 to {MAX_STEPS} steps, not {len(steps)}"
    names = [step.name for step in steps]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two steps are called “{name}”"
    for position, step in enumerate(steps, start=1):
        others = set(names) - {step.name}
        for problem in _find_problems_of_step(step, others):
            yield f"step {position} “{step.name}”: {problem}"


def _find_problems_of_step(step: StepDesign, others: set[str]) -> Iterator[str]:
    if not STEP_NAME.fullmatch(step.name):
        yield "a step's name is 1 to 100 letters, digits, - or _"
    if len(step.condition) > 500:
        yield "a condition has at most 500 characters"
    if step.on_failure not in OnFailure.values:
        yield f"on failure “{step.on_failure}” is none of {', '.join(OnFailure.values)}"
    if step.on_failure == OnFailure.FALLBACK and step.fallback_step not in others:
        yield f"it falls back to “{step.fallback_step}”, which is no other step of this flow"
    if step.on_failure != OnFailure.FALLBACK and step.fallback_step:
        yield "it names a fallback step but does not fall back on failure"
    if step.on_failure == OnFailure.RETRY and not 1 <= step.max_retries <= MAX_RETRIES:
        yield f"a step that is retried on failure needs 1 to {MAX_RETRIES} retries"
    if step.on_failure != OnFailure.RETRY and step.max_retries:
        yield "it has retries but is not retried on failure"
    yield from _find_problems_of_work(step)


def _find_problems_of_work(step: StepDesign) -> Iterator[str]:
    if not 0 <= step.backoff_seconds <= MAX_BACKOFF_SECONDS:
        yield f"it waits 0 to {MAX_BACKOFF_SECONDS} seconds before a retry"
    for pattern in step.artifacts:
        if (
            not pattern.strip()
            or PurePosixPath(pattern).is_absolute()
            or ".." in PurePosixPath(pattern).parts
        ):
            yield f"“{pattern}” names no files inside of the run's folder"


def read_values(parameters: Iterable[ParameterDesign], given: Mapping[str, JSON]) -> dict[str, JSON]:
    """The values of a run: what was given, and the defaults of what was not (None counts as not given).

    Raises ValidationError by parameter for one that is required and missing, unknown, or of a wrong type.
    """
    known = {parameter.name: parameter for parameter in parameters}
    problems: dict[str, str] = {}
    for name in given.keys() - known.keys():
        problems[name] = f"there is no parameter “{name}”; this flow takes {', '.join(known) or 'none'}"
    values: dict[str, JSON] = {}
    for name, parameter in known.items():
        value = parameter.default if given.get(name) is None else given[name]
        if value is None:
            if parameter.required:
                problems[name] = f"the parameter “{name}” is required"
        elif not _is_of_type(value, parameter.type):
            problems[name] = f"the parameter “{name}” must be {TYPE_WORDS[parameter.type]}"
        else:
            values[name] = value
    if problems:
        raise ValidationError(problems)
    return values


def _is_of_type(value: JSON, type_name: str) -> bool:
    """Whether a JSON value is of a parameter's type; Python's bool is an int, ours is no number."""
    if type_name == "number":
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, bool if type_name == "boolean" else str)
