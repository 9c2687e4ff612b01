"""Reading a transcript: windows of entries by sequence number, filtered and searched."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import StrIndex, Upper
from django.db.models.lookups import GreaterThan

from audit.entries import EntryKind
from audit.ids import clean_id
from audit.models import DecisionReceipt, RawRecord, Transcript, TranscriptEntry

__all__ = [
    "SEARCH_REACH",
    "WINDOW",
    "Only",
    "Window",
    "find_call",
    "find_entry",
    "find_transcript",
    "raw_record_of",
    "read_window",
    "receipts_of",
    "results_of",
    "seq_of",
]

#: How many entries one page of a transcript shows.
WINDOW = 50

#: How many entries one search looks through: no index holds their words, which would cost each write of one.
SEARCH_REACH = 10_000


class Only(StrEnum):
    """The filters of a transcript page."""

    MESSAGES = "messages"
    TOOLS = "tools"
    EDITS = "edits"
    ERRORS = "errors"


#: Each filter as conditions that one index answers in the order of the entries; together they are the filter.
CONDITIONS: dict[Only, tuple[Q, ...]] = {
    Only.MESSAGES: (Q(kind=EntryKind.MESSAGE.value),),
    Only.TOOLS: (Q(kind=EntryKind.TOOL_CALL.value), Q(kind=EntryKind.TOOL_RESULT.value)),
    Only.EDITS: (Q(kind=EntryKind.FILE_EDIT.value),),
    Only.ERRORS: (Q(kind=EntryKind.ERROR.value) | Q(is_error=True),),
}


@dataclass(frozen=True, slots=True)
class Window:
    """Up to `WINDOW` entries in order, the results of the calls among them, and what lies around.

    `results` maps the id of each call in the window to its result (see `results_of`).
    `older_from` and `newer_from` are the numbers that the windows beside it end before and begin after, None
    where there is none. `searched` are the first and last number that were looked through for words,
    None if a window was full before, or the transcript at its end.
    """

    entries: Sequence[TranscriptEntry]
    results: dict[str, list[TranscriptEntry]]
    older_from: int | None
    newer_from: int | None
    searched: tuple[int, int] | None = None

    @property
    def has_older(self) -> bool:
        return self.older_from is not None

    @property
    def has_newer(self) -> bool:
        return self.newer_from is not None

    @property
    def first_seq(self) -> int:
        return self.entries[0].seq if self.entries else 0

    @property
    def last_seq(self) -> int:
        return self.entries[-1].seq if self.entries else 0


def find_transcript(tenant_id: uuid.UUID, session: tuple[str, uuid.UUID]) -> Transcript | None:
    return (
        Transcript.objects.for_tenant(tenant_id)
        .filter(session_kind=session[0], session_id=session[1])
        .first()
    )


def find_entry(transcript: Transcript, seq: int) -> TranscriptEntry:
    """Raises TranscriptEntry.DoesNotExist."""
    return _entries(transcript).get(seq=seq)


def seq_of(tenant_id: uuid.UUID, entry_id: uuid.UUID) -> int | None:
    """The number of an entry in its transcript, None if there is no such entry."""
    rows = TranscriptEntry.objects.for_tenant(tenant_id).filter(pk=entry_id)
    return rows.values_list("seq", flat=True).first()


def find_call(
    tenant_id: uuid.UUID, session: tuple[str, uuid.UUID], call_id: str
) -> tuple[TranscriptEntry | None, TranscriptEntry | None]:
    """A tool call of a session's transcript and its result, each None where there is none.

    `call_id` may be as the source gives it or as it is stored.
    """
    transcript = find_transcript(tenant_id, session)
    if transcript is None or not call_id:
        return None, None
    kinds = [EntryKind.TOOL_CALL.value, EntryKind.TOOL_RESULT.value]
    stored = clean_id(tenant_id, call_id)
    entries = list(_entries(transcript).filter(call_id=stored, kind__in=kinds).order_by("seq"))
    call = next((entry for entry in entries if entry.kind == EntryKind.TOOL_CALL), None)
    return call, next((entry for entry in entries if entry.kind == EntryKind.TOOL_RESULT), None)


def raw_record_of(entry: TranscriptEntry) -> RawRecord | None:
    """The redacted record that the entry was read from, where its source had one.

    The entry's native id begins with that of its record. Ordinals tell records of one file apart, and a
    transcript may come from several: they decide only between records of the same id or of none.
    """
    rows = RawRecord.objects.filter(tenant_id=entry.tenant_id, transcript_id=entry.transcript_id)
    record_id = entry.native_id.rpartition(":")[0]
    if record_id:
        named = list(rows.filter(native_id=record_id).order_by("created_at", "id"))
        same_place = (record for record in named if record.ordinal == entry.ordinal)
        if named:
            return next(same_place, named[0])
    if entry.ordinal is None:
        return None
    return rows.filter(native_id="", ordinal=entry.ordinal).order_by("created_at", "id").first()


def receipts_of(tenant_id: uuid.UUID, session: tuple[str, uuid.UUID]) -> QuerySet[DecisionReceipt]:
    """The decisions on a session, the oldest first, with who took them."""
    rows = DecisionReceipt.objects.for_tenant(tenant_id).select_related("decided_by")
    return rows.filter(session_kind=session[0], session_id=session[1]).order_by("created_at")


def read_window(
    transcript: Transcript,
    *,
    at: int | None = None,
    before: int | None = None,
    after: int | None = None,
    latest: bool = False,
    only: Only | None = None,
    q: str = "",
    size: int = WINDOW,
) -> Window:
    """One window: around the page that holds entry `at`, before or after a number, the latest, or the first.

    Costs index ranges of `size` entries plus one look-up of results, however long the transcript is; a search
    looks through `SEARCH_REACH` entries at most.
    """
    look = _Look(transcript, only, tuple(q.split()), size)
    if at is not None:
        after = (max(at, 1) - 1) // size * size if only is None and not q else at - 1
    if before is not None or (latest and at is None and after is None):
        end = transcript.next_seq if before is None else min(before, transcript.next_seq)
        found, edge = look.back(end)
        entries = found[:size][::-1]
        older = found[size - 1].seq if len(found) > size else edge
        newer = end - 1 if before is not None and look.has_any(end - 1, forward=True) else None
        searched = (edge, end - 1) if edge is not None and len(found) <= size else None
    else:
        start = after or 0
        found, edge = look.on(start)
        entries = found[:size]
        newer = entries[-1].seq if len(found) > size else edge
        older = start + 1 if start and look.has_any(start + 1, forward=False) else None
        searched = (start + 1, edge) if edge is not None and len(found) <= size else None
    return Window(entries, results_of(entries), older, newer, searched)


@dataclass(frozen=True, slots=True)
class _Look:
    """What is looked for in a transcript, and by how many."""

    transcript: Transcript
    only: Only | None
    words: tuple[str, ...]
    size: int

    def on(self, start: int) -> tuple[list[TranscriptEntry], int | None]:
        """One more than a window of what comes after `start`, and where a search was cut off."""
        edge = start + SEARCH_REACH
        if not self.words or edge >= self.transcript.next_seq - 1:
            return self._take(Q(seq__gt=start), "seq", self.size + 1), None
        return self._take(Q(seq__gt=start, seq__lte=edge), "seq", self.size + 1), edge

    def back(self, end: int) -> tuple[list[TranscriptEntry], int | None]:
        """The same of what comes before `end`, the last first."""
        edge = end - SEARCH_REACH
        if not self.words or edge <= 1:
            return self._take(Q(seq__lt=end), "-seq", self.size + 1), None
        return self._take(Q(seq__lt=end, seq__gte=edge), "-seq", self.size + 1), edge

    def has_any(self, beside: int, *, forward: bool) -> bool:
        """Whether there is anything beyond the number, or more than one search can tell."""
        one = _Look(self.transcript, self.only, self.words, 0)
        found, edge = one.on(beside) if forward else one.back(beside)
        return bool(found) or edge is not None

    def _take(self, where: Q, order: str, limit: int) -> list[TranscriptEntry]:
        """Each part of the filter in its order, merged: their index ranges cannot be one."""
        rows = _entries(self.transcript).filter(where)
        for word in self.words:
            rows = rows.filter(_holds(word))
        parts = CONDITIONS[self.only] if self.only else (Q(),)
        found = [entry for part in parts for entry in rows.filter(part).order_by(order)[:limit]]
        if len(parts) > 1:
            found.sort(key=lambda entry: entry.seq, reverse=order.startswith("-"))
        return found[:limit]


def _holds(word: str) -> Q:
    """The word in any case, in the text, the path or the tool's name.

    Said as the place where it stands, which PostgreSQL takes for common: as a pattern it would take the word
    for rare, and read all that a search may look through before putting it in order.
    """
    named = Upper(Value(word))
    places = (StrIndex(Upper(column), named) for column in ("text", "path", "tool_name"))
    return reduce(or_, (Q(GreaterThan(place, 0)) for place in places))


def _entries(transcript: Transcript) -> QuerySet[TranscriptEntry]:
    return TranscriptEntry.objects.filter(tenant_id=transcript.tenant_id, transcript=transcript)


def results_of(
    entries: Sequence[TranscriptEntry], *, whole: bool = False
) -> dict[str, list[TranscriptEntry]]:
    """The result of each call among entries of one transcript: its pieces, if it came in some, and its end.

    A source that repeats a result has its first one. Of pieces only those among the entries, and the first,
    are there, unless `whole`. At most two look-ups for what stands elsewhere.
    """
    calls = {entry.call_id for entry in entries if entry.kind == EntryKind.TOOL_CALL and entry.call_id}
    results: dict[str, list[TranscriptEntry]] = {}
    _add_pieces(results, (entry for entry in entries if entry.call_id in calls))
    if open_ := {call for call in calls if not _has_ended(results.get(call))}:
        elsewhere = TranscriptEntry.objects.filter(
            tenant_id=entries[0].tenant_id,
            transcript_id=entries[0].transcript_id,
            kind=EntryKind.TOOL_RESULT.value,
        )
        if whole:
            _add_pieces(results, elsewhere.filter(call_id__in=open_).order_by("seq"))
            return results
        first = elsewhere.order_by("call_id", "seq").distinct("call_id")
        _add_pieces(results, first.filter(call_id__in=open_ - results.keys()))
        if open_ := {call for call in open_ & results.keys() if not _has_ended(results[call])}:
            _add_pieces(results, first.filter(call_id__in=open_, is_partial=False))
    return results


def _add_pieces(results: dict[str, list[TranscriptEntry]], entries: Iterable[TranscriptEntry]) -> None:
    for entry in entries:
        pieces = results.setdefault(entry.call_id, []) if entry.kind == EntryKind.TOOL_RESULT else None
        if pieces is not None and not _has_ended(pieces):
            pieces.append(entry)


def _has_ended(pieces: Sequence[TranscriptEntry] | None) -> bool:
    return pieces is not None and bool(pieces) and not pieces[-1].is_partial
