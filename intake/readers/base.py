"""What every reader of a session file takes and yields.

A format is known by `Format`: a test of its first records, and a reader for each file. A reader never
raises for what it finds in a file: what it cannot use it reports as a `Problem`, which never quotes the file.
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO, Protocol

from audit.entries import JSON, NewEntry, NewRecord, RunFacts, Usage


class Severity(StrEnum):
    """How bad a problem is: `lost` means that something of the file is not in the result."""

    LOST = "lost"
    REPAIRED = "repaired"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a reader met at a line (from 1) of the file. The reason never quotes the file."""

    severity: Severity
    line: int
    reason: str


class TurnState(StrEnum):
    """Where the last turn of a session stands, as far as its file tells.

    None of them says that the session is finished: a file that stopped growing does not say so.
    """

    IN_TURN = "in_turn"
    TURN_OVER = "turn_over"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class TurnHint:
    """What one record says about the turn, by which rule, and what was seen that the rule speaks of.

    `headline` is the whole text of an error or of a question, neither redacted nor cut. `is_certain` is False
    where the format does not say that a turn ended and the rule goes by what came last.
    """

    state: TurnState
    rule: str
    seen: str
    headline: str = field(default="", repr=False)
    is_certain: bool = True


class TitleRank(StrEnum):
    """Where a title came from, the best first."""

    CUSTOM = "custom"
    GENERATED = "generated"
    PROMPT = "prompt"
    SUMMARY = "summary"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class TitleHint:
    """A text that may name the session, neither redacted nor cut.

    With a `leaf` it counts only if the file holds that record.
    """

    rank: TitleRank
    text: str = field(repr=False)
    leaf: str = ""


@dataclass(frozen=True, slots=True)
class ChildHint:
    """A sub-agent of the record's session, as records tell of it.

    `parent` is the agent that started it, "" for the session itself. Hints about one call or one agent come
    in pieces and are merged. `call_id` is the tool call that started it. `title` is neither redacted nor cut.
    `prompt_mark` stands for the text that it was started with (see `prompt_mark`).

    `outcome` is what was said last of its end: "" (nothing), `running` (it was started), `completed`,
    `failed` (it ended with an error) or `cancelled` (a person or a program stopped it). `never_ran` says that
    the call was refused before anything started: there is no such sub-agent. `result` and `ended_at` are of a
    later report of its end, for one that went on after its call had returned; `result` is not redacted.
    `is_report`: nothing but such reports is known, which commands in the background make as well.
    """

    call_id: str = ""
    agent_id: str = ""
    title: str = field(default="", repr=False)
    agent_type: str = ""
    outcome: str = ""
    prompt_mark: int = 0
    parent: str = ""
    never_ran: bool = False
    result: str = field(default="", repr=False)
    ended_at: datetime | None = None
    is_report: bool = False


def prompt_mark(text: str) -> int:
    """A number that is equal for equal texts within this process and means nothing outside; 0 for no text."""
    return hash(("prompt", text.strip())) if text.strip() else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRecord:
    """One object of the file and what it means.

    `agent_id` is "" for a record of the session itself, else it names the sub-agent whose record this is.
    `record` is None only where nothing could be decoded, and then `problems` says why. `at` is never later
    than the `now` that the reader was given, but for what clocks differ by. `end` is the offset of the byte
    after the object: what a file that grew has new begins there, or later. `is_repeat` marks a record that
    this file held before: it has no entries. `is_copy` marks one that was copied into this file from that of
    its own session.
    """

    ordinal: int
    line: int
    end: int
    session_id: str
    agent_id: str = ""
    record: NewRecord | None = None
    at: datetime | None = None
    entries: tuple[NewEntry, ...] = ()
    usage: Usage | None = None
    facts: RunFacts | None = None
    turn: TurnHint | None = None
    titles: tuple[TitleHint, ...] = ()
    children: tuple[ChildHint, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_repeat: bool = False
    is_copy: bool = False


@dataclass(slots=True, kw_only=True)
class ReadContext:
    """What a reader is told besides the bytes.

    Times after `now` are not believed. `name` names the session where its records do not (the file's stem).
    `own_files` are the sub-agents that have a file of their own: their copies inside the session's file yield
    no entries.
    Whoever reads on in a file that has grown moves `now` on and may add to `own_files` before.
    """

    now: datetime
    name: str
    own_files: AbstractSet[str] = frozenset()


class Reader(Protocol):
    """Reads one file, and what is added to it later.

    `offset` is the byte after all that was yielded; a torn end lies behind it. `read` takes a stream that
    stands there (at first: at the beginning) and yields the records from there on.
    """

    @property
    def offset(self) -> int: ...

    def read(self, stream: BinaryIO) -> Iterator[ReadRecord]: ...


@dataclass(frozen=True, slots=True)
class Format:
    """A format of session files: its key, its name for people, how to know it, and what reads one file."""

    key: str
    label: str
    recognises: Callable[[Sequence[JSON]], bool]
    reader: Callable[[ReadContext], Reader]
