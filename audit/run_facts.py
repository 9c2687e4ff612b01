"""What a transcript says of its run as a whole: the tokens of its messages, where and with what it ran."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Sum

from audit.entries import RunFacts, Usage
from audit.ids import clean_ids
from audit.models import MessageUsage, Transcript
from audit.redaction import Redactor
from audit.redactors import storable

__all__ = ["clean_text", "keep_facts", "store_usages"]

TOKEN_FIELDS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_CHANGING = (("model", 100), ("branch", 300), ("cwd", 1000), ("commit", 64))
#: Columns of a transcript, the fact that each holds, and its limit.
_STEADY = (
    ("origin", "origin", 20),
    ("runtime", "runtime", 50),
    ("runtime_version", "version", 50),
    ("sandbox", "sandbox", 100),
    ("profile", "profile", 100),
    ("repo", "repo", 300),
)


def clean_text(redactor: Redactor, text: str, limit: int) -> str:
    """A short text as its column holds it: redacted whole, then cut."""
    return redactor.redact_text(str(storable(text))).text[:limit] if text else ""


def store_usages(transcript: Transcript, redactor: Redactor, usages: Iterable[Usage]) -> None:
    """Keep the fullest report per message, and set the transcript's totals to the sums over messages.

    Reports have no order of their own across files, but those of one message only grow while it streams: one
    of fewer tokens is an older one. Of two as large the later one counts.
    """
    given = list(usages)
    if not given:
        return
    ids = clean_ids(
        tenant_id=transcript.tenant_id, values=[one.message_id for one in given], redactor=redactor
    )
    models = {name: clean_text(redactor, name, 100) for name in {one.model for one in given}}
    fullest: dict[str, MessageUsage] = {}
    for one in given:
        row = MessageUsage(
            tenant_id=transcript.tenant_id,
            transcript=transcript,
            message_id=ids[one.message_id],
            model=models[one.model],
            **{name: getattr(one, name) for name in TOKEN_FIELDS},
        )
        if row.message_id not in fullest or _total(row) >= _total(fullest[row.message_id]):
            fullest[row.message_id] = row
    rows = MessageUsage.objects.filter(tenant_id=transcript.tenant_id, transcript=transcript)
    stored = {row.message_id: row for row in rows.filter(message_id__in=fullest)}
    news = [row for name, row in fullest.items() if name not in stored or _is_news(row, stored[name])]
    if not news:
        return
    MessageUsage.objects.bulk_create(
        news,
        update_conflicts=True,
        unique_fields=["tenant", "transcript", "message_id"],
        update_fields=["model", *TOKEN_FIELDS],
    )
    for name, total in rows.aggregate(**{name: Sum(name) for name in TOKEN_FIELDS}).items():
        setattr(transcript, name, total)


def _total(row: MessageUsage) -> int:
    return sum(getattr(row, name) for name in TOKEN_FIELDS)


def _is_news(row: MessageUsage, stored: MessageUsage) -> bool:
    if _total(row) < _total(stored):
        return False
    return any(getattr(row, name) != getattr(stored, name) for name in ("model", *TOKEN_FIELDS))


def keep_facts(transcript: Transcript, redactor: Redactor, facts: RunFacts, *, is_latest: bool) -> None:
    """First and last of what changes inside a session; the latest word on the rest.

    Facts that are not the latest only fill what is empty.
    """
    for name, limit in _CHANGING:
        if value := clean_text(redactor, getattr(facts, name), limit):
            _keep(transcript, f"{name}_first", value, is_latest=False)
            _keep(transcript, f"{name}_last", value, is_latest=is_latest)
    for column, name, limit in _STEADY:
        if value := clean_text(redactor, getattr(facts, name), limit):
            _keep(transcript, column, value, is_latest=is_latest)


def _keep(transcript: Transcript, column: str, value: str, *, is_latest: bool) -> None:
    if is_latest or not getattr(transcript, column):
        setattr(transcript, column, value)
