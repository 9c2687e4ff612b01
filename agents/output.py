"""What a command prints, as text that may be kept: decoded, lines folded, credentials found across pieces."""

from __future__ import annotations

import codecs
from collections import deque

from audit.redaction import LiveText, Piece, Redactor

__all__ = ["Output"]

#: A line that is longer goes on before it has ended.
_LONG_LINE = 64 << 10
_TAIL = 16 << 10


class Output:
    """Bytes in, pieces of text out, in order; `tail` is the end of all that was given out, redacted."""

    def __init__(self, redactor: Redactor) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._live = LiveText(redactor)
        self._line = ""
        self._tail: deque[str] = deque()
        self._tail_size = 0

    @property
    def tail(self) -> str:
        return "".join(self._tail)[-_TAIL:]

    def feed(self, data: bytes, *, is_last: bool = False) -> None:
        text = self._line + self._decoder.decode(data, is_last).replace("\0", "\u2400")
        *lines, line = text.split("\n")
        for one in lines:
            self._live.feed(_fold(one) + "\n")
        self._line = _fold_open(line)
        if is_last or len(self._line) > _LONG_LINE:
            self._pass_line_on()

    def take(self, *, is_quiet: bool = False) -> Piece | None:
        """What may be kept by now. `is_quiet`: nothing comes, so show what there is of a line."""
        if is_quiet and "\r" not in self._line:
            self._pass_line_on()
        return self._keep(self._live.take(is_quiet=is_quiet))

    def finish(self) -> Piece | None:
        """The rest, when nothing more comes."""
        self.feed(b"", is_last=True)
        return self._keep(self._live.finish())

    def _pass_line_on(self) -> None:
        self._live.feed(_fold(self._line))
        self._line = ""

    def _keep(self, piece: Piece | None) -> Piece | None:
        if piece is not None:
            self._tail.append(piece.clean)
            self._tail_size += len(piece.clean)
            while self._tail_size - len(self._tail[0]) >= _TAIL:
                self._tail_size -= len(self._tail.popleft())
        return piece


def _fold(line: str) -> str:
    """What a terminal shows in the end of a line that was written over, as progress bars do."""
    return line.rstrip("\r").rpartition("\r")[2]


def _fold_open(line: str) -> str:
    """The same of a line that has not ended: what a last return goes back to is still seen."""
    shown = line.rstrip("\r")
    return _fold(line) + line[len(shown) :][:1] if "\r" in line else line
