"""The end of a transcript, for whoever looks at a session without opening it."""

from __future__ import annotations

import uuid
from datetime import UTC

from django.db.models import QuerySet

from audit.entries import EntryKind
from audit.models import Transcript, TranscriptEntry
from audit.presenting import argument_line
from audit.transcripts import find_transcript, receipts_of
from sessions_app.kinds import Evidence, Peek

__all__ = ["decision_on", "last_output", "newest_lines", "open_call"]

#: How much of one entry is shown, and how many calls may be open at once and still be found.
MOST_CHARACTERS = 4_000
MOST_OPEN = 20

#: The kinds of entries that hold what is said or printed.
SAYING = {EntryKind.MESSAGE.value, EntryKind.TOOL_RESULT.value}
TITLES = {EntryKind.MESSAGE: "Last message", EntryKind.ERROR: "Error", EntryKind.STATUS: "Last event"}


def last_output(tenant_id: uuid.UUID, session: tuple[str, uuid.UUID]) -> Peek | None:
    """The newest message of the agent, error or event; None where there is none.

    Costs one look into an index for each of the three, however long the transcript is.
    """
    transcript = find_transcript(tenant_id, session)
    if transcript is None:
        return None
    first, *others = (_newest(transcript, kind) for kind in TITLES)
    entry = first.union(*others, all=True).order_by("-seq").first()
    if entry is None:
        return None
    is_cut = len(entry.text) > MOST_CHARACTERS
    text = entry.text[:MOST_CHARACTERS].rstrip() + " …" if is_cut else entry.text
    return Peek(TITLES[EntryKind(entry.kind)], text, entry.occurred_at or entry.created_at)


def newest_lines(tenant_id: uuid.UUID, session: tuple[str, uuid.UUID], *, since: int, count: int) -> str:
    """The last lines of what was said or printed at or after entry `since`; "" where nothing was.

    Reads a few entries, however many there are.
    """
    transcript = find_transcript(tenant_id, session)
    if transcript is None:
        return ""
    entries = _entries(transcript).filter(seq__gte=since).order_by("-seq")
    newest = entries.values_list("kind", "text")[:MOST_OPEN]
    texts = [text for kind, text in newest if kind in SAYING and text.strip()]
    lines = "\n".join(text[-MOST_CHARACTERS:].rstrip("\n") for text in reversed(texts)).splitlines()
    return "\n".join(lines[-count:])


def open_call(tenant_id: uuid.UUID, session: tuple[str, uuid.UUID]) -> list[Evidence]:
    """The newest tool call that has no result yet, and since when it is open."""
    transcript = find_transcript(tenant_id, session)
    if transcript is None:
        return []
    entries = _entries(transcript)
    calls = list(entries.filter(kind=EntryKind.TOOL_CALL.value).order_by("-seq")[:MOST_OPEN])
    asked = {call.call_id for call in calls}
    results = entries.filter(call_id__in=asked, kind=EntryKind.TOOL_RESULT.value, is_partial=False)
    answered = set(results.values_list("call_id", flat=True))
    found = next((call for call in calls if call.call_id and call.call_id not in answered), None)
    if found is None:
        return []
    words = f"{found.tool_name} {argument_line(found.arguments)}".strip()
    return [Evidence("Open tool call", f"{words[:200]}, since", found.occurred_at or found.created_at)]


def decision_on(tenant_id: uuid.UUID, session: tuple[str, uuid.UUID], version: int) -> str:
    """Who decided what on the session as it stood in this version, and when; "" if nobody did."""
    receipt = receipts_of(tenant_id, session).filter(seen__version=version).first()
    if receipt is None:
        return ""
    by = f" by {receipt.decided_by.display_name}" if receipt.decided_by else ""
    at = f"{receipt.created_at.astimezone(UTC):%-d %b %Y, %H:%M} UTC"
    return f"This was decided already: {receipt.outcome}{by}, {at}."


def _newest(transcript: Transcript, kind: EntryKind) -> QuerySet[TranscriptEntry]:
    said = _entries(transcript).filter(kind=kind.value, is_meta=False).exclude(role="user").exclude(text="")
    return said.order_by("-seq")[:1]


def _entries(transcript: Transcript) -> QuerySet[TranscriptEntry]:
    return TranscriptEntry.objects.filter(tenant_id=transcript.tenant_id, transcript=transcript)
