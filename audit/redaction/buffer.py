"""Many texts as one buffer to scan, and what was found in it carried back to each of them.

A scan costs as much for ten characters as for ten thousand, and a JSON value has hundreds of small texts.
What is covered stands in the buffer as a gap that is always the same: so a text that is redacted once more
makes the same buffer as at the end of the first time, and nothing new is found in it.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from audit.redaction.findings import Finding, Redacted
from audit.redaction.known import Label, Span, merge_spans
from audit.redaction.pieces import Piece

_GAP = "\n\n \n\n"
#: How far a gap may change what is found: the longest value, and the name before it.
_REACH = 2400
_LONG_WORD = 1 << 16
_NO_WORD = re.compile(r"[\n \"]")
_CONTEXT_KEY = re.compile(r"[A-Za-z_][\w.-]{0,60}")


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of a text: free, or so many characters that are covered by a label."""

    text: str = field(repr=False)
    label: Label | None = None
    turn: int = 0
    size: int = 0


class Buffer:
    """`text` holds what is free of all pieces, each after the key that it stands under; exempt ones last."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self._stretches: dict[int, list[_Stretch]] = {}
        self._order = [index for index, piece in enumerate(pieces) if not piece.is_exempt]
        self._exempt = [index for index, piece in enumerate(pieces) if piece.is_exempt]
        self._turn = 0
        self._build()

    def _build(self) -> None:
        parts: list[str] = []
        self._starts: list[int] = []
        self._places: list[tuple[int, int]] = []
        self._fresh: list[int] = []
        prefixes = {"": "\n"}
        offset = self._rules_end = 0
        for index in (*self._order, *self._exempt):
            piece = self._pieces[index]
            if piece.is_exempt and not self._rules_end:
                self._rules_end = offset
            prefix = prefixes.get(piece.key)
            if prefix is None:
                is_name = _CONTEXT_KEY.fullmatch(piece.key)
                prefix = prefixes[piece.key] = f'\n{piece.key} = "' if is_name else "\n"
            parts.append(prefix)
            offset += len(prefix)
            if index in self._stretches:
                offset = self._add_stretches(index, offset, parts)
            else:
                self._starts.append(offset)
                self._places.append((index, 0))
                parts.append(piece.text)
                offset += len(piece.text)
            parts.append('"\n')
            offset += 2
        self.text = "".join(parts)

    def _add_stretches(self, index: int, offset: int, parts: list[str]) -> int:
        for number, stretch in enumerate(self._stretches[index]):
            if stretch.label is None:
                self._starts.append(offset)
                self._places.append((index, number))
            elif stretch.turn == self._turn:
                self._fresh.append(offset)
            part = stretch.text if stretch.label is None else _GAP
            parts.append(part)
            offset += len(part)
        return offset

    def leave_out_exempt(self) -> None:
        """From now on hold only the pieces that rules are run on."""
        if self._exempt:
            self._exempt = []
            self.text = self.text[: self._rules_end]

    def cover(self, spans: Sequence[Span]) -> bool:
        """Cover what spans of `text` say; whether there was anything of a piece in them."""
        self._turn += 1
        found: dict[tuple[int, int], list[Span]] = {}
        for span in merge_spans(list(spans)):
            for place, start, end in self._parts_of(span):
                found.setdefault(place, []).append(Span(start, end, span.label))
        # Last first: splitting a stretch moves the numbers of those behind it.
        for index, number in sorted(found, reverse=True):
            stretches = self._stretches.get(index) or [_Stretch(self._pieces[index].text)]
            split = _split(stretches[number].text, found[index, number], self._turn)
            self._stretches[index] = [*stretches[:number], *split, *stretches[number + 1 :]]
        if found:
            self._build()
        return bool(found)

    def _parts_of(self, span: Span) -> Iterator[tuple[tuple[int, int], int, int]]:
        """The parts of free stretches that a span covers; blank ones are left as they are."""
        at = max(bisect_right(self._starts, span.start) - 1, 0)
        while at < len(self._starts) and self._starts[at] < span.end:
            index, number = self._places[at]
            text = (self._stretches.get(index) or (_Stretch(self._pieces[index].text),))[number].text
            start = max(span.start - self._starts[at], 0)
            end = min(span.end - self._starts[at], len(text))
            if start < end and not text[start:end].isspace():
                yield (index, number), start, end
            at += 1

    def windows(self) -> list[tuple[int, int]]:
        """The stretches of `text` around what the last call of `cover` covered: only there it reads anew."""
        found: list[tuple[int, int]] = []
        for gap in self._fresh:
            start, end = self._wordwise(gap - _REACH, gap + len(_GAP) + _REACH)
            if found and start <= found[-1][1]:
                found[-1] = (found[-1][0], max(end, found[-1][1]))
            else:
                found.append((start, end))
        return found

    def _wordwise(self, start: int, end: int) -> tuple[int, int]:
        """A stretch made longer so that it cuts no word in two."""
        least, most = max(0, start - _LONG_WORD), min(len(self.text), end + _LONG_WORD)
        left = max(self.text.rfind(sign, least, max(start, 0)) for sign in '\n "')
        right = _NO_WORD.search(self.text, min(end, most), most)
        return max(left, least), right.start() if right is not None else most

    def results(self) -> list[Redacted]:
        """Each piece with placeholders for what is covered."""
        return [
            _assemble(self._stretches[index]) if index in self._stretches else Redacted(piece.text)
            for index, piece in enumerate(self._pieces)
        ]


def _split(text: str, spans: Sequence[Span], turn: int) -> list[_Stretch]:
    parts: list[_Stretch] = []
    at = 0
    for span in spans:
        if span.start > at:
            parts.append(_Stretch(text[at : span.start]))
        parts.append(_Stretch("", span.label, turn, span.end - span.start))
        at = span.end
    if at < len(text):
        parts.append(_Stretch(text[at:]))
    return parts


def _assemble(stretches: Sequence[_Stretch]) -> Redacted:
    parts: list[str] = []
    findings: list[Finding] = []
    at = source = 0
    for stretch in stretches:
        label = stretch.label
        part = stretch.text if label is None else label.placeholder
        source_end = source + (stretch.size or len(stretch.text))
        if label is not None and label.name:
            found = (label.name, label.is_known, at, at + len(part), "", label.digest, source, source_end)
            findings.append(Finding(*found))
        parts.append(part)
        at += len(part)
        source = source_end
    return Redacted("".join(parts), tuple(findings))
