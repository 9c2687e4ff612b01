"""One file as far as it has been read: a batch at a time, and on from there once the file has grown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from audit.entries import NewEntry, NewRecord, Usage
from intake.readers.base import ChildHint, Format, Problem, ReadContext, ReadRecord
from intake.readers.summary import SessionSummary, SummaryFold
from intake.sources import Source

__all__ = ["Batch", "Buffer", "Key", "Reading"]

#: How many records are read before they are written.
BATCH = 500
#: ... or how many bytes of the file, if that is less.
BATCH_BYTES = 4 << 20
#: Records of a session in which nothing has been said are held back, as long as they are no more bytes.
MOST_SILENT_BYTES = 8 << 20
#: How many bytes before the place where a reading stands tell whether the file is still the same.
TAIL = 4096

#: A session (agent "") or one of its sub-agents, by the source's own ids.
type Key = tuple[str, str]


@dataclass(slots=True)
class Buffer:
    """What a batch holds for one session or sub-agent."""

    entries: list[NewEntry] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    records: list[NewRecord] = field(default_factory=list)

    def take(self, record: ReadRecord) -> None:
        if record.record is not None:
            self.records.append(record.record)
        self.entries.extend(record.entries)
        if record.usage is not None:
            self.usages.append(record.usage)

    def extend(self, other: Buffer) -> None:
        self.entries += other.entries
        self.usages += other.usages
        self.records += other.records


@dataclass(slots=True)
class Batch:
    """Records in a row, by whose they are. `is_last`: the file holds no more now.

    `line` is where the first of them begins, 0 if there is none; `read` counts the records so far.
    """

    buffers: dict[Key, Buffer] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    line: int = 0
    read: int = 0
    is_last: bool = False


class Reading:
    """The reader of one file and the sum of what it yielded so far.

    `own_files` names the sub-agents that have a file of their own; more of them may be added later. `settled`
    and `told` belong to whoever writes: what was known of a sub-agent's start when it was written last. After
    an error between two batches it is of no use any more: sums and rows may differ.
    """

    def __init__(self, source: Source, format_: Format, *, now: datetime) -> None:
        self.source, self.format = source, format_
        self.own_files: set[str] = set()
        self.settled: dict[Key, ChildHint | None] = {}
        self.told: dict[Key, ChildHint] = {}
        self.weight = 0
        self._context = ReadContext(now=now, name=source.stem, own_files=self.own_files)
        self._reader = format_.reader(self._context)
        self._fold = SummaryFold()
        self._said: dict[Key, None] = {}
        self._silent: dict[Key, Buffer] = {}
        self._silent_bytes = 0
        self._end = 0
        self._tail = b""

    @property
    def offset(self) -> int:
        return self._reader.offset

    def goes_on_in(self, stream: BinaryIO) -> bool:
        """Whether a stream still holds what was read, so that what follows can be read alone."""
        return _tail(stream, self.offset) == self._tail

    def batches(self, source: Source, *, now: datetime) -> Iterator[Batch]:
        """Read from where it stands to the end. There always is a last batch, and it may be empty."""
        self.source, self._context.now = source, now
        batch, count = Batch(read=self.weight), 0
        with source.open() as stream:
            stream.seek(self.offset)
            begun = self.offset
            for record in self._reader.read(stream):
                if count >= BATCH or self._end - begun >= BATCH_BYTES:
                    yield batch
                    batch, count, begun = Batch(read=self.weight), 0, self._end
                self._take(record, batch)
                count += 1
            self._tail = _tail(stream, self.offset)
        self._give_back_silent(batch)
        batch.is_last = True
        yield batch

    def summaries(self) -> dict[Key, SessionSummary]:
        """What each session and sub-agent comes to that says something and is read from this file."""
        return {
            key: one
            for one in self._fold.summaries()
            if (key := (one.session_id, one.agent_id)) in self._said and one.agent_id not in self.own_files
        }

    def _take(self, record: ReadRecord, batch: Batch) -> None:
        self._fold.add(record)
        batch.problems += record.problems
        batch.line = batch.line or record.line
        size, self._end = record.end - self._end, record.end
        self.weight = batch.read = record.ordinal + 1
        if record.record is None:
            return
        key = (record.session_id, record.agent_id)
        if record.agent_id in self.own_files:  # what an agent's own file tells as well
            key = (record.session_id, "")
        if record.entries:
            self._said[key] = None
        if key in self._said:
            buffer = batch.buffers.setdefault(key, Buffer())
            if key in self._silent:
                buffer.extend(self._silent.pop(key))
            buffer.take(record)
            return
        self._silent.setdefault(key, Buffer()).take(record)
        self._silent_bytes += size
        if self._silent_bytes > MOST_SILENT_BYTES:
            self._said.update(dict.fromkeys(self._silent))
            self._give_back_silent(batch)

    def _give_back_silent(self, batch: Batch) -> None:
        """Records of those that say nothing go with their session, else with the first that speaks.

        While nothing in the file says anything, they wait.
        """
        first = next((key for key in self._said if key[1] not in self.own_files), None)
        for key in list(self._silent):
            whose = next((one for one in (key, (key[0], "")) if one in self._said), first)
            if whose is not None:
                batch.buffers.setdefault(whose, Buffer()).extend(self._silent.pop(key))
        self._silent_bytes = 0 if not self._silent else self._silent_bytes


def _tail(stream: BinaryIO, offset: int) -> bytes:
    """A digest of the bytes before an offset."""
    start = max(offset - TAIL, 0)
    stream.seek(start)
    return hashlib.blake2b(stream.read(offset - start)).digest()
