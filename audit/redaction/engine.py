"""The redactor: credentials out of texts and JSON values, their names in. See `docs/redaction.md`."""

import base64
import hashlib
import hmac
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from audit.redaction.buffer import Buffer
from audit.redaction.detector import DETECTOR, Detector, Hit
from audit.redaction.findings import Finding, Redacted
from audit.redaction.known import Known, KnownSecrets, Label, Span, values_of
from audit.redaction.pieces import Piece, TooDeepError, put_together, take_apart
from audit.redaction.places import open_key_from

MAX_TEXT = 32 << 20
#: The longest that rules look at, a private key, and the names before and behind.
REACH = 40 << 10
_BATCH = 4 << 20
_ROUNDS = 6
_REASONS = "failed|timed out|too large|too deep|did not settle"
_PLACEHOLDER = re.compile(
    rf"\[(?:UNSCANNED: (?:{_REASONS}), \d{{1,12}} bytes"
    r"|REDACTED:(?P<rule>[\w.-]{1,80})#[a-z2-7]{4}|(?P<name>[A-Za-z_][\w.-]{0,99}))\]"
)
_HALF = re.compile("[\ud800-\udfff]")


class _UnsettledError(Exception):
    """Each look at a text found more: no result can be trusted."""


class Redactor:
    """Takes credentials out of texts: known ones by value, others by their shape.

    `known` maps names to values, one or several; one of fewer than 8 characters raises ValueError. Marks and
    digests are keyed by `mark_key`, so they mean something only to those who have it. One redactor serves one
    tenant and one piece of work; afterwards it never raises: what cannot be scanned is withheld.
    """

    def __init__(self, known: Known, mark_key: bytes, detector: Detector = DETECTOR) -> None:
        self._known = KnownSecrets(known, mark_key)
        self._names = frozenset(known)
        self._has_numbers = any(value.strip().isdigit() for _, value in values_of(known))
        self._mark_key = mark_key
        self._detector = detector

    @property
    def reach(self) -> int:
        """How many characters of a text, on either side, may decide what is replaced at a place of it."""
        return max(REACH, 2 * self._known.longest)

    def open_from(self, text: str) -> int:
        """Where the first stretch begins that what follows the text may make a credential of many lines.

        That is the end of the text that a known secret begins with, or a private key without its end; the
        text's length if there is neither. What credentials there are besides stand on one line.
        """
        return min(self._known.open_from(text), open_key_from(text))

    def known_from(self, text: str) -> int:
        """Where the end of the text stands that a known secret begins with, its length if none does."""
        return self._known.open_from(text)

    def redact_text(self, text: str, field: str = "") -> Redacted:
        """The text as it may be stored. Redacting it once more changes nothing."""
        findings: list[Finding] = []
        return Redacted(
            put_together(text, self._redact([Piece(text)]), False, field, findings), tuple(findings)
        )

    def redact_ids(self, ids: Sequence[str]) -> list[Redacted]:
        """Ids of other tools as they may be stored, in the order given: rules are not run on them, since ids
        are random by design, but known secrets are looked for."""
        return list(self._redact([Piece(one, is_exempt=True) for one in ids]))

    def redact_json(self, value: Any, field: str = "") -> tuple[Any, list[Finding]]:
        """A decoded JSON value with all its texts redacted, keys too; the same object if nothing is replaced.

        One that is nested too deeply comes back as one text that says that it was withheld.
        """
        findings: list[Finding] = []
        try:
            pieces, is_json = take_apart(value, self._has_numbers)
        except (TooDeepError, RecursionError):
            withheld = _withheld("too deep", "")
            return put_together("", iter([withheld]), False, field, findings), findings
        results = list(self._redact(pieces))
        if is_json and all(done.text is piece.text for done, piece in zip(results, pieces, strict=True)):
            return value, findings
        return put_together(value, iter(results), self._has_numbers, field, findings), findings

    def _redact(self, pieces: Sequence[Piece]) -> Iterator[Redacted]:
        for batch in _batches(pieces):
            yield from self._attempt(batch)

    def _attempt(self, batch: Sequence[Piece]) -> Iterable[Redacted]:
        """Redact a batch. If it fails, each piece alone; what fails alone is withheld."""
        if len(batch[0].text) > MAX_TEXT:  # it stands alone
            return [_withheld("too large", batch[0].text)]
        try:
            return self._redact_batch(batch)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of native code is no Exception
            if isinstance(error, UnicodeEncodeError) and (whole := _without_halves(batch)) != batch:
                return self._attempt(whole)
            if len(batch) > 1:
                return [result for piece in batch for result in self._attempt([piece])]
            return [_withheld(_reason(error), batch[0].text)]

    def _redact_batch(self, batch: Sequence[Piece]) -> list[Redacted]:
        buffer = Buffer(batch)
        buffer.cover(list(self._own_placeholders(buffer.text)))
        buffer.cover(self._known.find(buffer.text))
        buffer.leave_out_exempt()
        windows = [(0, len(buffer.text))]
        for _ in range(_ROUNDS):
            if not buffer.cover([span for window in windows for span in self._look(buffer.text, *window)]):
                return buffer.results()
            windows = buffer.windows()
        raise _UnsettledError

    def _look(self, text: str, start: int, end: int) -> Iterator[Span]:
        """What the rules find in a stretch of a text. What its ends may have cut was found before."""
        stretch = text[start:end] if (start, end) != (0, len(text)) else text
        data = stretch.encode()
        hits = self._detector.find(data)
        places = _characters(data, {offset for hit in hits for offset in (hit.start, hit.end)})
        for hit in hits:
            is_cut = (start and not hit.start) or (end < len(text) and hit.end >= len(data))
            if not is_cut:
                yield Span(start + places[hit.start], start + places[hit.end], self._label(hit))

    def _label(self, hit: Hit) -> Label:
        digest = hmac.new(self._mark_key, hit.value.encode("utf-8", "replace"), hashlib.sha256).digest()
        mark = base64.b32encode(digest)[:4].decode().lower()
        return Label(f"[REDACTED:{hit.rule}#{mark}]", hit.rule, False, digest.hex())

    def _own_placeholders(self, text: str) -> Iterator[Span]:
        """Where a text was redacted before. Only rules and names that exist count, lest it hide things."""
        for found in _PLACEHOLDER.finditer(text):
            rule, name = found.groups()
            if name in self._names if name else rule is None or rule in self._detector.rule_names():
                yield Span(*found.span(), Label(found[0], "", False, ""))


