"""What a flow is meant to be, as plain data, and the values that a run of it is given."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from django.core.exceptions import ValidationError

from audit.entries import JSON
from flows.models import CheckpointMode, OnFailure, RunMode

__all__ = [
    "PARAMETER_NAME",
    "STEP_NAME",
    "TYPE_WORDS",
    "FlowDesign",
    "ParameterDesign",
    "StepDesign",
    "is_of_type",
    "read_values",
]

PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
STEP_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
#: What each type is called when a value is not of it.
TYPE_WORDS = {"string": "text", "number": "a number", "boolean": "true or false"}


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


def read_values(parameters: Iterable[ParameterDesign], given: Mapping[str, JSON]) -> dict[str, JSON]:
    """The values of a run: what was given, and the defaults of what was not (None counts as not given).

    Raises ValidationError by parameter for one that is required and empty, unknown, or of a wrong type.
    """
    known = {parameter.name: parameter for parameter in parameters}
    problems: dict[str, str] = {}
    for name in given.keys() - known.keys():
        problems[name] = f"there is no parameter “{name}”; this flow takes {', '.join(known) or 'none'}"
    values: dict[str, JSON] = {}
    for name, parameter in known.items():
        value = parameter.default if given.get(name) is None else given[name]
        is_empty = value is None or (isinstance(value, str) and not value.strip())
        if is_empty and parameter.required:
            problems[name] = f"the parameter “{name}” is required"
        elif value is not None and not is_of_type(value, parameter.type):
            problems[name] = f"the parameter “{name}” must be {TYPE_WORDS[parameter.type]}"
        elif value is not None:
            values[name] = value
    if problems:
        raise ValidationError(problems)
    return values


def is_of_type(value: JSON, type_name: str) -> bool:
    """Whether a JSON value is of a parameter's type; Python's bool is an int, ours is no number."""
    if type_name == "number":
        return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
    return isinstance(value, bool if type_name == "boolean" else str)


def _is_finite(value: float) -> bool:
    """A whole number past what JSON's readers hold is none that counts as finite."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
