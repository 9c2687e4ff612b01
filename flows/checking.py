"""What is wrong with a flow's design, found whole and with its place, before anything is written."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from django.core.exceptions import ValidationError

from agents.expressions import Problem, check, check_condition
from agents.models import Skill
from agents.skills import find_body_problems
from flows.design import (
    PARAMETER_NAME,
    STEP_NAME,
    TYPE_WORDS,
    FlowDesign,
    ParameterDesign,
    StepDesign,
    is_of_type,
)
from flows.models import CheckpointMode, OnFailure, RunMode

__all__ = ["Problem", "WrongDesign", "check_design", "check_skills", "find_problems", "find_skill_problems"]

MAX_STEPS = 200
MAX_RETRIES = 100
MAX_BACKOFF_SECONDS = 3600
MAX_CONDITION = 500
MAX_REPO_PATH = 500


class WrongDesign(ValidationError):
    """A design that does not hold. `problems` says where, by names of fields and places from 0.

    As a ValidationError it has the same by the design's field, with position and name of the step.
    """

    def __init__(self, design: FlowDesign, problems: Sequence[Problem]) -> None:
        by_field: dict[str, list[str]] = {}
        for problem in problems:
            field, *rest = problem.path
            by_field.setdefault(str(field), []).append(_word(design, problem, rest))
        super().__init__(by_field)
        self.problems = tuple(problems)


def _word(design: FlowDesign, problem: Problem, rest: Sequence[str | int]) -> str:
    if problem.path[0] == "steps" and rest and isinstance(rest[0], int):
        return f"step {rest[0] + 1} “{design.steps[rest[0]].name}”: {problem.text}"
    return problem.text


def problems_of(refusal: ValidationError) -> list[Problem]:
    """What a service refused of a design, each with its place."""
    if isinstance(refusal, WrongDesign):
        return list(refusal.problems)
    return [Problem((field,), text) for field, texts in refusal.message_dict.items() for text in texts]


def check_design(design: FlowDesign) -> None:
    """Raises WrongDesign with everything that is wrong with the design by itself."""
    if problems := list(find_problems(design)):
        raise WrongDesign(design, problems)


def check_skills(design: FlowDesign, skills: Mapping[uuid.UUID, Skill]) -> None:
    """Raises WrongDesign for each step whose skill, one of these, does not go with it."""
    bodies = {pk: (skill.runtime, skill.body) for pk, skill in skills.items()}
    if problems := list(find_skill_problems(design, bodies)):
        raise WrongDesign(design, problems)


def find_skill_problems(design: FlowDesign, bodies: Mapping[uuid.UUID, tuple[str, str]]) -> Iterator[Problem]:
    """What is wrong with the skills of the steps, given the runtime and the body of each."""
    for place, step in enumerate(design.steps):
        if step.skill_id in bodies:
            runtime, body = bodies[step.skill_id]
            for text in find_body_problems(runtime, body, parameters=step.parameters):
                yield Problem(("steps", place, "skill_id"), f"its skill: {text}")


def find_problems(design: FlowDesign) -> Iterator[Problem]:
    """Everything that is wrong with the design, as far as it can be seen without the database."""
    if not design.name.strip() or len(design.name) > 200:
        yield Problem(("name",), "a flow needs a name of 1 to 200 characters")
    if design.initiative_id and design.plan_id:
        yield Problem(("plan",), "a flow belongs to an initiative or to a plan, not to both")
    for field, choices in (("checkpoint_mode", CheckpointMode), ("run_mode", RunMode)):
        word = getattr(design, field)
        if word not in choices.values:
            yield Problem((field,), f"“{word}” is none of {', '.join(choices.values)}")
    for field in ("max_turns", "max_minutes"):
        limit = getattr(design, field)
        if limit is not None and not 1 <= limit < 2**31:
            yield Problem((field,), "a limit is at least 1; leave it out for none")
    yield from _find_parameter_problems(design.parameters)
    names = [parameter.name for parameter in design.parameters]
    if len(design.repo_path) > MAX_REPO_PATH:
        yield Problem(("repo_path",), f"a path has at most {MAX_REPO_PATH} characters")
    for problem in check(design.repo_path, parameters=names, steps=()):
        yield Problem(("repo_path",), problem.text)
    yield from _find_step_problems(design, names)


def _find_parameter_problems(parameters: Iterable[ParameterDesign]) -> Iterator[Problem]:
    seen: set[str] = set()
    for place, parameter in enumerate(parameters):
        name, path = parameter.name, ("parameters", place)
        if not PARAMETER_NAME.fullmatch(name):
            text = f"“{name}” is no name for a parameter: letters, digits and _, not a digit first"
            yield Problem((*path, "name"), text)
        if name in seen:
            yield Problem((*path, "name"), f"two parameters are called “{name}”")
        seen.add(name)
        if parameter.type not in TYPE_WORDS:
            text = f"“{name}” is of type “{parameter.type}”, which is none of {', '.join(TYPE_WORDS)}"
            yield Problem((*path, "type"), text)
        elif parameter.default is not None and not is_of_type(parameter.default, parameter.type):
            text = f"the default of “{name}” must be {TYPE_WORDS[parameter.type]}"
            yield Problem((*path, "default"), text)


def _find_step_problems(design: FlowDesign, parameters: Sequence[str]) -> Iterator[Problem]:
    steps = design.steps
    if not 1 <= len(steps) <= MAX_STEPS:
        yield Problem(("steps",), f"a flow has 1 to {MAX_STEPS} steps, not {len(steps)}")
    names = [step.name for step in steps]
    for place, step in enumerate(steps):
        earlier, later = names[:place], names[place + 1 :]
        if step.name in earlier:
            yield Problem(("steps", place, "name"), f"two steps are called “{step.name}”")
        for path, text in (
            *_find_problems_of_failure(step, later),
            *_find_problems_of_work(step),
            *_find_problems_of_expressions(step, parameters, earlier),
        ):
            yield Problem(("steps", place, *path), text)


type Found = Iterator[tuple[tuple[str | int, ...], str]]


def _find_problems_of_failure(step: StepDesign, later: Sequence[str]) -> Found:
    if step.on_failure not in OnFailure.values:
        text = f"on failure “{step.on_failure}” is none of {', '.join(OnFailure.values)}"
        yield ("on_failure",), text
    if step.on_failure == OnFailure.FALLBACK and step.fallback_step not in later:
        yield (
            ("fallback_step",),
            f"it falls back to “{step.fallback_step}”, which is no later step of this flow",
        )
    if step.on_failure != OnFailure.FALLBACK and step.fallback_step:
        yield ("fallback_step",), "it names a fallback step but does not fall back on failure"
    if step.on_failure == OnFailure.RETRY and not 1 <= step.max_retries <= MAX_RETRIES:
        yield ("max_retries",), f"a step that is retried on failure needs 1 to {MAX_RETRIES} retries"
    if step.on_failure != OnFailure.RETRY and step.max_retries:
        yield ("max_retries",), "it has retries but is not retried on failure"
    if not 0 <= step.backoff_seconds <= MAX_BACKOFF_SECONDS:
        yield ("backoff_seconds",), f"it waits 0 to {MAX_BACKOFF_SECONDS} seconds before a retry"


def _find_problems_of_work(step: StepDesign) -> Found:
    if not STEP_NAME.fullmatch(step.name):
        yield ("name",), "a step's name is 1 to 100 letters, digits, - or _"
    seen: dict[str, str] = {}
    for name in step.parameters:
        if not PARAMETER_NAME.fullmatch(name):
            text = f"“{name}” is no name for a parameter: letters, digits and _, not a digit first"
            yield ("parameters", name), text
        elif other := seen.get(name.upper()):
            yield ("parameters", name), f"“{other}” and “{name}” would both be $PARAM_{name.upper()}"
        seen[name.upper()] = name
    for place, pattern in enumerate(step.artifacts):
        path = PurePosixPath(pattern)
        if not pattern.strip() or path.is_absolute() or ".." in path.parts:
            yield ("artifacts", place), f"“{pattern}” names no files inside of the run's folder"


def _find_problems_of_expressions(
    step: StepDesign, parameters: Sequence[str], earlier: Sequence[str]
) -> Found:
    for problem in check(dict(step.parameters), parameters=parameters, steps=earlier):
        yield ("parameters", *problem.path), problem.text
    for problem in check(step.checkpoint_message, parameters=parameters, steps=earlier):
        yield ("checkpoint_message",), problem.text
    if len(step.condition) > MAX_CONDITION:
        yield ("condition",), f"a condition has at most {MAX_CONDITION} characters"
    else:
        for text in check_condition(step.condition, parameters=parameters, steps=earlier):
            yield ("condition",), text
