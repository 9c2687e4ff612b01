"""The runtime that asks a language model: a skill's body is the template of its prompt.

A profile names the model, or `MODEL_DEFAULT` does. See `docs/model-runtime.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from agents.prompting.commands import RUNNING
from agents.prompting.line import PATIENT, Line, Patience
from agents.prompting.prompts import BadPrompt, fill_prompt, instruct, read_body
from agents.prompting.providers import ModelNotSet, choose
from agents.prompting.scribe import Scribe
from agents.prompting.talk import Talk
from agents.prompting.tools import READING, WRITING, Tool
from agents.runtimes import get_runtime
from agents.runtimes.protocol import Outcome, Performance, Stop, Work

__all__ = ["READER", "RUNTIME", "ModelRuntime"]


class ModelRuntime:
    """Works with the tools that it was made with and no others: those of a reader cannot change anything."""

    key: ClassVar[str] = "model"

    def __init__(self, tools: Sequence[Tool], patience: Patience = PATIENT) -> None:
        self._tools, self._patience = tools, patience

    def find_missing(self, work: Work) -> str:
        try:
            choose(work.model, work.environment)
        except ModelNotSet as missing:
            return str(missing)
        return get_runtime("shell").find_missing(work) if RUNNING[0] in self._tools else ""

    def perform(self, work: Work, stop: Stop) -> Performance:
        try:
            choice = choose(work.model, work.environment)
            prompt = read_body(work.body)
            request = fill_prompt(prompt, work.arguments)
            tools = [tool for tool in self._tools if tool in READING or not prompt.is_read_only]
            line = Line(choice, tools, self._patience)
        except (ModelNotSet, BadPrompt) as error:
            return Outcome(error=str(error))
        instructions, scribe = instruct(prompt), Scribe(work, choice)
        with line:
            yield scribe.opened(instructions, request)
            talk = Talk(work=work, stop=stop, line=line, prompt=prompt, tools=tools, scribe=scribe)
            return (yield from talk.run(instructions, request))


RUNTIME = ModelRuntime([*READING, *WRITING, *RUNNING])
#: For answering questions: it has nothing that writes or runs.
READER = ModelRuntime(READING)
