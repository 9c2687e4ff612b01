"""The files that a session has changed so far: what a decision is bound to, and what is shown of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from django.db.models import Func, Subquery, TextField, Value
from django.db.models.functions import Coalesce, Concat

from audit.diffs import Hunk, hunks_of
from audit.entries import JSON, EntryKind
from audit.models import TranscriptEntry
from audit.transcripts import find_transcript

__all__ = ["edits_seen", "show_edits"]

#: Stands between the texts of an edit when they are hashed together.
SEPARATOR = Value("\x1f", output_field=TextField())


class _Digest(Func):
    """The SHA-256 of a text, by what every server has; Django's own wants pgcrypto."""

    template = "encode(sha256(convert_to(%(expressions)s, 'UTF8')), 'hex')"
    output_field = TextField()


def edits_seen(
    tenant_id: uuid.UUID, session: tuple[str, uuid.UUID], *, afresh: str = ""
) -> list[dict[str, JSON]]:
    """Each edit in its order: {"seq", "path", "digest"}, the SHA-256 of its texts before, after and patch.

    A status line whose native id begins with `afresh` says that all edits before it are gone.
    """
    transcript = find_transcript(tenant_id, session)
    if transcript is None:
        return []
    entries = TranscriptEntry.objects.filter(tenant_id=tenant_id, transcript=transcript)
    edits = entries.filter(kind=EntryKind.FILE_EDIT.value)
    if afresh:
        lines = entries.filter(kind=EntryKind.STATUS.value, native_id__startswith=afresh)
        newest = Subquery(lines.order_by("-seq").values("seq")[:1])
        edits = edits.filter(seq__gt=Coalesce(newest, 0))
    texts = [
        part
        for name in ("before", "after", "patch")
        for part in (Coalesce(name, Value(""), output_field=TextField()), SEPARATOR)
    ]
    rows = edits.order_by("seq").values_list("seq", "path", _Digest(Concat(*texts, output_field=TextField())))
    return [{"seq": seq, "path": path, "digest": digest} for seq, path, digest in rows]


def show_edits(
    tenant_id: uuid.UUID, session: tuple[str, uuid.UUID], seqs: Sequence[int], *, lines: int
) -> Iterator[tuple[str, str]]:
    """The path and the change of these edits as text with signs, each cut after so many lines.

    What has no lines to show, a picture or an empty file, is told as it was recorded.
    """
    transcript = find_transcript(tenant_id, session)
    if transcript is None:
        return
    edits = TranscriptEntry.objects.filter(tenant_id=tenant_id, transcript=transcript, seq__in=seqs)
    for edit in edits.order_by("seq"):
        hunks = hunks_of(before=edit.before, after=edit.after, patch=edit.patch)
        shown = [line for hunk in hunks for line in _lines_of(hunk)]
        rest = len(shown) - lines
        text = "\n".join([*shown[:lines], *([f"… {rest} lines more"] if rest > 0 else [])])
        yield edit.path, text or edit.text


def _lines_of(hunk: Hunk) -> Iterator[str]:
    if hunk.header:
        yield hunk.header
    for line in hunk.lines:
        yield f"{line.sign}{line.text}"
