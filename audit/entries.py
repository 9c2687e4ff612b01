"""What crosses the border into the record: plain, frozen data, with no Django inside.

Readers of transcripts, runtimes and the apps that own a session make these; `audit.services.append_entries`
is the one function that takes them. Nothing here is redacted yet: the values live in memory only, between
whoever read them and the service that redacts and stores them. So their `repr` shows no text.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

type JSON = bool | int | float | str | list[JSON] | dict[str, JSON] | None

Role = Literal["user", "assistant", "system", ""]


class EntryKind(StrEnum):
    """What a line of a transcript is. The set is closed: a reader maps what it reads onto these."""

    MESSAGE = "message"
    THINKING = "thinking"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    FILE_EDIT = "file_edit"
    CHECKPOINT = "checkpoint"
    APPROVAL = "approval"
    STATUS = "status"
    ERROR = "error"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """One entry that a transcript is to have.

    `native_id` is unique within its transcript and the same each time the source is read: the id of the
    source's record and the position of the block in it, never a bare tool id (sources repeat those).
    `before` and `after` hold whole texts of an edited file ("" before: it was made). None is a text that the
    source does not have: then `is_partial` is set, and `patch` holds the hunks, if there are any.
    A result that is seen while it grows comes in pieces: each but the last one, its end, `is_partial`.
    `is_meta` marks text that was put into the conversation by a program rather than written by a person or a
    model; pages show it folded.
    """

    kind: EntryKind
    native_id: str
    occurred_at: datetime | None = None
    role: Role = ""
    text: str = field(default="", repr=False)
    tool_name: str = ""
    call_id: str = ""
    arguments: JSON = field(default=None, repr=False)
    path: str = field(default="", repr=False)
    before: str | None = field(default=None, repr=False)
    after: str | None = field(default=None, repr=False)
    patch: str = field(default="", repr=False)
    is_partial: bool = False
    is_error: bool = False
    duration_ms: int | None = None
    model: str = ""
    message_id: str = ""
    attempt: int = 1
    is_meta: bool = False
    data: dict[str, JSON] = field(default_factory=dict, repr=False)
    ordinal: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord:
    """One object of the source as it was decoded, so that a better reader can project it again.

    `ordinal` is its position in the source, from 0. `native_id` is "" where the source gives none.
    """

    ordinal: int
    native_id: str
    record_type: str
    body: JSON = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The tokens of one model message. Sources repeat it while it grows: the fullest per `message_id` counts.

    `input_tokens` leaves out what was read from or written to the provider's cache.
    """

    message_id: str
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Where and how an agent ran; "" means that the source did not say.

    All of them can change inside one session. Of model, branch, cwd and commit a transcript keeps the first
    and the last value, of the others the last one.
    `origin` is one of web, vscode, desktop, cli, api, schedule.
    """

    origin: str = ""
    runtime: str = ""
    model: str = ""
    sandbox: str = ""
    profile: str = ""
    repo: str = ""
    branch: str = ""
    cwd: str = ""
    commit: str = ""
    version: str = ""

    def updated_by(self, later: "RunFacts") -> "RunFacts":
        """These facts with each one that `later` names taken from it."""
        return RunFacts(**{name: getattr(later, name) or getattr(self, name) for name in self.__slots__})
