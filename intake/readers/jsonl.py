"""Split a stream of bytes into the JSON objects that it holds, whatever the lines look like.

A line may hold no object, one or several; an object may be printed over several lines. What cannot be
decoded is reported as lost, once, and the rest goes on. Memory is bounded by the longest object, which is at
most `MAX_OBJECT` bytes.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from audit.entries import JSON
from audit.redaction.pieces import MAX_DEPTH
from intake.readers.base import Problem, Severity

MAX_OBJECT = 64 * 1024 * 1024

_BLANK = re.compile("[ \t\r\n\0\ufeff]*")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+("?)|[{}\[\]]', re.DOTALL)
_OBJECT = re.compile(r'\{\s*"')
_SALVAGE_TRIES = 200
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _no_constant(_name: str) -> None:
    """NaN and Infinity are not JSON and no database takes them."""


_STRICT = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
_LENIENT = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite, strict=False)


@dataclass(frozen=True, slots=True)
class Decoded:
    """One object, or one stretch that is lost (`is_lost`, then `problems` says why).

    `ordinal` counts both from 0; `line` is where it begins, from 1; `end` is the offset of the byte after it.
    """

    ordinal: int
    line: int
    end: int
    value: JSON = field(repr=False, default=None)
    problems: tuple[Problem, ...] = ()
    is_lost: bool = False


@dataclass(slots=True)
class _Line:
    raw: bytes
    number: int
    offset: int
    skipped: int = 0

    @property
    def is_whole(self) -> bool:
        return self.raw.endswith(b"\n")

    @property
    def end(self) -> int:
        return self.offset + self.skipped + len(self.raw)


@dataclass(slots=True)
class _Pending:
    """The beginning of an object that goes on over the next lines."""

    first: _Line
    parts: list[bytes]
    depth: int
    size: int


class Splitter:
    """Splits one stream, and goes on where it stopped when the stream has grown.

    `offset` is the byte after all that was yielded: a torn end lies behind it and is not reported. Call
    `split` again with a stream that stands at `offset` to read what was added.
    """

    def __init__(self) -> None:
        self.offset = 0
        self._ordinal = 0
        self._line = 1
        self._pending: _Pending | None = None
        self._carried: list[Problem] = []

    def split(self, stream: BinaryIO) -> Iterator[Decoded]:
        self._pending = None
        for line in self._lines(stream):
            if line.skipped:
                self._pending = None
                if line.is_whole:
                    yield self._lost(line, line.end, "longer than 64 MiB")
            elif self._pending is not None:
                yield from self._continue(self._pending, line)
            else:
                yield from self._take(line)
            self._line = line.number + line.is_whole if self._pending is None else self._line

    def _lines(self, stream: BinaryIO) -> Iterator[_Line]:
        number, offset = self._line, self.offset
        while raw := stream.readline(MAX_OBJECT + 1):
            skipped = 0
            while len(raw) > MAX_OBJECT and not raw.endswith(b"\n"):
                skipped += len(raw)
                raw = stream.readline(MAX_OBJECT + 1)
            line = _Line(raw, number, offset, skipped)
            yield line
            number, offset = number + 1, line.end

    def _take(self, line: _Line, start: int = 0) -> Iterator[Decoded]:
        """Yield the objects of a line that begins outside of any object."""
        text, notes = _to_text(line)
        objects, rest = _decode_all(text, start)
        at_end = rest >= len(text)
        for index, (value, position, is_lenient) in enumerate(objects):
            is_last = at_end and index == len(objects) - 1
            end = line.end if is_last else line.offset + _size(text[:position])
            found = notes if index == 0 else []
            if is_lenient:
                found = [*found, _repaired(line, "control characters inside a string")]
            yield self._decoded(line, value, end, found, is_odd=bool(notes))
        if at_end:
            self._carried += notes if line.is_whole and not objects else []
            self.offset = line.end if line.is_whole or objects else self.offset
        elif line.is_whole:
            yield from self._open_or_lose(line, text, rest)

    def _open_or_lose(self, line: _Line, text: str, rest: int) -> Iterator[Decoded]:
        """The rest of a whole line did not decode: it goes on in the next line, or it is lost."""
        raw = text[rest:].encode("utf-8", "surrogateescape")
        depth, in_string = _balance(raw) if raw[:1] in (b"{", b"[") else (0, False)
        if depth > 0 and not in_string:
            self._pending = _Pending(line, [raw], depth, len(raw))
            self._line = line.number
            return
        without_nul = text[rest:].replace("\0", "")
        objects, position = _decode_all(without_nul, 0) if "\0" in text[rest:] else ([], 0)
        if objects and position >= len(without_nul):
            for value, _, _ in objects:
                yield self._decoded(line, value, line.end, [_repaired(line, "NUL bytes")], is_odd=True)
        else:
            yield from self._lose(line, text, rest, _why_lost(raw, in_string))

    def _lose(self, line: _Line, text: str, rest: int, reason: str) -> Iterator[Decoded]:
        """Report the rest of a line as lost, but for a whole object that was written right after it.

        That is what stays when a writer was killed within a record and another one appended to its file.
        """
        for begin in islice(_OBJECT.finditer(text, rest + 1), _SALVAGE_TRIES):
            found = _decode_one(text, begin.start())
            if found and _skip_blank(text, found[1]) >= len(text):
                yield self._lost(line, line.offset + _size(text[: begin.start()]), reason)
                yield from self._take(line, begin.start())
                return
        yield self._lost(line, line.end, reason)

    def _continue(self, pending: _Pending, line: _Line) -> Iterator[Decoded]:
        """Add a line to an object that is not complete yet."""
        if line.is_whole and line.raw.startswith(b"{"):
            objects, rest = _decode_all(_to_text(line)[0], 0)
            if objects and rest >= len(_to_text(line)[0]):
                # A record on a line of its own: what was pending was cut off in the middle.
                self._pending = None
                cut = _Line(b"".join(pending.parts), pending.first.number, line.offset - pending.size)
                yield from self._lose(cut, _to_text(cut)[0], 0, "cut off in the middle")
                yield from self._take(line)
                return
        depth, in_string = _balance(line.raw)
        pending.parts.append(line.raw)
        pending.depth += depth
        pending.size += len(line.raw)
        if in_string or pending.size > MAX_OBJECT:
            if line.is_whole:
                self._pending = None
                reason = "cut off inside a string" if in_string else "longer than 64 MiB"
                yield self._lost(pending.first, line.end, reason)
        elif pending.depth <= 0:
            self._pending = None
            yield from self._close(pending, line)

    def _close(self, pending: _Pending, line: _Line) -> Iterator[Decoded]:
        """Decode an object that was printed over several lines; its last line may hold more after it."""
        raw = b"".join(pending.parts)
        whole = _Line(raw, pending.first.number, line.end - len(raw))
        text, notes = _to_text(whole)
        objects, rest = _decode_all(text, 0, limit=1)
        if not objects:
            yield self._lost(pending.first, line.end, "not valid JSON")
            return
        value, position, _ = objects[0]
        at_end = rest >= len(text)
        end = line.end if at_end else whole.offset + _size(text[:position])
        yield self._decoded(whole, value, end, notes, is_odd=bool(notes))
        if not at_end:
            tail = text[rest:].encode("utf-8", "surrogateescape")
            yield from self._take(_Line(tail, line.number, line.end - len(tail)))

    def _decoded(self, line: _Line, value: JSON, end: int, notes: list[Problem], *, is_odd: bool) -> Decoded:
        if _is_too_deep(value):
            return self._lost(line, end, "nested too deeply")
        problems = [*self._carried, *notes]
        if is_odd or _SUSPECT.search(line.raw):
            value, was_changed = _clean(value)
            if was_changed and not is_odd:
                problems.append(_repaired(line, "characters that no text can hold"))
        self._carried = []
        return self._step(Decoded(self._ordinal, line.number, end, value, tuple(problems)))

    def _lost(self, line: _Line, end: int, reason: str) -> Decoded:
        problems = (*self._carried, Problem(Severity.LOST, line.number, reason))
        self._carried = []
        return self._step(Decoded(self._ordinal, line.number, end, None, problems, is_lost=True))

    def _step(self, decoded: Decoded) -> Decoded:
        self._ordinal += 1
        self.offset = decoded.end
        return decoded


def _to_text(line: _Line) -> tuple[str, list[Problem]]:
    """The line as text in which bytes that are no UTF-8 stand as surrogates, and what is odd about it."""
    notes = [_repaired(line, "NUL bytes")] if b"\0" in line.raw else []
    try:
        return line.raw.decode("utf-8"), notes
    except UnicodeDecodeError:
        notes.append(_repaired(line, "bytes that are not UTF-8"))
        return line.raw.decode("utf-8", "surrogateescape"), notes


def _decode_all(text: str, start: int, limit: int = 0) -> tuple[list[tuple[JSON, int, bool]], int]:
    """The objects at `start` and on, each with where it ends, and where the first undecodable rest begins."""
    objects: list[tuple[JSON, int, bool]] = []
    position = _skip_blank(text, start)
    while position < len(text) and text[position] in "{[" and not (limit and len(objects) == limit):
        found = _decode_one(text, position)
        if found is None:
            break
        objects.append(found)
        position = _skip_blank(text, found[1])
    return objects, position


def _decode_one(text: str, position: int) -> tuple[JSON, int, bool] | None:
    for decoder in (_STRICT, _LENIENT):
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            continue
        return value, end, decoder is _LENIENT
    return None


def _skip_blank(text: str, position: int) -> int:
    found = _BLANK.match(text, position)
    return found.end() if found else position


def _balance(raw: bytes) -> tuple[int, bool]:
    """How many brackets a stretch leaves open, and whether it ends inside a string."""
    depth, in_string = 0, False
    for token in _TOKEN.finditer(raw):
        first = token[0][:1]
        if first == b'"':
            in_string = not token[1]
        else:
            depth += 1 if first in (b"{", b"[") else -1
    return depth, in_string


def _why_lost(raw: bytes, in_string: bool) -> str:
    if raw[:1] not in (b"{", b"["):
        return "no JSON object"
    return "cut off inside a string" if in_string else "not valid JSON"


def _is_too_deep(value: JSON) -> bool:
    """Whether the value is nested deeper than can be redacted. It would be withheld as a whole."""
    level: list[JSON] = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [item for one in level for item in _items(one)]
        if not level:
            return False
    return True


def _items(value: JSON) -> Iterable[JSON]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _clean(value: JSON) -> tuple[JSON, bool]:
    """The value without characters that UTF-8 or a database cannot hold, and whether there were any."""
    if isinstance(value, str):
        text = value.replace("\0", "\u2400")
        if not text.isascii():
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text, text != value
    if isinstance(value, list):
        items = [_clean(item) for item in value]
        return [item for item, _ in items], any(changed for _, changed in items)
    if isinstance(value, dict):
        pairs = [(_clean(key), _clean(item)) for key, item in value.items()]
        changed = any(key[1] or item[1] for key, item in pairs)
        return {str(key[0]): item[0] for key, item in pairs}, changed
    return value, False


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))


def _repaired(line: _Line, reason: str) -> Problem:
    return Problem(Severity.REPAIRED, line.number, reason)
