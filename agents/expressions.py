"""Expressions in flows: `{{ steps.plan.result.files|length }}`, in a sandbox that can only look at values.

Whatever an expression says, it ends within seconds and makes little; the language is in `expression_sandbox`,
what can be done with values in `expression_filters`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agents.expression_filters import MAX_SIZE, ExpressionError, as_json, as_text
from agents.expression_sandbox import (
    DEADLINE,
    MAX_SECONDS,
    Expression,
    MissingValue,
    compile_condition,
    compile_text,
    find_single,
    has_braces,
)
from audit.entries import JSON

__all__ = [
    "ExpressionError",
    "MissingValue",
    "Problem",
    "check",
    "check_condition",
    "check_prompt",
    "fill",
    "holds",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with the text at `path` (keys and places) of a value."""

    path: tuple[str | int, ...]
    text: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.text}" if self.path else self.text


def fill(value: JSON, values: Mapping[str, Any]) -> JSON:
    """The value with each `{{ expression }}` in its texts put in; keys stay as they are.

    A text that is one expression and nothing else becomes that expression's value, whatever its type; in any
    other text a value stands as text, or as JSON. Raises MissingValue and ExpressionError.
    """
    deadline = time.monotonic() + MAX_SECONDS
    return as_json(_fill(value, {**values, DEADLINE: deadline}))


def _fill(value: JSON, values: Mapping[str, Any]) -> JSON:
    if isinstance(value, str):
        return _fill_text(value, values)
    if isinstance(value, Mapping):
        return {key: _fill(item, values) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_fill(item, values) for item in value]
    return value


def _fill_text(text: str, values: Mapping[str, Any]) -> JSON:
    if not has_braces(text):
        return text
    parts = compile_text(text)
    whole = find_single(parts)
    if whole is not None:
        return whole.evaluate(values)
    made, size = [], 0
    for part in parts:
        made.append(part if isinstance(part, str) else as_text(part.evaluate(values)))
        size += len(made[-1])
        if size > MAX_SIZE:
            raise ExpressionError(f"the text comes to more than {MAX_SIZE:,} characters")
    return "".join(made)


def holds(condition: str, values: Mapping[str, Any]) -> bool:
    """Whether a condition is met: `steps.test.status == "failed"`, with or without braces; an empty one is.

    Nothing, false, 0, "" and what is empty do not hold. Raises MissingValue and ExpressionError.
    """
    if not condition.strip():
        return True
    deadline = time.monotonic() + MAX_SECONDS
    return bool(compile_condition(condition).evaluate({**values, DEADLINE: deadline}))


def check(
    value: JSON, *, parameters: Collection[str] | None = None, steps: Collection[str] | None = None
) -> list[Problem]:
    """All that is wrong with the expressions in a value: how they are written, and the names in them.

    `parameters` and `steps` are the names that are known there (None: any is).
    """
    return list(_check(value, (), parameters, steps))


def check_condition(
    condition: str, *, parameters: Collection[str] | None = None, steps: Collection[str] | None = None
) -> list[str]:
    """All that is wrong with a condition, as `check` says it of a value."""
    if not condition.strip():
        return []
    try:
        expression = compile_condition(condition)
    except ExpressionError as error:
        return [str(error)]
    return list(_check_names(expression, parameters, steps))


def check_prompt(template: str, *, parameters: Collection[str] | None = None) -> list[str]:
    """All that is wrong with the template of a prompt, by line: it knows `params.NAME` of its step alone."""
    if not has_braces(template):
        return []
    try:
        parts = compile_text(template)
    except ExpressionError as error:
        return [str(error) if error.line is None else f"line {error.line}: {error}"]
    return [
        f"line {part.line}: {text}"
        for part in parts
        if isinstance(part, Expression)
        for text in _check_names_of_prompt(part, parameters)
    ]


def _check_names_of_prompt(expression: Expression, parameters: Collection[str] | None) -> Iterator[str]:
    for root in sorted({root for root, _ in expression.references} - {"params"}):
        yield f"a prompt knows params.NAME alone: hand {root} in by a parameter"
    yield from _check_names(expression, parameters, None)


def _check(
    value: JSON,
    path: tuple[str | int, ...],
    parameters: Collection[str] | None,
    steps: Collection[str] | None,
) -> Iterator[Problem]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _check(item, (*path, key), parameters, steps)
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _check(item, (*path, place), parameters, steps)
    elif isinstance(value, str) and has_braces(value):
        try:
            parts = compile_text(value)
        except ExpressionError as error:
            yield Problem(path, str(error))
            return
        for part in parts:
            if isinstance(part, Expression):
                yield from (Problem(path, text) for text in _check_names(part, parameters, steps))


def _check_names(
    expression: Expression, parameters: Collection[str] | None, steps: Collection[str] | None
) -> Iterator[str]:
    for root, keys in expression.references:
        if root == "params" and parameters is not None and keys[0] not in parameters:
            yield f"there is no parameter “{keys[0]}”"
        if root == "steps" and steps is not None and keys[0] not in steps:
            yield f"there is no earlier step “{keys[0]}”"
