"""What agents said and did in the demo: lines of a script, played into the entries of a transcript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from audit.entries import JSON, EntryKind, NewEntry, RunFacts, Usage
from audit.imports import Delivery

__all__ = ["CREDENTIAL", "Call", "Clock", "Edit", "Line", "Played", "Player", "Say", "Think"]

#: How fast an agent writes and how long it thinks, so that times in a transcript look like work.
CHARACTERS_PER_SECOND = 40
CHARACTERS_PER_TOKEN = 4
#: Where a line of the script shows the value of the workspace's secret.
CREDENTIAL = "{{credential}}"
#: What a model reads before the first word of a conversation: instructions and tools.
PREAMBLE_TOKENS = 11_840


@dataclass(frozen=True, slots=True)
class Think:
    text: str


@dataclass(frozen=True, slots=True)
class Say:
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call and what came back of it; without `output` it is still open."""

    tool: str
    arguments: Mapping[str, JSON]
    output: str | None = ""
    seconds: float = 1.4
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """A changed file, by its text before and after; "" before makes it."""

    path: str
    before: str
    after: str


type Line = Think | Say | Call | Edit


class Clock:
    """The time of a session as it goes on; it never runs ahead of the moment at which the demo is loaded."""

    def __init__(self, at: datetime, limit: datetime) -> None:
        self.at = at
        self._limit = limit

    def after(self, *, minutes: float = 0, seconds: float = 0) -> datetime:
        self.at += timedelta(minutes=minutes, seconds=seconds)
        if self.at > self._limit:
            raise ValueError(f"the demo's story reaches {self.at}, which is in the future")
        return self.at


@dataclass(frozen=True, slots=True)
class Played:
    """`messages` are the texts that people see, `turns` the model's messages, `files` those changed.

    `open_calls` are the ids of the tool calls that nothing has come back of.
    """

    delivery: Delivery
    messages: int
    turns: int
    files: int
    open_calls: tuple[str, ...]


class Player:
    """Plays lines as one agent of one session; ids and tokens go on from one call to the next."""

    def __init__(self, key: str, model: str, clock: Clock, secret: str) -> None:
        self._key, self._model, self._clock, self._secret = key, model, clock, secret
        self._lines = 0
        self._turns = 0
        self._context_tokens = PREAMBLE_TOKENS
        self._entries: list[NewEntry] = []
        self._usages: dict[str, Usage] = {}
        self._open_calls: list[str] = []
        self._files: set[str] = set()

    def play(self, lines: Sequence[Line], facts: RunFacts | None = None) -> Played:
        """The entries of these lines; the clock stands at the last of them."""
        self._entries, self._usages, self._open_calls = [], {}, []
        turns_before, files_before = self._turns, len(self._files)
        is_same_message = False
        for line in lines:
            if not is_same_message or isinstance(line, Think):
                self._turns += 1
            self._play_line(line)
            is_same_message = isinstance(line, Think | Say)
        return Played(
            delivery=Delivery(
                entries=self._entries, usages=self._usages.values(), facts=facts, source="demo"
            ),
            messages=sum(isinstance(line, Say) for line in lines),
            turns=self._turns - turns_before,
            files=len(self._files) - files_before,
            open_calls=tuple(self._open_calls),
        )

    def _play_line(self, line: Line) -> None:
        match line:
            case Think(text) | Say(text):
                self._spend(text)
                kind = EntryKind.THINKING if isinstance(line, Think) else EntryKind.MESSAGE
                self._add(kind, role="assistant", text=text)
            case Call():
                self._call(line)
            case Edit(path, before, after):
                tool = "Edit" if before else "Write"
                done = f"The file {path} has been {'updated' if before else 'created'}."
                self._call(Call(tool, {"file_path": path}, done, seconds=0.3), path=path)
                self._files.add(path)
                call_id = self._entries[-1].call_id
                self._add(EntryKind.FILE_EDIT, path=path, before=before, after=after, call_id=call_id)

    def _call(self, call: Call, path: str = "") -> None:
        arguments = dict(call.arguments)
        self._spend(str(arguments))
        call_id = f"{self._key}-call-{self._lines + 1}"
        self._add(
            EntryKind.TOOL_CALL,
            role="assistant",
            tool_name=call.tool,
            call_id=call_id,
            arguments=arguments,
            path=path,
        )
        if call.output is None:
            self._open_calls.append(call_id)
            return
        self._clock.after(seconds=call.seconds)
        self._context_tokens += len(call.output) // CHARACTERS_PER_TOKEN
        self._add(
            EntryKind.TOOL_RESULT,
            role="user",
            tool_name=call.tool,
            call_id=call_id,
            text=call.output,
            is_error=call.is_error,
            duration_ms=int(call.seconds * 1000),
        )

    def _spend(self, text: str) -> None:
        """The time and the tokens that the model's next text takes; a shell takes neither."""
        if not self._model:
            return
        self._clock.after(seconds=2 + len(text) / CHARACTERS_PER_SECOND)
        message_id = self._message_id
        written = max(1, len(text) // CHARACTERS_PER_TOKEN)
        before = self._usages.get(message_id)
        self._usages[message_id] = Usage(
            message_id=message_id,
            model=self._model,
            input_tokens=before.input_tokens if before else 6,
            output_tokens=written + (before.output_tokens if before else 0),
            cache_read_tokens=before.cache_read_tokens if before else self._context_tokens,
            cache_write_tokens=written + (before.cache_write_tokens if before else 0),
        )
        self._context_tokens += written

    @property
    def _message_id(self) -> str:
        return f"{self._key}-message-{self._turns}"

    def _add(self, kind: EntryKind, text: str = "", **fields: Any) -> None:
        self._lines += 1
        is_agents = kind is not EntryKind.TOOL_RESULT
        self._entries.append(
            NewEntry(
                kind=kind,
                text=text.replace(CREDENTIAL, self._secret),
                native_id=f"{self._key}-{self._lines}",
                occurred_at=self._clock.at,
                model=self._model if is_agents else "",
                message_id=self._message_id if is_agents else "",
                **fields,
            )
        )
