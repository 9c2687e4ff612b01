"""What the body of a skill may be: a command as it is, or the template of a prompt."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from agents.expressions import check_prompt
from agents.prompting.prompts import BadPrompt, read_body

__all__ = ["find_body_problems"]

#: What can only be meant as an expression of ours; other braces mean something to other tools.
OURS = re.compile(r"\{\{-?\s*(?:params|steps|run)\b(?:\.(\w+))?")


def find_body_problems(
    runtime: str, body: str, *, parameters: Collection[str] | None = None
) -> Iterator[str]:
    """What is wrong with a skill's body, by its line.

    `parameters` are the names of those that the step which uses it hands in (None: any).
    """
    if runtime != "shell":
        yield from check_prompt(body, parameters=parameters)
        if runtime == "model":
            yield from _find_front_problems(body)
    elif found := OURS.search(body):
        line, name = body.count("\n", 0, found.start()) + 1, (found[1] or "NAME").upper()
        text = f"a command is not filled in: values reach a command as $PARAM_{name}, not as “{found[0]}”"
        yield f"line {line}: {text}"


def _find_front_problems(body: str) -> Iterator[str]:
    try:
        read_body(body)
    except BadPrompt as problem:
        yield str(problem)
