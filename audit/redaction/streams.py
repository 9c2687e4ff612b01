"""Redact a text that is too long to be held at once: the same result, in blocks."""

from collections.abc import Iterable, Iterator

from audit.redaction.engine import Redactor
from audit.redaction.findings import Finding, Redacted

BLOCK = 1 << 20


def redact_stream(redactor: Redactor, parts: Iterable[str], block: int = BLOCK) -> Iterator[Redacted]:
    """A text that comes in parts, redacted: put together it is what the whole text would be.

    However the parts are cut, the result is the same. The source places of findings count from the beginning
    of the whole text, their other places from that of their own part. Holds a few blocks in memory.
    """
    stream = _Stream(redactor, block)
    for part in parts:
        yield from stream.feed(part)
    yield stream.finish()


class _Stream:
    """What was read and not yet given out, behind as much of what was as may decide about it."""

    def __init__(self, redactor: Redactor, block: int) -> None:
        self._redactor = redactor
        self._reach = redactor.reach
        self._full = 2 * self._reach + block
        self._parts: list[str] = []
        self._size = 0
        self._given = 0  # so much of the front was given out
        self._before = 0  # so much of the whole text was dropped

    def feed(self, part: str) -> Iterator[Redacted]:
        for at in range(0, len(part), self._full):
            self._parts.append(part[at : at + self._full])
            self._size += len(self._parts[-1])
            if self._size - self._given >= self._full:
                yield self._give(is_last=False)

    def finish(self) -> Redacted:
        return self._give(is_last=True)

    def _give(self, *, is_last: bool) -> Redacted:
        text = "".join(self._parts)
        done = self._redactor.redact_text(text)
        if done.findings and done.findings[0].is_alert:  # withheld as a whole: nothing of it goes on
            found = self._moved(done.findings[0], 0)
            self._before += len(text)
            self._parts, self._size, self._given = [], 0, 0
            return Redacted(done.text, (found,))
        cut = len(text) if is_last else self._find_cut(text, done.findings)
        result = self._between(done, self._given, cut)
        keep = max(0, cut - self._reach)
        self._before += keep
        self._parts, self._size, self._given = [text[keep:]], len(text) - keep, cut - keep
        return result

    def _find_cut(self, text: str, findings: Iterable[Finding]) -> int:
        """Where enough follows for what stands before to be sure, between two words and in no finding."""
        cut = len(text) - self._reach
        space = max(text.rfind(sign, self._given, cut) for sign in " \n")
        cut = space + 1 if space >= 0 else cut
        for found in findings:
            if found.source_start < cut < found.source_end:
                cut = found.source_start if found.source_start > self._given else found.source_end
        return cut

    def _between(self, done: Redacted, start: int, end: int) -> Redacted:
        """What became of the text from `start` to `end`."""
        shift_start = shift_end = 0
        inside: list[Finding] = []
        for found in done.findings:
            grown = (found.end - found.start) - (found.source_end - found.source_start)
            if found.source_end <= start:
                shift_start += grown
            if found.source_end <= end:
                shift_end += grown
            if start < found.source_end <= end:
                inside.append(found)
        first = start + shift_start
        return Redacted(
            done.text[first : end + shift_end], tuple(self._moved(found, first) for found in inside)
        )

    def _moved(self, found: Finding, first: int) -> Finding:
        return Finding(
            found.name,
            found.is_known,
            found.start - first,
            found.end - first,
            found.field,
            found.digest,
            found.source_start + self._before,
            found.source_end + self._before,
        )
