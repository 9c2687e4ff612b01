"""Search the files of a folder by a pattern, in a time that grows with the files alone."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import hyperscan

from agents.prompting.files import MAX_FILE_BYTES, ToolError, read_bytes, walk
from audit.redaction import Redactor

__all__ = ["search"]

MAX_FOUND = 200
MAX_LINE = 300
TIME_LIMIT = 10.0
_FLAGS = hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_UCP


def search(
    folder: Path, redactor: Redactor, pattern: str, path: str, glob: str, *, ignores_case: bool
) -> str:
    """Lines that match, as "path:number: line"; at most `MAX_FOUND` of them. Skips what is no text.

    Looks through the redacted texts, so that nobody finds a credential out by asking what matches it.
    A model's pattern could keep Python's own engine busy for ever; the one that is used here knows no
    references back and no looking around, and says so. Raises `ToolError`.
    """
    database = hyperscan.Database()
    flags = _FLAGS | (hyperscan.HS_FLAG_CASELESS if ignores_case else 0)
    try:
        database.compile(expressions=[pattern.encode()], flags=[flags])
    except (hyperscan.error, UnicodeEncodeError) as error:
        raise ToolError(f"the pattern cannot be used: {error}") from error
    deadline = time.monotonic() + TIME_LIMIT
    found: list[str] = []
    for seen in walk(folder, path, glob):
        if seen.size is None or seen.size > MAX_FILE_BYTES:
            continue
        for line in _search_file(database, folder, redactor, seen.path):
            found.append(line)
            if len(found) == MAX_FOUND:
                return "\n".join([*found, f"(the first {MAX_FOUND}; there may be more)"])
        if time.monotonic() > deadline:
            return "\n".join([*found, f"(given up after {TIME_LIMIT:.0f} s: look into one of the folders)"])
    return "\n".join(found) or "(nothing matches)"


def _search_file(database: hyperscan.Database, folder: Path, redactor: Redactor, path: str) -> Iterator[str]:
    try:
        data, _size = read_bytes(folder, path)
    except ToolError:  # gone meanwhile, or not ours to read
        return
    if b"\0" in data:
        return
    text = data.decode("utf-8", "replace")  # the engine has to be given well-formed text
    if not _find_lines(database, text.encode()):
        return
    data = redactor.redact_text(text).text.encode()
    for number, line in _find_lines(database, data).items():
        yield f"{path}:{number}: {line[:MAX_LINE]}{'…' if len(line) > MAX_LINE else ''}"


def _find_lines(database: hyperscan.Database, data: bytes) -> dict[int, str]:
    """The lines that match by their numbers, from 1; no more than are of use."""
    ends = _line_ends(data)
    found: set[int] = set()

    def keep(_number: int, _start: int, end: int, _flags: int, _context: object) -> bool:
        found.add(bisect_left(ends, end))
        return len(found) >= MAX_FOUND

    with suppress(hyperscan.ScanTerminated):
        database.scan(data, match_event_handler=keep)
    starts = [0, *(end + 1 for end in ends)]
    return {
        index + 1: data[starts[index] : ends[index]].decode("utf-8", "replace").rstrip("\r")
        for index in sorted(found)
    }


def _line_ends(data: bytes) -> list[int]:
    """Where each line ends, its newline left out."""
    ends: list[int] = []
    at = data.find(b"\n")
    while at >= 0:
        ends.append(at)
        at = data.find(b"\n", at + 1)
    return [*ends, len(data)]
