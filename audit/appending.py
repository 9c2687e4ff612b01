"""The one way into a transcript: redact, store once, count."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any

from django.db import transaction
from django.db.models import Sum

from audit.entries import NewEntry, NewRecord, RunFacts, Usage
from audit.models import MessageUsage, RawRecord, RedactionFinding, Transcript, TranscriptEntry
from audit.redaction import Finding, Redactor
from audit.redactors import digest_record, redactor_for, storable
from workspace.sealing import derive_key

__all__ = ["Appended", "append_entries", "redact", "redact_value"]

BATCH = 500
#: The fields of an entry that hold text from outside; all of them are redacted, keys of JSON too.
TEXT_FIELDS = ("text", "tool_name", "path", "before", "after", "patch", "arguments", "data", "model")
#: Columns with a limit: what is longer is cut, after redaction.
LIMITS = {"tool_name": 200, "path": 1000, "model": 100}
TOKEN_FIELDS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


@dataclass(frozen=True, slots=True)
class Appended:
    """What one call added: numbers of new entries, new raw records and replaced credentials.

    `first_seq` and `last_seq` are the transcript's numbers of the new entries, 0 when there are none.
    """

    added: int
    records: int
    redactions: int
    first_seq: int
    last_seq: int
    transcript_id: uuid.UUID


def redact(*, tenant_id: uuid.UUID, text: str) -> str:
    """The text as it may be stored on a row: titles, errors, prompts and reasons all pass through here."""
    return redactor_for(tenant_id).redact_text(str(storable(text))).text if text else ""


def redact_value(*, tenant_id: uuid.UUID, value: Any) -> Any:
    """A JSON value as it may be stored on a row, its strings and keys redacted."""
    return redactor_for(tenant_id).redact_json(storable(value))[0] if value else value


@transaction.atomic
def append_entries(
    *,
    tenant_id: uuid.UUID,
    session: tuple[str, uuid.UUID],
    entries: Iterable[NewEntry],
    facts: RunFacts | None = None,
    usages: Iterable[Usage] = (),
    records: Iterable[NewRecord] = (),
    source: str = "",
    native_session_id: str = "",
) -> Appended:
    """Add to a session's transcript what it does not have yet, redacted before it is stored.

    An entry is known by its `native_id`, a raw record by its keyed digest, a message's tokens by message id:
    handing in the same again adds nothing. The transcript's row is locked until the transaction ends, so two
    writers take turns. Memory: one batch of 500 entries. The caller updates and announces its own row.
    """
    transcript = _lock_transcript(tenant_id, session)
    redactor = redactor_for(tenant_id)
    first_seq = transcript.next_seq
    redactions = 0
    for batch in batched(entries, BATCH):
        redactions += _store_entries(transcript, redactor, batch)
    added_records = sum(_store_records(transcript, redactor, b) for b in batched(records, BATCH))
    _store_usages(transcript, usages)
    transcript.redaction_count += redactions
    transcript.source = transcript.source or source
    transcript.native_session_id = transcript.native_session_id or native_session_id
    if facts is not None:
        _keep_facts(transcript, redactor, facts)
    transcript.save()
    added = transcript.next_seq - first_seq
    return Appended(
        added=added,
        records=added_records,
        redactions=redactions,
        first_seq=first_seq if added else 0,
        last_seq=transcript.next_seq - 1 if added else 0,
        transcript_id=transcript.pk,
    )


def _lock_transcript(tenant_id: uuid.UUID, session: tuple[str, uuid.UUID]) -> Transcript:
    key = {"tenant_id": tenant_id, "session_kind": session[0], "session_id": session[1]}
    Transcript.objects.bulk_create([Transcript(**key)], ignore_conflicts=True)
    return Transcript.objects.select_for_update(no_key=True).get(**key)


def _store_entries(transcript: Transcript, redactor: Redactor, batch: Sequence[NewEntry]) -> int:
    known = set(
        TranscriptEntry.objects.filter(
            tenant_id=transcript.tenant_id,
            transcript=transcript,
            native_id__in=[_fit_id(entry.native_id) for entry in batch],
        ).values_list("native_id", flat=True)
    )
    rows: list[TranscriptEntry] = []
    findings: list[RedactionFinding] = []
    for entry in batch:
        native_id = _fit_id(entry.native_id)
        if native_id in known:
            continue
        known.add(native_id)
        row, found = _build_entry(transcript, redactor, entry, native_id)
        rows.append(row)
        findings.extend(_build_findings(transcript, row, found))
    TranscriptEntry.objects.bulk_create(rows)
    RedactionFinding.objects.bulk_create(findings)
    return len(findings)


def _build_entry(
    transcript: Transcript, redactor: Redactor, entry: NewEntry, native_id: str
) -> tuple[TranscriptEntry, list[Finding]]:
    texts = {name: storable(getattr(entry, name)) for name in TEXT_FIELDS}
    clean, found = redactor.redact_json(texts)
    if not isinstance(clean, dict):  # the engine gave up on the whole entry and says so in its place
        clean = {**dict.fromkeys(TEXT_FIELDS, ""), "text": str(clean), "arguments": None, "data": {}}
        clean |= {"before": None, "after": None}
    for name, limit in LIMITS.items():
        clean[name] = clean[name][:limit]
    row = TranscriptEntry(
        tenant_id=transcript.tenant_id,
        transcript=transcript,
        seq=transcript.next_seq,
        kind=entry.kind.value,
        native_id=native_id,
        ordinal=entry.ordinal,
        occurred_at=entry.occurred_at,
        role=entry.role,
        call_id=_fit_id(entry.call_id),
        is_partial=entry.is_partial,
        is_error=entry.is_error,
        is_meta=entry.is_meta,
        duration_ms=entry.duration_ms,
        message_id=_fit_id(entry.message_id),
        attempt=entry.attempt,
        **clean,
    )
    transcript.next_seq += 1
    return row, found


def _build_findings(
    transcript: Transcript, row: TranscriptEntry, found: Iterable[Finding]
) -> Iterator[RedactionFinding]:
    for finding in found:
        yield RedactionFinding(
            tenant_id=transcript.tenant_id,
            session_kind=transcript.session_kind,
            session_id=transcript.session_id,
            entry=row,
            field=finding.field[:200],
            name=finding.name[:100],
            is_known=finding.is_known,
            start=finding.start,
            end=finding.end,
            digest=finding.digest,
        )


def _store_records(transcript: Transcript, redactor: Redactor, batch: Sequence[NewRecord]) -> int:
    key = derive_key("record-digest", transcript.tenant_id)
    by_digest = {digest_record(key, record.body): record for record in batch}
    rows = RawRecord.objects.filter(tenant_id=transcript.tenant_id, transcript=transcript)
    known = set(rows.filter(digest__in=by_digest).values_list("digest", flat=True))
    fresh = [
        RawRecord(
            tenant_id=transcript.tenant_id,
            transcript=transcript,
            ordinal=record.ordinal,
            native_id=_fit_id(record.native_id),
            record_type=record.record_type[:60],
            digest=digest,
            body=redactor.redact_json(storable(record.body))[0],
        )
        for digest, record in by_digest.items()
        if digest not in known
    ]
    RawRecord.objects.bulk_create(fresh)
    return len(fresh)


def _store_usages(transcript: Transcript, usages: Iterable[Usage]) -> None:
    """Keep the last report per message and set the transcript's totals to the sum over messages."""
    last = {_fit_id(usage.message_id): usage for usage in usages}
    if not last:
        return
    MessageUsage.objects.bulk_create(
        [
            MessageUsage(
                tenant_id=transcript.tenant_id,
                transcript=transcript,
                message_id=message_id,
                model=usage.model[:100],
                **{name: getattr(usage, name) for name in TOKEN_FIELDS},
            )
            for message_id, usage in last.items()
        ],
        update_conflicts=True,
        unique_fields=["tenant", "transcript", "message_id"],
        update_fields=["model", *TOKEN_FIELDS],
    )
    rows = MessageUsage.objects.filter(tenant_id=transcript.tenant_id, transcript=transcript)
    for name, total in rows.aggregate(**{name: Sum(name) for name in TOKEN_FIELDS}).items():
        setattr(transcript, name, total)


