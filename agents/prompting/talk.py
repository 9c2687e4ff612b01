"""One piece of work done with a model: asked, given what its tools found, asked again until it is done."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from agents.prompting.failures import Failure
from agents.prompting.line import Line, Retry
from agents.prompting.prompts import Prompt, parse_json
from agents.prompting.scribe import Scribe
from agents.prompting.tools import Desk, Tool, ToolError, ToolResult, check_arguments
from agents.runtimes.protocol import Outcome, Performance, Stop, Work
from audit.imports import Delivery

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart, ToolReturnPart

__all__ = ["Talk"]

_CUT_OFF = {
    "length": "the model's answer reached the most that it can write at once: ask for less in one step",
    "content_filter": "the provider refused to answer this",
}


class Talk:
    """`scribe` writes it down. What tools return is redacted before the model is shown it."""

    def __init__(
        self,
        *,
        work: Work,
        stop: Stop,
        line: Line,
        prompt: Prompt,
        tools: Sequence[Tool],
        scribe: Scribe,
    ) -> None:
        self._work, self._stop, self._line, self._prompt = work, stop, line, prompt
        self._tools = {tool.name: tool for tool in tools}
        self._scribe = scribe
        seconds = work.limits.seconds
        self._has_corrected = False
        self._deadline = time.monotonic() + seconds if seconds is not None else None

    def run(self, instructions: str, request: str) -> Performance:
        """Work on a request, which is redacted like all that goes to a provider."""
        from pydantic_ai.messages import ModelRequest

        messages: list[ModelMessage] = [
            ModelRequest.user_text_prompt(self._redact(request), instructions=instructions)
        ]
        turns = self._work.limits.turns
        for turn in count(1):
            if turns is not None and turn > turns:
                return Outcome(
                    error=f"the model was not done after {turns} turns: raise the limit on turns of the"
                    f" profile or the flow, or give the step less to do"
                )
            answer = yield from self._ask(messages)
            if isinstance(answer, Failure):
                return Outcome(error=self._end() or answer.text)
            yield self._scribe.spent(answer)
            messages.append(answer)
            if answer.tool_calls:
                results = yield from self._use_tools(answer.tool_calls)
                if end := self._end():
                    return Outcome(error=end)
                messages.append(ModelRequest(parts=results))
                continue
            done = self._conclude(answer)
            if isinstance(done, Outcome):
                return done
            yield self._scribe.asked(done)
            messages.append(ModelRequest.user_text_prompt(done))
        raise AssertionError("counting does not end")

    def _ask(self, messages: Sequence[ModelMessage]) -> Generator[Delivery, None, ModelResponse | Failure]:
        self._scribe.begin_answer()
        asking = self._line.ask(messages, self._is_wanted)
        while True:
            try:
                piece = next(asking)
            except StopIteration as stopped:
                answer: ModelResponse | Failure = stopped.value
                return answer
            if isinstance(piece, Retry):
                yield self._scribe.told(
                    f"{piece.failure.text}; asking once more in {piece.seconds:.0f} s", is_error=True
                )
                self._scribe.begin_answer()
            else:
                yield self._scribe.said(piece)

    def _conclude(self, answer: ModelResponse) -> Outcome | str:
        """What an answer without tool calls comes to: the outcome, or what to ask it to put right."""
        text = (answer.text or "").strip()
        if reason := _CUT_OFF.get(answer.finish_reason or ""):
            return Outcome(error=reason)
        if not self._prompt.wants_json:
            return Outcome(result={"text": text}, error="" if text else "the model answered with nothing")
        try:
            return Outcome(result=parse_json(text))
        except ValueError as error:
            if self._has_corrected:
                return Outcome(
                    error=f"the skill asks for JSON, and the model's last message is none: {error}"
                )
            self._has_corrected = True
            return f"That is not JSON ({error}). Answer with the JSON value and nothing else."

    def _use_tools(self, calls: Sequence[ToolCallPart]) -> Generator[Delivery, None, list[ToolReturnPart]]:
        from pydantic_ai.messages import ToolReturnPart

        results: list[ToolReturnPart] = []
        for call in calls:
            if not self._is_wanted():
                break
            begun = time.monotonic()
            try:
                result = yield from self._use(call)
            except ToolError as error:
                result = ToolResult(f"Error: {error}", is_error=True)
            yield self._scribe.returned(call, result, seconds=time.monotonic() - begun)
            shown = self._redact(result.text)
            results.append(ToolReturnPart(call.tool_name, shown, tool_call_id=call.tool_call_id))
        return results

    def _use(self, call: ToolCallPart) -> Generator[Delivery, None, ToolResult]:
        tool = self._tools.get(call.tool_name)
        if tool is None:
            raise ToolError(f"there is no tool “{call.tool_name}”; there are {', '.join(self._tools)}")
        try:
            given = call.args_as_dict(raise_if_invalid=True)
        except (ValueError, AssertionError) as error:
            raise ToolError(f"the arguments are no JSON object: {error}") from error
        arguments = check_arguments(tool, given)
        made = tool.run(self._desk(call), **arguments)
        return made if isinstance(made, ToolResult) else (yield from made)

    def _desk(self, call: ToolCallPart) -> Desk:
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        limits = replace(self._work.limits, seconds=left)
        return Desk(replace(self._work, key=self._scribe.key_of(call), limits=limits), self._stop)

    def _redact(self, text: str) -> str:
        return self._work.redactor.redact_text(text).text

    def _is_wanted(self) -> bool:
        return not self._end()

    def _end(self) -> str:
        """Why this has to end before it is done; "" while it may go on."""
        if self._stop.is_set():
            return f"stopped: {self._stop.reason}"
        if self._deadline is not None and time.monotonic() > self._deadline:
            return (
                f"the model was not done after {self._work.limits.seconds:g} seconds: raise the limit on"
                f" minutes of the profile or the flow, or give the step less to do"
            )
        return ""
