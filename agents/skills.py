"""What the body of a skill may be: a command as it is, or the template of a prompt."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from agents.expressions import check_prompt

__all__ = ["find_body_problems"]

#: What can only be meant as an expression of ours; other braces mean something to other tools.
OURS = re.compile(r"\{\{-?\s*(?:params|steps|run)\b(?:\.(\w+))?")


def find_body_problems(
    runtime: str, body: str, *, parameters: Collection[str] | None = None
) -> Iterator[str]:
    """What is wrong with a skill's body; `parameters` are those of the step that uses it (None: any)."""
    if runtime != "shell":
        yield from check_prompt(body, parameters=parameters)
    elif found := OURS.search(body):
        name = (found[1] or "NAME").upper()
        yield f"a command is not filled in: values reach a command as $PARAM_{name}, not as “{found[0]}”"
