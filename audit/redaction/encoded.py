"""Texts inside of texts: base64, and what is left of a text without the signs that nobody sees."""

import base64
import binascii
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

#: A text, base64 of a text, base64 of base64 of a text.
LAYERS = 3
# Four characters of base64 that hold three of readable ASCII: few others look like it.
_FOUR = "[CDI-Za-f][ACDEFGHQSTUVWXgijklmnwyz0123][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]"
#: The sign before a run of base64 of text, and enough of the run to make it worth a look.
ENCODED_TRIGGER = f"[^A-Za-z0-9+/_-](?:{_FOUR}){{5}}"
_MAX_RUN = 1 << 20
_RUN = re.compile(rb"[A-Za-z0-9+/_-]+")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_READABLE = re.compile(rb"[\t\r\n -~]+")

# Colours and cursor moves of terminals (raw or escaped), characters without width, lines that were folded.
_ESCAPE = r"(?:\x1b|\\u001[bB]|\\x1[bB]|\\033|\\e)"
_NO_WIDTH = r"\xe2\x80[\x8b-\x8f]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf|\xc2\xad|\xcd\x8f"
#: The first bytes of what nobody sees.
UNSEEN_TRIGGER = rf"{_ESCAPE}[\[\]]|{_NO_WIDTH}|\\\r?\n|[A-Za-z0-9+/_-]{{60}}=\r?\n"
_UNSEEN = re.compile(
    rf"{_ESCAPE}(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{{0,200}}(?:\x07|\x1b\\))|{_NO_WIDTH}|\\\r?\n[ \t]*"
    # Looked behind from the sign on: before it, that would be done at each place of a long line.
    r"|=(?<=[A-Za-z0-9+/_-]{60}=)\r?\n(?=[A-Za-z0-9+/_-])".encode("latin-1")
)
#: How much of a text around an unseen sign is looked at once more without it.
_REACH = 1024


def decode(data: bytes, start: int) -> bytes:
    """The text whose base64 starts here; empty if it is none: paths and noise look alike."""
    if not _READABLE.fullmatch(_decoded(data[start : start + 24])):
        return b""
    run = _RUN.match(data, start, start + _MAX_RUN)
    return _decoded(run[0]) if run is not None else b""


def _decoded(run: bytes) -> bytes:
    whole = run[: len(run) // 4 * 4]
    rest = run[len(whole) :]
    padded = (
        run.translate(_URL_SAFE) + b"=" * (4 - len(rest)) if len(rest) > 1 else whole.translate(_URL_SAFE)
    )
    try:
        return base64.b64decode(padded, validate=True)
    except binascii.Error:
        return b""


def place_encoded(start: int, inner_start: int, inner_end: int) -> tuple[int, int]:
    """Where the characters stand that hold these bytes of the text whose base64 begins at `start`."""
    return start + inner_start * 8 // 6, start - (-inner_end * 8 // 6)


@dataclass(frozen=True, slots=True)
class Shadow:
    """A stretch of a text without unseen signs, and the way back: where each of its parts stood."""

    data: bytes = field(repr=False)
    starts: list[int]
    origins: list[int]

    def place(self, start: int, end: int) -> tuple[int, int]:
        return self._origin(start), self._origin(end - 1) + 1

    def _origin(self, offset: int) -> int:
        at = bisect_right(self.starts, offset) - 1
        return self.origins[at] + offset - self.starts[at]


def shadows(data: bytes, places: Sequence[int]) -> Iterator[Shadow]:
    """The parts of a text around unseen signs, which begin before these places, without the signs."""
    regions: list[tuple[int, int]] = []
    for place in places:
        if regions and place - _REACH <= regions[-1][1]:
            regions[-1] = (regions[-1][0], place + _REACH)
        else:
            regions.append((max(0, place - 8), place + _REACH))
    for first, last in regions:
        cuts = [found.span() for found in _UNSEEN.finditer(data, first, last)]
        if cuts:
            yield _shadow(data, max(0, first - _REACH), min(len(data), last), cuts)


def shadow_of(data: bytes) -> Shadow:
    """A whole text without unseen signs."""
    return _shadow(data, 0, len(data), [found.span() for found in _UNSEEN.finditer(data)] or [(0, 0)])


def _shadow(data: bytes, start: int, end: int, cuts: list[tuple[int, int]]) -> Shadow:
    """The stretch from `start` to `end`, drawn in to where a word or line ends, without the cuts."""
    while start and start < cuts[0][0] and not data[start - 1 : start].isspace():
        start += 1
    while end < len(data) and end > cuts[-1][1] and not data[end : end + 1].isspace():
        end -= 1
    parts: list[bytes] = [b"\n"]
    starts, origins = [0], [start]
    size, at = 1, start
    for cut_start, cut_end in [*cuts, (end, end)]:
        if cut_start > at:
            starts.append(size)
            origins.append(at)
            parts.append(data[at:cut_start])
            size += cut_start - at
        at = cut_end
    return Shadow(b"".join(parts), starts, origins)
