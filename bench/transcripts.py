"""A long transcript beside a short one, and what its pages are asked for by."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.db import connection

from audit.models import Transcript, TranscriptEntry
from audit.transcripts import Only, read_window

__all__ = ["LONG", "SHORT", "fill", "make_transcripts", "transcript_pages"]

SHORT, LONG = 1_000, 100_000

#: One entry in 20 is a message, one in 500 an error, one in 10 an edit; calls stand before their results.
FILL = """
INSERT INTO audit_transcriptentry (id, tenant_id, transcript_id, seq, kind, native_id, role, text, tool_name,
    call_id, path, patch, is_partial, is_error, is_meta, model, message_id, attempt, data)
SELECT gen_random_uuid(), %(tenant)s, %(transcript)s, seq,
    CASE WHEN seq %% 20 = 0 THEN 'message' WHEN seq %% 10 = 5 THEN 'file_edit'
         WHEN seq %% 2 = 0 THEN 'tool_call' ELSE 'tool_result' END,
    'n' || seq, '', 'text of entry ' || seq || CASE WHEN seq %% 500 = 1 THEN ' went wrong' ELSE '' END, '',
    CASE WHEN seq %% 20 = 0 OR seq %% 10 = 5 THEN '' ELSE 'c' || seq / 2 END, '', '', false, seq %% 500 = 1,
    false, '', '', 1, '{}'
FROM generate_series(1, %(count)s) AS seq
"""


def fill(tenant_id: uuid.UUID, count: int) -> Transcript:
    """A transcript of no session, of so many entries."""
    transcript = Transcript.objects.create(
        tenant_id=tenant_id, session_kind="chat", session_id=uuid.uuid4(), next_seq=count + 1
    )
    values = {"tenant": tenant_id, "transcript": transcript.pk, "count": count}
    with connection.cursor() as cursor:
        cursor.execute(FILL, values)
    return transcript


def make_transcripts(tenant_id: uuid.UUID) -> Transcript:
    """The long one, with the short one beside it; those that are there already are used again."""
    known = Transcript.objects.filter(tenant_id=tenant_id, next_seq=LONG + 1).first()
    if known is not None:
        return known
    fill(tenant_id, SHORT)
    long = fill(tenant_id, LONG)
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM (ANALYZE) {TranscriptEntry._meta.db_table}, {Transcript._meta.db_table}")
    return long


def transcript_pages(long: Transcript) -> dict[str, Callable[[], object]]:
    """One window of each way that a page asks for them."""
    half = LONG // 2
    return {
        "transcript_first": lambda: read_window(long),
        "transcript_middle": lambda: read_window(long, after=half),
        "transcript_permalink": lambda: read_window(long, at=half + 17),
        "transcript_errors": lambda: read_window(long, only=Only.ERRORS),
        "transcript_search": lambda: read_window(long, q="wrong"),
    }
