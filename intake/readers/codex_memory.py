"""What a Codex reader holds of one session between its records: bounded, whatever the file holds."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from audit.entries import Usage
from intake.readers.base import Problem, Severity
from intake.readers.fields import Object, number_of, object_of
from intake.readers.meaning import Meaning

_TOKENS = ("input_tokens", "cached_input_tokens", "cache_write_input_tokens", "output_tokens")
# Sums over millions of messages of this size still fit a database's numbers.
_MOST_TOKENS = 10**12
_RECENT_TEXTS = 50


@dataclass(slots=True)
class Call:
    """A tool call that waits for its result: its tool, its patch, and the call whose process it feeds."""

    name: str
    patch: str = field(default="", repr=False)
    continues: str = ""
    is_edited: bool = False


@dataclass(slots=True)
class Memory:
    """One session's open ends: its calls, processes and answers, and what the model is called by now.

    `response` counts the answers of the model: what it says between two things that it is told. Records give
    those no id, so that number is one, and the same each time the file is read.
    """

    model: str = ""
    is_in_task: bool = False
    response: int = 0
    calls: OrderedDict[str, Call] = field(default_factory=OrderedDict)
    processes: OrderedDict[str, str] = field(default_factory=OrderedDict)
    echoes: "Echoes" = field(default_factory=lambda: Echoes())
    _is_open: bool = False
    _has_usage: bool = False
    _spent: "Spent" = field(default_factory=lambda: Spent())

    def remember(self, call_id: str, call: Call, limit: int = 2_000) -> None:
        self.calls[call_id] = call
        if len(self.calls) > limit:
            self.calls.popitem(last=False)

    def run(self, process: str, call_id: str, limit: int = 500) -> None:
        """Note which call began a process that goes on running."""
        self.processes.setdefault(process, call_id)
        if len(self.processes) > limit:
            self.processes.popitem(last=False)

    def answer(self) -> str:
        """The id of the answer that the model's next item belongs to."""
        if not self._is_open:
            self._begin()
        return f"response:{self.response}"

    def tell(self, *, is_prompt: bool = False) -> None:
        """The model is told something: what it says next is another answer."""
        self._is_open = False
        if is_prompt:
            self._has_usage = True

    def spend(self, spent: "Spent") -> Usage:
        """Add tokens to their answer, which the versions of 2025 write down after them."""
        if self._has_usage or not self.response:
            self._begin()
        else:
            self._is_open = False
        self._has_usage = True
        self._spent = self._spent + spent
        return self._spent.usage(f"response:{self.response}", self.model)

    def _begin(self) -> None:
        self.response += 1
        self._is_open, self._has_usage, self._spent = True, False, Spent()


@dataclass(frozen=True, slots=True)
class Spent:
    """Numbers of tokens as Codex counts them: its input includes what came from the cache."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.input + other.input,
            self.cached + other.cached,
            self.cache_write + other.cache_write,
            self.output + other.output,
        )

    def usage(self, message_id: str, model: str) -> Usage:
        return Usage(
            message_id=message_id,
            model=model,
            input_tokens=max(self.input - self.cached - self.cache_write, 0),
            output_tokens=self.output,
            cache_read_tokens=self.cached,
            cache_write_tokens=self.cache_write,
        )


class Totals:
    """Turns a file's running totals into what was spent since the one before; a repeated one adds nothing.

    A copy of another session's records brings its totals along, and what comes after goes on from them.
    """

    def __init__(self) -> None:
        self._last = Spent()

    def take(self, info: Object, meaning: Meaning) -> Spent | None:
        total = _spent(object_of(info, "total_token_usage"), meaning)
        if total is None or total == self._last:
            return None
        before, self._last = self._last, total
        latest = _spent(object_of(info, "last_token_usage"), meaning)
        if total == latest:  # the count began anew
            return total
        shrank = (
            total.input < before.input
            or total.cached < before.cached
            or total.cache_write < before.cache_write
            or total.output < before.output
        )
        if shrank:
            return latest
        return Spent(
            total.input - before.input,
            total.cached - before.cached,
            total.cache_write - before.cache_write,
            total.output - before.output,
        )


def _spent(counts: Object, meaning: Meaning) -> Spent | None:
    if not counts:
        return None
    found = [number_of(counts, key) for key in _TOKENS]
    for key, count in zip(_TOKENS, found, strict=True):
        if counts.get(key) is not None and (count is None or count > _MOST_TOKENS):
            reason = "a number of tokens that no message has"
            meaning.problems.append(Problem(Severity.REPAIRED, meaning.line, reason))
            return None
    return Spent(*(count or 0 for count in found))


@dataclass(slots=True)
class Echoes:
    """Texts stand twice in most files, as items and as events: tells which event has no item of its own.

    An event may come before or after its item, close to it. `items` counts the texts of items that no event
    has repeated yet. `events` has those of events whose item has not come: the key of the record that waits
    for it, or "" if the event is shown already.
    """

    items: OrderedDict[tuple[str, str], int] = field(default_factory=OrderedDict)
    events: OrderedDict[tuple[str, str], str] = field(default_factory=OrderedDict)

    def item(self, kind: str, text: str) -> bool:
        """Note an item; whether an event has been shown in its place."""
        key = (kind, text.strip())
        waiting = self.events.pop(key, None)
        if waiting is None:
            self.items[key] = self.items.pop(key, 0) + 1
            _bound(self.items)
        return waiting == ""

    def event(self, kind: str, text: str, entry_key: str = "") -> bool:
        """Note an event; whether it has no item so far. With no `entry_key` it is shown at once."""
        key = (kind, text.strip())
        count = self.items.pop(key, 0)
        if count > 1:
            self.items[key] = count - 1
        if count or not key[1]:
            return False
        self.events[key] = entry_key
        _bound(self.events)
        return True

    def alone(self) -> list[tuple[str, str, str]]:
        """The events that still wait for an item and are now to be shown: kind, text and record of each."""
        found = [(*key, entry_key) for key, entry_key in self.events.items() if entry_key]
        self.events.update((key, "") for key in self.events)
        return found


def _bound(texts: "OrderedDict[tuple[str, str], Any]") -> None:
    while len(texts) > _RECENT_TEXTS:
        texts.popitem(last=False)
