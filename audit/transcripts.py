"""Reading a transcript: windows of entries by sequence number, filtered and searched."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Q, QuerySet

from audit.entries import EntryKind
from audit.ids import clean_id
from audit.models import DecisionReceipt, RawRecord, Transcript, TranscriptEntry

__all__ = [
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


class Only(StrEnum):
    """The filters of a transcript page."""

    MESSAGES = "messages"
    TOOLS = "tools"
    EDITS = "edits"
    ERRORS = "errors"


CONDITIONS: dict[Only, Q] = {
    Only.MESSAGES: Q(kind=EntryKind.MESSAGE.value),
    Only.TOOLS: Q(kind__in=[EntryKind.TOOL_CALL.value, EntryKind.TOOL_RESULT.value]),
    Only.EDITS: Q(kind=EntryKind.FILE_EDIT.value),
    Only.ERRORS: Q(kind=EntryKind.ERROR.value) | Q(is_error=True),
}


@dataclass(frozen=True, slots=True)
class Window:
    """Up to `WINDOW` entries in order, the results of the calls among them, and what lies around.

    `results` maps the id of each call in the window to its result, also one that stands outside of it.
    """

    entries: Sequence[TranscriptEntry]
    results: dict[str, TranscriptEntry]
    has_older: bool
    has_newer: bool

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

    Costs an index range of `size` entries plus one look-up of results, however long the transcript is;
    with words to search for it reads until it has found a window of them.
    """
    rows = _entries(transcript)
    if only is not None:
        rows = rows.filter(CONDITIONS[only])
    for word in q.split():
        rows = rows.filter(Q(text__icontains=word) | Q(path__icontains=word) | Q(tool_name__icontains=word))
    if at is not None:
        after = (max(at, 1) - 1) // size * size if only is None and not q else at - 1
    if before is not None or (latest and at is None and after is None):
        found = list(_older(rows, before)[: size + 1])
        has_older = len(found) > size
        entries = found[:size][::-1]
        has_newer = before is not None and _has_any(rows.filter(seq__gte=before).order_by("seq"))
    else:
        found = list(rows.filter(seq__gt=after or 0).order_by("seq")[: size + 1])
        has_newer = len(found) > size
        entries = found[:size]
        has_older = bool(after) and _has_any(rows.filter(seq__lte=after).order_by("-seq"))
    return Window(entries, results_of(entries), has_older, has_newer)


def _entries(transcript: Transcript) -> QuerySet[TranscriptEntry]:
    return TranscriptEntry.objects.filter(tenant_id=transcript.tenant_id, transcript=transcript)


def _has_any(ordered: QuerySet[TranscriptEntry]) -> bool:
    """Like `exists`, which would drop the order and with it the index."""
    return bool(ordered.values_list("seq")[:1])


def _older(rows: QuerySet[TranscriptEntry], before: int | None) -> QuerySet[TranscriptEntry]:
    return (rows if before is None else rows.filter(seq__lt=before)).order_by("-seq")


def results_of(entries: Sequence[TranscriptEntry]) -> dict[str, TranscriptEntry]:
    """The first result of each call among entries of one transcript; one look-up for those elsewhere."""
    calls = {entry.call_id for entry in entries if entry.kind == EntryKind.TOOL_CALL and entry.call_id}
    results = {
        entry.call_id: entry
        for entry in reversed(entries)
        if entry.kind == EntryKind.TOOL_RESULT and entry.call_id in calls
    }
    missing = calls - results.keys()
    if missing:
        elsewhere = TranscriptEntry.objects.filter(
            tenant_id=entries[0].tenant_id,
            transcript_id=entries[0].transcript_id,
            call_id__in=missing,
            kind=EntryKind.TOOL_RESULT.value,
        )
        results |= {entry.call_id: entry for entry in elsewhere.order_by("-seq")}
    return results
