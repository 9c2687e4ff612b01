"""The one way into a transcript: redact, store once, count."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.copying import copy_rows
from audit.entries import NewEntry, NewRecord, RunFacts, Usage
from audit.ids import clean_id, clean_ids
from audit.models import RawRecord, RedactionFinding, Transcript, TranscriptEntry
from audit.redaction import Finding, Redactor
from audit.redactors import digest_record, redactor_for, storable, warn_of_withheld
from audit.run_facts import clean_text, keep_facts, store_usages
from audit.surfacing import Surfaced
from workspace.sealing import derive_key

__all__ = ["Appended", "append_entries", "redact", "redact_value"]

BATCH = 500
#: The fields of an entry that hold text from outside; all of them are redacted, keys of JSON too.
TEXT_FIELDS = ("text", "tool_name", "path", "before", "after", "patch", "arguments", "data", "model")
#: Columns with a limit: what is longer is cut, after redaction.
LIMITS = {"tool_name": 200, "path": 1000, "model": 100}


@dataclass(frozen=True, slots=True)
class Appended:
    """What one call added: numbers of new entries, new raw records and replaced credentials.

    `first_seq` and `last_seq` are the transcript's numbers of the new entries, 0 when there are none. A
    credential that stands in an entry and in the record that it was read from counts once. `withheld` counts
    texts that could not be scanned, in the same way.
    """

    added: int
    records: int
    redactions: int
    first_seq: int
    last_seq: int
    transcript_id: uuid.UUID
    withheld: int = 0


@dataclass(slots=True)
class _Work:
    """One call: the locked transcript, the redactor, and what was met and counted so far.

    `seen` names the records that entries were handed in from, by their ids and their ordinals.
    """

    transcript: Transcript
    redactor: Redactor
    surfaced: Surfaced
    seen: set[str | int | None] = field(default_factory=set)
    redactions: int = 0
    withheld: int = 0
    now: datetime = field(default_factory=timezone.now)

    def count(self, found: Sequence[Finding], at: datetime | None, *, is_counted: bool = True) -> None:
        for finding in found:
            self.surfaced.add(finding, at or self.now, is_counted=is_counted)
        if not is_counted:
            return
        alerts = sum(finding.is_alert for finding in found)
        self.withheld += alerts
        self.redactions += len(found) - alerts

    def warn(self, found: Iterable[Finding], what: str) -> None:
        transcript = self.transcript
        where = f"{what} of {transcript.session_kind} {transcript.session_id}"
        warn_of_withheld(found, tenant_id=transcript.tenant_id, where=where)

    def clean_ids(self, values: Iterable[str]) -> dict[str, str]:
        return clean_ids(tenant_id=self.transcript.tenant_id, values=values, redactor=self.redactor)


def redact(*, tenant_id: uuid.UUID, text: str, redactor: Redactor | None = None) -> str:
    """The text as it may be stored on a row: titles, errors, prompts and reasons all pass through here.

    `redactor` is the tenant's, where a piece of work has one for all its texts.
    """
    if not text:
        return ""
    done = (redactor or redactor_for(tenant_id)).redact_text(str(storable(text)))
    warn_of_withheld(done.findings, tenant_id=tenant_id, where="a row")
    return done.text


def redact_value(*, tenant_id: uuid.UUID, value: Any, redactor: Redactor | None = None) -> Any:
    """A JSON value as it may be stored on a row, its strings and keys redacted."""
    if not value:
        return value
    clean, found = (redactor or redactor_for(tenant_id)).redact_json(storable(value))
    warn_of_withheld(found, tenant_id=tenant_id, where="a row")
    return clean


@transaction.atomic(savepoint=False)
def append_entries(
    *,
    tenant_id: uuid.UUID,
    session: tuple[str, uuid.UUID],
    entries: Iterable[NewEntry],
    first_facts: RunFacts | None = None,
    facts: RunFacts | None = None,
    usages: Iterable[Usage] = (),
    records: Iterable[NewRecord] = (),
    source: str = "",
    native_session_id: str = "",
    is_latest: bool = True,
    redactor: Redactor | None = None,
) -> Appended:
    """Add to a session's transcript what it does not have yet, redacted before it is stored.

    An entry is known by its `native_id`, a raw record by its keyed digest, a message's tokens by message id:
    handing in the same again adds nothing and writes nothing. Facts that are not the latest only fill what is
    empty, and so do `first_facts`, those of the session's beginning. The transcript's row is locked until the
    transaction ends, so two writers take turns; where this fails, all of the transaction has failed. Memory:
    one batch of 500 entries, and the names of the records that entries came from. The caller updates and
    announces its own row. `redactor` is the tenant's, where the caller has one for all its texts.
    """
    transcript = _lock_transcript(tenant_id, session)
    before = _columns_of(transcript)
    work = _Work(transcript, redactor or redactor_for(tenant_id), Surfaced(tenant_id, session))
    first_seq = transcript.next_seq
    for batch in batched(entries, BATCH):
        _store_entries(work, batch)
    added_records = sum(_store_records(work, batch) for batch in batched(records, BATCH))
    store_usages(transcript, work.redactor, usages)
    work.surfaced.save()
    transcript.redaction_count += work.redactions
    transcript.source = transcript.source or source
    if native_session_id and not transcript.native_session_id:
        transcript.native_session_id = clean_id(tenant_id, native_session_id, work.redactor)
    if first_facts is not None:
        keep_facts(transcript, work.redactor, first_facts, is_latest=False)
    if facts is not None:
        keep_facts(transcript, work.redactor, facts, is_latest=is_latest)
    if changed := [name for name, value in _columns_of(transcript).items() if value != before[name]]:
        transcript.save(update_fields=changed)
    added = transcript.next_seq - first_seq
    return Appended(
        added=added,
        records=added_records,
        redactions=work.redactions,
        first_seq=first_seq if added else 0,
        last_seq=transcript.next_seq - 1 if added else 0,
        transcript_id=transcript.pk,
        withheld=work.withheld,
    )


def _lock_transcript(tenant_id: uuid.UUID, session: tuple[str, uuid.UUID]) -> Transcript:
    key = {"tenant_id": tenant_id, "session_kind": session[0], "session_id": session[1]}
    rows = Transcript.objects.select_for_update(no_key=True).filter(**key)
    found = rows.first()
    if found is None:
        Transcript.objects.bulk_create([Transcript(**key)], ignore_conflicts=True)
        found = rows.get()
    return found


def _columns_of(transcript: Transcript) -> dict[str, Any]:
    fields = transcript._meta.concrete_fields
    return {column.name: getattr(transcript, column.attname) for column in fields if not column.primary_key}


def _store_entries(work: _Work, batch: Sequence[NewEntry]) -> None:
    transcript = work.transcript
    ids = work.clean_ids(
        value for entry in batch for value in (entry.native_id, entry.call_id, entry.message_id)
    )
    stored = TranscriptEntry.objects.filter(tenant_id=transcript.tenant_id, transcript=transcript)
    wanted = [ids[entry.native_id] for entry in batch]
    known = set(stored.filter(native_id__in=wanted).values_list("native_id", flat=True))
    findings: list[RedactionFinding] = []

    def build() -> Iterator[TranscriptEntry]:
        for entry in batch:
            native_id = ids[entry.native_id]
            work.seen.update((entry.ordinal, native_id.rpartition(":")[0]))
            if native_id in known:
                continue
            known.add(native_id)
            row, found = _build_entry(work, entry, ids)
            work.count(found, row.occurred_at)
            work.warn(found, f"entry {row.seq}")
            findings.extend(_build_findings(transcript, row, found))
            yield row

    copy_rows(TranscriptEntry, build())
    copy_rows(RedactionFinding, findings)


def _build_entry(
    work: _Work, entry: NewEntry, ids: Mapping[str, str]
) -> tuple[TranscriptEntry, list[Finding]]:
    texts = {name: storable(getattr(entry, name)) for name in TEXT_FIELDS}
    clean, found = work.redactor.redact_json(texts)
    if not isinstance(clean, dict):  # the engine gave up on the whole entry and says so in its place
        clean = {**dict.fromkeys(TEXT_FIELDS, ""), "text": str(clean), "arguments": None, "data": {}}
        clean |= {"before": None, "after": None}
    # Where nothing can be scanned the names of the fields are withheld like their values, in the same order.
    clean = dict(zip(TEXT_FIELDS, clean.values(), strict=True))
    for name, limit in LIMITS.items():
        clean[name] = clean[name][:limit]
    transcript = work.transcript
    row = TranscriptEntry(
        tenant_id=transcript.tenant_id,
        transcript=transcript,
        seq=transcript.next_seq,
        kind=entry.kind.value,
        native_id=ids[entry.native_id],
        ordinal=entry.ordinal,
        occurred_at=entry.occurred_at,
        role=entry.role,
        call_id=ids[entry.call_id],
        is_partial=entry.is_partial,
        is_error=entry.is_error,
        is_meta=entry.is_meta,
        duration_ms=entry.duration_ms,
        message_id=ids[entry.message_id],
        attempt=entry.attempt,
        **clean,
    )
    transcript.next_seq += 1
    return row, found


def _build_findings(
    transcript: Transcript, row: TranscriptEntry | None, found: Iterable[Finding], prefix: str = ""
) -> Iterator[RedactionFinding]:
    for finding in found:
        yield RedactionFinding(
            tenant_id=transcript.tenant_id,
            session_kind=transcript.session_kind,
            session_id=transcript.session_id,
            entry=row,
            field=f"{prefix}{finding.field}"[:200],
            name=finding.name[:100],
            is_known=finding.is_known,
            start=finding.start,
            end=finding.end,
            digest=finding.digest,
        )


def _store_records(work: _Work, batch: Sequence[NewRecord]) -> int:
    transcript = work.transcript
    key = derive_key("record-digest", transcript.tenant_id)
    by_digest = {digest_record(key, record.body): record for record in batch}
    stored = RawRecord.objects.filter(tenant_id=transcript.tenant_id, transcript=transcript)
    known = set(stored.filter(digest__in=by_digest).values_list("digest", flat=True))
    fresh = {digest: record for digest, record in by_digest.items() if digest not in known}
    ids = work.clean_ids(record.native_id for record in fresh.values())
    types = {name: clean_text(work.redactor, name, 60) for name in {r.record_type for r in fresh.values()}}
    findings: list[RedactionFinding] = []

    def build() -> Iterator[RawRecord]:
        for digest, record in fresh.items():
            body, found = work.redactor.redact_json(storable(record.body))
            native_id = ids[record.native_id]
            is_alone = record.ordinal not in work.seen and (not native_id or native_id not in work.seen)
            work.count(found, None, is_counted=is_alone)
            work.warn(found, f"raw record {record.ordinal}")
            findings.extend(_build_findings(transcript, None, found, f"raw/{record.ordinal}"))
            yield RawRecord(
                tenant_id=transcript.tenant_id,
                transcript=transcript,
                ordinal=record.ordinal,
                native_id=native_id,
                record_type=types[record.record_type],
                digest=digest,
                body=body,
            )

    added = copy_rows(RawRecord, build())
    copy_rows(RedactionFinding, findings)
    return added