def _batches(pieces: Sequence[Piece]) -> Iterator[Sequence[Piece]]:
    """Pieces that are scanned at once, in order; one that is too large stands alone."""
    if sum([len(piece.text) for piece in pieces]) <= _BATCH:
        yield from [pieces] if pieces else []
        return
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        if batch and size + len(piece.text) > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += len(piece.text)
    if batch:
        yield batch


def _characters(data: bytes, offsets: Collection[int]) -> dict[int, int]:
    """The place in characters of each place in bytes of a text in UTF-8."""
    if data.isascii():
        return {offset: offset for offset in offsets}
    found: dict[int, int] = {}
    before = characters = 0
    for offset in sorted(offsets):
        characters += len(data[before:offset].decode("utf-8", "ignore"))
        found[offset], before = characters, offset
    return found


def _without_halves(batch: Sequence[Piece]) -> list[Piece]:
    """The pieces with each half of a surrogate pair as �: texts that were cut have such."""
    return [replace(piece, text=_HALF.sub("\ufffd", piece.text)) for piece in batch]


def _withheld(reason: str, text: str) -> Redacted:
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    stands = f"[UNSCANNED: {reason}, {size} bytes]"
    finding = Finding(f"unscanned: {reason}", False, 0, len(stands), "", "", 0, len(text))
    return Redacted(stands, (finding,))


def _reason(error: BaseException) -> str:
    if isinstance(error, _UnsettledError):
        return "did not settle"
    return "timed out" if isinstance(error, TimeoutError) else "failed"
