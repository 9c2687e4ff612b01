"""Known secrets out of values that were stored before, each finding moved to where its placeholder is now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from audit.redaction import Finding, Redacted, Redactor

__all__ = ["Placed", "SweptRow", "scan", "texts_of", "was_scanned"]


class Placed(Protocol):
    """A finding that is stored, as it is read and moved here."""

    name: str
    is_known: bool
    field: str
    start: int
    end: int


def texts_of(value: Any) -> Iterator[str]:
    """All texts of a JSON value, keys and whole numbers too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from texts_of(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)


def scan(redactor: Redactor, texts: Sequence[str]) -> list[Redacted]:
    """Look for known secrets alone. What is stored is not withheld: ask `was_scanned` of each."""
    return redactor.redact_ids(texts)


def was_scanned(result: Redacted) -> bool:
    """Whether a text was looked through; one that was not stays as it is, and somebody should know."""
    return not any(finding.is_alert for finding in result.findings)


@dataclass(slots=True)
class SweptRow:
    """One row while its texts are cleaned: `found` are new findings by their field, `moved` stored ones.

    A text is cleaned between the placeholders that it holds, so each of those is found again exactly. Fields
    are named as where they were redacted first: "/arguments/command", "/data/x (key)". What cannot be looked
    through stays, and `is_whole` is False then.
    """

    redactor: Redactor
    stored: Sequence[Placed] = ()
    found: list[Finding] = field(default_factory=list)
    moved: list[Placed] = field(default_factory=list)
    is_whole: bool = True

    def clean(self, value: Any, path: str) -> Any:
        """The value without known secrets."""
        if isinstance(value, str):
            return self._text(value, path, path)
        if isinstance(value, Mapping):
            return self._object(value, path)
        if isinstance(value, list | tuple):
            return [self.clean(item, f"{path}/{index}") for index, item in enumerate(value)]
        if isinstance(value, int) and not isinstance(value, bool):
            text = self._text(str(value), path, path)
            return value if text == str(value) else text
        return value

    def _object(self, value: Mapping[str, Any], path: str) -> dict[str, Any]:
        new: dict[str, Any] = {}
        for key, item in value.items():
            before = f"{path}/{_escape(key)}"
            ((cleaned, _),) = self._scan([key])
            name, number = cleaned, 2
            while name in new:
                name, number = f"{cleaned} ({number})", number + 1
            after = f"{path}/{_escape(name)}"
            if name != key:
                self._rename(before, after)
            self._text(key, f"{after} (key)", f"{after} (key)")
            new[name] = self.clean(item, after)
        return new

    def _rename(self, before: str, after: str) -> None:
        for placed in self.stored:
            if placed.field == f"{before} (key)" or (f"{placed.field}/").startswith(f"{before}/"):
                placed.field = (after + placed.field.removeprefix(before))[:200]
                self._note(placed)

    def _text(self, text: str, path: str, known_as: str) -> str:
        """The text with each stretch between its placeholders cleaned; offsets are those of the result."""
        marks = self._marks(text, known_as)
        edges = [0, *(edge for mark in marks for edge in (mark.start, mark.end)), len(text)]
        stretches = [text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
        parts: list[str] = []
        at = 0
        for index, (cleaned, findings) in enumerate(self._scan(stretches)):
            for one in findings:
                placed = Finding(one.name, one.is_known, at + one.start, at + one.end, path, one.digest)
                self.found.append(placed)
            parts.append(cleaned)
            at += len(cleaned)
            if index < len(marks):
                mark = marks[index]
                placeholder = text[mark.start : mark.end]
                if at != mark.start:
                    mark.start, mark.end = at, at + len(placeholder)
                    self._note(mark)
                parts.append(placeholder)
                at += len(placeholder)
        return "".join(parts)

    def _scan(self, texts: Sequence[str]) -> Iterator[tuple[str, Sequence[Finding]]]:
        """Each text without known secrets, and what was found in it."""
        for text, result in zip(texts, scan(self.redactor, texts), strict=True):
            if was_scanned(result):
                yield result.text, result.findings
            else:
                self.is_whole = False
                yield text, ()

    def _marks(self, text: str, known_as: str) -> list[Placed]:
        """The stored findings whose placeholders stand in the text, in order; none overlaps another."""
        marks: list[Placed] = []
        mine = (one for one in self.stored if one.field == known_as[:200] and _is_at(one, text))
        for mark in sorted(mine, key=lambda one: one.start):
            if not marks or mark.start >= marks[-1].end:
                marks.append(mark)
        return marks

    def _note(self, placed: Placed) -> None:
        if not any(placed is one for one in self.moved):
            self.moved.append(placed)


def _is_at(placed: Placed, text: str) -> bool:
    """Whether the placeholder of a stored finding really stands where it says."""
    there = text[placed.start : placed.end]
    if placed.is_known:
        return there == f"[{placed.name}]"
    return there.startswith((f"[REDACTED:{placed.name}#", "[UNSCANNED:")) and there.endswith("]")


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