def _keep_facts(transcript: Transcript, redactor: Redactor, facts: RunFacts) -> None:
    """First and last of what changes inside a session; the latest word on the rest."""

    def clean(text: str, limit: int) -> str:
        return redactor.redact_text(str(storable(text))).text[:limit] if text else ""

    for name, limit in (("model", 100), ("branch", 300), ("cwd", 1000), ("commit", 64)):
        if value := clean(getattr(facts, name), limit):
            first = getattr(transcript, f"{name}_first") or value
            setattr(transcript, f"{name}_first", first)
            setattr(transcript, f"{name}_last", value)
    simple: tuple[tuple[str, str, int], ...] = (
        ("origin", facts.origin, 20),
        ("runtime", facts.runtime, 50),
        ("runtime_version", facts.version, 50),
        ("sandbox", facts.sandbox, 100),
        ("profile", facts.profile, 100),
        ("repo", facts.repo, 300),
    )
    for name, text, limit in simple:
        if value := clean(text, limit):
            setattr(transcript, name, value)


def _fit_id(native_id: str, limit: int = 200) -> str:
    """An outside id as it fits its column: one that is too long keeps its head and a hash of the whole."""
    native_id = str(storable(native_id))
    if len(native_id) <= limit:
        return native_id
    return f"{native_id[: limit - 33]}~{hashlib.sha256(native_id.encode()).hexdigest()[:32]}"
