"""Tell what format a file is of, by what its first objects are: never by its name or its folder."""

from itertools import islice
from typing import BinaryIO

from audit.entries import JSON
from intake.readers import claude_code, codex
from intake.readers.base import Format
from intake.readers.jsonl import Splitter

FORMATS: tuple[Format, ...] = (claude_code.FORMAT, codex.FORMAT)
_FIRST_OBJECTS = 100
_FIRST_BYTES = 8 << 20
_SAMPLE = 4_096
#: How many stretches that are no record may come on each record: a text that quotes some is no session.
_MOST_LOST = 20


def detect(stream: BinaryIO) -> Format | None:
    """The format of a seekable stream that stands at its beginning, where it is left; None if it is of none.

    It takes the first hundred objects, so that a broken beginning does not hide a session, and text that
    only quotes a few records is not taken for one.
    """
    is_text = not _looks_binary(stream.read(_SAMPLE))
    stream.seek(0)
    records: list[JSON] = []
    for found in islice(Splitter().split(stream), _FIRST_OBJECTS) if is_text else ():
        records.append(found.value)
        if found.end > _FIRST_BYTES:
            break
    stream.seek(0)
    lost = sum(record is None for record in records)
    if lost > _MOST_LOST * (len(records) - lost):
        return None
    return next((format_ for format_ in FORMATS if format_.recognises(records)), None)


def looks_like_utf16(stream: BinaryIO) -> bool:
    """Whether a seekable stream holds JSON in UTF-16 with its mark, which no reader takes."""
    start = stream.read(6)
    stream.seek(0)
    return start.startswith(('\ufeff{"'.encode("utf-16-le"), '\ufeff{"'.encode("utf-16-be")))


def _looks_binary(sample: bytes) -> bool:
    """Whether the first bytes of a file are of no text at all, so that it need not be split.

    NUL bytes alone do not say so: a crash leaves runs of them in a session file.
    """
    head = sample.strip(b"\0\r\n\t ")
    return b"\0" in head and not head.startswith((b"{", b"[", b"\xef\xbb\xbf"))
