"""A text that somebody watches while it comes: given out in pieces, none of which tells a credential."""

import re
from dataclasses import dataclass, field

from audit.redaction.engine import Redactor
from audit.redaction.findings import Redacted

#: So much of a line without an end is held before it is cut where no finding stands.
_LONG_LINE = 256 << 10
#: A shorter beginning of a known secret at the end of a text that was cut off tells nothing.
_TELLING = 4
#: The next line goes on with this one as if nothing stood between them: escaped ends, soft ends of mail.
_GOES_ON = re.compile(r"[\\=]\n\Z")
#: On a line with one of these a value may have blanks in it, or signs that nobody sees.
_HAS_BLANKS = re.compile(r"[\"'`\\\x1b]|----")


@dataclass(frozen=True, slots=True)
class Piece:
    """`text` for the record, which redacts it: raw where the record finds in it alone what stands in it.

    `clean` is the same, redacted.
    """

    text: str = field(repr=False)
    clean: str


class LiveText:
    """Takes a text as it comes and gives it out in pieces.

    Put together the pieces are what the redacted whole is. Held back is what may still become part of a
    credential: the line that has not ended, or its last word where somebody waits; the beginning of a known
    secret; a private key until its end. `redactor.reach` characters stay in memory as context.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._text = ""
        self._given = 0  # so much of it was given out

    @property
    def held(self) -> int:
        """How many characters wait."""
        return len(self._text) - self._given

    def feed(self, text: str) -> None:
        self._text += text

    def take(self, *, is_quiet: bool = False) -> Piece | None:
        """What may be given out by now, None if that is nothing. When nothing comes, say `is_quiet`."""
        if not self.held:
            return None
        cut = self._find_cut(is_quiet=is_quiet)
        if cut <= self._given:
            return None
        done = self._redactor.redact_text(self._text)
        cut = self._before_findings(done, cut)
        return self._give(done, cut) if cut > self._given else None

    def finish(self) -> Piece | None:
        """The rest. Where it ends in the middle of a known secret, that beginning is left out."""
        if not self.held:
            return None
        done = self._redactor.redact_text(self._text)
        opened = max(self._redactor.known_from(self._text), self._given)
        is_found = any(found.source_end > opened for found in done.findings)
        if len(self._text) - opened >= _TELLING and not is_found:
            self._text = f"{self._text[:opened]}[cut off]"
            done = self._redactor.redact_text(self._text)
        return self._give(done, len(self._text))

    def _find_cut(self, *, is_quiet: bool) -> int:
        start = self._text.rfind("\n", 0, max(self._given - 1, 0)) + 1
        most = start + self._redactor.open_from(self._text[start:])
        cut = self._text.rfind("\n", self._given, most) + 1
        while cut > self._given and _GOES_ON.search(self._text, max(cut - 2, 0), cut):
            cut = self._text.rfind("\n", self._given, cut - 1) + 1
        if cut <= self._given and is_quiet:
            cut = self._cut_between_words(most)
        if cut <= self._given and self.held > self._redactor.reach + _LONG_LINE:
            cut = self._cut_long_line()
        return cut

    def _cut_between_words(self, most: int) -> int:
        """Behind the last word that has ended, on a line on which blanks end words."""
        line = self._text.rfind("\n") + 1
        if _HAS_BLANKS.search(self._text, line) or line > most:
            return 0
        return max(self._text.rfind(blank, max(line, self._given), most) for blank in " \t") + 1

    def _cut_long_line(self) -> int:
        cut = len(self._text) - self._redactor.reach
        space = self._text.rfind(" ", self._given, cut)
        return space + 1 if space >= 0 else cut

    def _before_findings(self, done: Redacted, cut: int) -> int:
        """The cut, or one before what was found around it; behind it, if that is too long to be held."""
        is_long = self.held > self._redactor.reach + _LONG_LINE
        for found in reversed(done.findings):
            if found.source_start < cut < found.source_end:
                cut = self._text.rfind("\n", 0, found.source_start) + 1
                if cut <= self._given and is_long:
                    cut = found.source_start if found.source_start > self._given else found.source_end
        return cut

    def _give(self, done: Redacted, cut: int) -> Piece:
        start, self._given = self._given, cut
        raw = self._text[start:cut]
        clean = _between(self._text, done, start, cut)
        alone = self._redactor.redact_text(raw).text
        self._forget()
        return Piece(raw if alone == clean else clean, clean)

    def _forget(self) -> None:
        """Drop whole lines that are too far back to say anything of what comes."""
        drop = self._text.rfind("\n", 0, max(self._given - self._redactor.reach, 0)) + 1
        drop = max(drop, self._given - 4 * self._redactor.reach)
        self._text, self._given = self._text[drop:], self._given - drop


def _between(text: str, done: Redacted, start: int, end: int) -> str:
    """What became of the text from `start` to `end`; what was found across its start is there, too."""
    if done.findings and done.findings[0].is_alert:  # withheld as a whole
        return done.text
    parts: list[str] = []
    at = start
    for found in done.findings:
        if found.source_end <= start or found.source_start >= end:
            continue
        parts += [text[at : found.source_start], done.text[found.start : found.end]]
        at = found.source_end
    return "".join([*parts, text[at:end]])
