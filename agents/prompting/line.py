"""The line to a provider: one request at a time, its answer in pieces as they come, stopped at any moment.

The client library is asynchronous and a runtime is not. So a line has an event loop of its own, which turns
only while somebody waits on it, in steps short enough to look whether it is still wanted.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from random import uniform
from typing import TYPE_CHECKING, Self

from agents.prompting.failures import Failure, explain
from agents.prompting.providers import Choice, build
from agents.prompting.tools import Tool

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponsePart

__all__ = ["PATIENT", "Answer", "Line", "Patience", "Retry"]

STEP_SECONDS = 0.2
#: A provider that sends nothing for so long is not going to.
SILENCE_SECONDS = 180.0
#: How long a request that was cancelled may take to let go of its connection.
FAREWELL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a request is made before it is given up, and how long to wait in between, doubled each time.

    A provider that asks to wait longer is waited for, up to `longest_wait` seconds.
    """

    tries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    silence: float = SILENCE_SECONDS


PATIENT = Patience()


@dataclass(frozen=True, slots=True)
class Retry:
    """A request that failed is made once more in so many seconds. Pieces that came of it do not count."""

    failure: Failure
    seconds: float
    number: int


type Answer = ModelResponse | Failure
type Piece = ModelResponsePart | Retry | None


class Line:
    """Opened with `with`; the first one in a process loads the client library."""

    def __init__(self, choice: Choice, tools: Sequence[Tool], patience: Patience) -> None:
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.settings import ModelSettings
        from pydantic_ai.tools import ToolDefinition

        self._choice = choice
        self._patience = patience
        self._model = build(choice)
        # Retries of the client itself would go on unseen.
        self._settings = ModelSettings(max_retries=0, timeout=patience.silence, cache=True)
        self._parameters = ModelRequestParameters(
            function_tools=[
                ToolDefinition(
                    name=tool.name, description=tool.description, parameters_json_schema=tool.schema()
                )
                for tool in tools
            ]
        )
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of connections, in a bounded time."""
        try:
            self._turn_until_done(self._loop.create_task(self._hang_up()), FAREWELL_SECONDS)
        finally:
            self._loop.close()

    async def _hang_up(self) -> None:
        async with self._model:
            pass
        await self._loop.shutdown_asyncgens()

    def ask(
        self, messages: Sequence[ModelMessage], is_wanted: Callable[[], bool]
    ) -> Generator[Piece, None, Answer]:
        """Yields each piece of the answer once it is complete, and None while nothing comes.

        Returns the whole answer, or why there is none. When `is_wanted` says no the request is cancelled.
        """
        for number in range(1, self._patience.tries + 1):
            answer = yield from self._ask_once(messages, is_wanted)
            if not isinstance(answer, Failure) or not answer.is_passing or not is_wanted():
                return answer
            if number == self._patience.tries:
                return answer.after(number)
            seconds = self._wait_before(number, answer)
            if seconds > self._patience.longest_wait:
                return answer.after(number)
            yield Retry(answer, seconds, number)
            yield from _wait(seconds, is_wanted)
            if not is_wanted():
                return answer
        raise AssertionError("a request is made once at least")

    def _wait_before(self, number: int, failure: Failure) -> float:
        own = self._patience.first_wait * 2.0 ** (number - 1) * uniform(1.0, 1.25)  # noqa: S311 (no secret)
        return max(own, failure.retry_after or 0.0)

    def _ask_once(
        self, messages: Sequence[ModelMessage], is_wanted: Callable[[], bool]
    ) -> Generator[Piece, None, Answer]:
        pieces: deque[ModelResponsePart] = deque()
        task = self._loop.create_task(self._request(messages, pieces))
        try:
            while not task.done() and is_wanted():
                self._turn_until_done(task, STEP_SECONDS, cancels=False)
                while pieces:
                    yield pieces.popleft()
                yield None
            if not task.done():
                return Failure("the request was given up")
            return _answer_of(task, self._choice)
        finally:
            if not task.done():
                self._turn_until_done(task, 0.0)

    async def _request(
        self, messages: Sequence[ModelMessage], pieces: deque[ModelResponsePart]
    ) -> ModelResponse:
        from pydantic_ai.direct import model_request_stream
        from pydantic_ai.messages import PartEndEvent

        async with model_request_stream(
            self._model,
            messages,
            model_settings=self._settings,
            model_request_parameters=self._parameters,
            instrument=False,
        ) as stream:
            async for event in stream:
                if isinstance(event, PartEndEvent):
                    pieces.append(event.part)
            return stream.get()

    def _turn_until_done(self, task: asyncio.Task[object], seconds: float, *, cancels: bool = True) -> None:
        """Let the loop turn until this is done, at most so long; then, with `cancels`, end it."""
        self._loop.run_until_complete(asyncio.wait({task}, timeout=seconds))
        if cancels and not task.done():
            task.cancel()
            self._loop.run_until_complete(asyncio.wait({task}, timeout=FAREWELL_SECONDS))


def _answer_of(task: asyncio.Task[ModelResponse], choice: Choice) -> Answer:
    error = task.exception()
    return task.result() if error is None else explain(error, choice)


def _wait(seconds: float, is_wanted: Callable[[], bool]) -> Generator[None, None, None]:
    end = time.monotonic() + seconds
    while is_wanted() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, STEP_SECONDS))
        yield None
