"""Find known secrets by value, in every form that `needles` lists, all of them in one pass."""

import hashlib
import hmac
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import ahocorasick_rs

from audit.redaction.needles import MIN_LENGTH, needles

#: The first characters of needles, by which most of a text is passed over quickly.
_HEAD = 8


@dataclass(frozen=True, slots=True)
class Label:
    """What a stretch of text is replaced with, and how it is reported."""

    placeholder: str = field(repr=False)
    name: str
    is_known: bool
    digest: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text, in characters, and what it is."""

    start: int
    end: int
    label: Label


#: Secrets by name: the value, or each of those that go by the name.
type Known = Mapping[str, str | Sequence[str]]


def values_of(known: Known) -> Iterator[tuple[str, str]]:
    """Each name with each of its values."""
    for name, values in known.items():
        for value in [values] if isinstance(values, str) else values:
            yield name, value


class KnownSecrets:
    """The values to look for, by name. They live in this object alone: it cannot be pickled or printed.

    Raises ValueError, naming the name and never the value, for a value that is too short to be looked for.
    """

    def __init__(self, known: Known, mark_key: bytes) -> None:
        labels: dict[str, Label] = {}
        for name, value in values_of(known):
            if len(value) < MIN_LENGTH:
                raise ValueError(f"{name} is too short to be looked for in texts")
            digest = hmac.new(mark_key, value.strip().encode(), hashlib.sha256).hexdigest()
            label = Label(f"[{name}]", name, True, digest)
            labels.update(dict.fromkeys(needles(value), label))
        self._labels = list(labels.values())
        self._needles = sorted(labels)
        self._heads = frozenset(needle[:_HEAD] for needle in labels)
        self.longest = max(map(len, labels), default=0)
        self._machine = ahocorasick_rs.AhoCorasick(list(labels), store_patterns=False) if labels else None

    def __reduce__(self) -> str:
        raise TypeError("known secrets stay in the process that was given them")

    def __repr__(self) -> str:
        return "<KnownSecrets>"

    def find(self, text: str) -> list[Span]:
        """Where known secrets stand. Stretches that overlap are one, named by the longest in it."""
        if self._machine is None:
            return []
        matches = self._machine.find_matches_as_indexes(text, overlapping=True)
        return merge_spans([Span(start, end, self._labels[index]) for index, start, end in matches])

    def open_from(self, text: str) -> int:
        """Where the longest end of the text is that a known secret begins with, its length if none does."""
        for start in range(max(0, len(text) - self.longest + 1), len(text)):
            head = text[start : start + _HEAD]
            if (len(head) < _HEAD or head in self._heads) and self._begins_with(text[start:]):
                return start
        return len(text)

    def _begins_with(self, text: str) -> bool:
        at = bisect_left(self._needles, text)
        at += at < len(self._needles) and self._needles[at] == text  # whole, so it has not just begun
        return at < len(self._needles) and self._needles[at].startswith(text)


def merge_spans(spans: list[Span]) -> list[Span]:
    """The union of the spans, in order: where some overlap, nothing of any of them stays."""
    merged: list[Span] = []
    longest = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if not merged or span.start >= merged[-1].end:
            merged.append(span)
            longest = span.end - span.start
            continue
        last = merged[-1]
        label = last.label
        if span.end - span.start > longest:
            longest, label = span.end - span.start, span.label
        merged[-1] = Span(last.start, max(last.end, span.end), label)
    return merged
