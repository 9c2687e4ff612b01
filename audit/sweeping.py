"""One batch of a sweep: rows looked through, those that hold a known secret written anew."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, models, transaction
from django.db.models import F
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan

from audit.models import (
    AuditEntry,
    DecisionReceipt,
    RawRecord,
    RedactionFinding,
    RenderedEntry,
    Transcript,
    TranscriptEntry,
)
from audit.redaction import Finding, Redactor
from audit.redactors import digest_record
from audit.services import record
from audit.surfacing import Surfaced
from audit.sweep_targets import Target, session_of
from audit.sweep_texts import SweptRow, scan, texts_of, was_scanned
from sessions_app.live import announce
from sessions_app.registry import get_kind
from workspace.actors import SYSTEM
from workspace.sealing import derive_key

__all__ = ["Batch", "read_batch", "write_batch"]

#: How many rows, and about how many characters of them, are in memory at once.
BATCH = 200
BATCH_CHARACTERS = 4_000_000
#: Tables of the record: that a text in them was replaced is itself on record.
ON_RECORD = (AuditEntry, DecisionReceipt)


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows that were looked at: how many, the keys of those that hold something, where to go on.

    `unscanned` are those of rows with a text that could not be looked through.
    """

    count: int
    held: tuple[uuid.UUID, ...]
    unscanned: tuple[uuid.UUID, ...]
    cursor: tuple[str, ...]


def read_batch(
    target: Target, *, tenant_id: uuid.UUID, redactor: Redactor, after: Sequence[str] | None
) -> Batch:
    """Look through the next rows of a table. Memory: one batch, whatever the table's size."""
    rows = target.rows(tenant_id).order_by(*target.order)
    if after is not None:
        rows = rows.filter(_beyond(target, after))
    columns = ("pk", *target.order, *target.fields)
    keys: list[uuid.UUID] = []
    texts: list[str] = []
    owners: list[int] = []
    size, cursor = 0, tuple(after or ())
    for values in rows.values_list(*columns)[:BATCH].iterator(chunk_size=20):
        keys.append(values[0])
        cursor = tuple(str(value) for value in values[1 : 1 + len(target.order)])
        for text in texts_of(list(values[1 + len(target.order) :])):
            if text:
                texts.append(text)
                owners.append(len(keys) - 1)
                size += len(text)
        if size > BATCH_CHARACTERS:
            break
    results = scan(redactor, texts)
    unread = {owners[at] for at, result in enumerate(results) if not was_scanned(result)}
    held = {
        owners[at] for at, result in enumerate(results) if was_scanned(result) and result.text != texts[at]
    }
    return Batch(
        len(keys), tuple(keys[at] for at in sorted(held)), tuple(keys[at] for at in sorted(unread)), cursor
    )


def _beyond(target: Target, after: Sequence[str]) -> Any:
    fields: list[Any] = [target.model._meta.get_field(name) for name in target.order]
    values = [field.to_python(text) for field, text in zip(fields, after, strict=True)]
    if len(values) == 1:
        return models.Q((f"{target.order[0]}__gt", values[0]))
    return TupleGreaterThan(Tuple(*(F(name) for name in target.order)), tuple(values))


def write_batch(
    target: Target, *, tenant_id: uuid.UUID, redactor: Redactor, keys: Iterable[uuid.UUID]
) -> tuple[int, set[uuid.UUID]]:
    """Write the rows that hold something anew, findings included. In one transaction.

    Each is read again under its lock: it may have changed since it was looked at. Returns how many were
    changed, and the keys of those with a text that could not be looked through.
    """
    changed = 0
    unscanned: set[uuid.UUID] = set()
    sessions: set[tuple[str, uuid.UUID]] = set()
    locked = target.rows(tenant_id).select_for_update(no_key=True, of=("self",)).order_by("pk")
    for row in locked.filter(pk__in=list(keys)):
        swept = _Sweeping(target, row, redactor)
        if swept.write():
            changed += 1
            if swept.session is not None:
                sessions.add(swept.session)
        if not swept.is_whole:
            unscanned.add(row.pk)
    for kind, session_id in sorted(sessions):
        _tell(tenant_id, kind, session_id)
    return changed, unscanned


def _tell(tenant_id: uuid.UUID, kind: str, session_id: uuid.UUID) -> None:
    """The session's owner brings what hangs on its texts up to date; open pages hear of the change."""
    try:
        get_kind(kind).texts_replaced(tenant_id, session_id)
    except KeyError:
        return
    announce(tenant_id=tenant_id, kind=kind, id=session_id)


class _Sweeping:
    """One locked row: its texts cleaned, its findings moved and added."""

    def __init__(self, target: Target, row: Any, redactor: Redactor) -> None:
        self.target, self.row, self.redactor = target, row, redactor
        belongs = session_of(row)
        self.is_whole = True
        self.session: tuple[str, uuid.UUID] | None = belongs[0] if belongs else None
        self.at: datetime = belongs[1] if belongs else row.created_at

    def write(self) -> bool:
        swept = SweptRow(self.redactor, self._stored())
        before = {name: getattr(self.row, name) for name in self.target.fields}
        new = {}
        for name, value in before.items():
            clean = self._cut(name, swept.clean(value, self._path(name)))
            if clean != value:
                new[name] = clean
        self.is_whole = swept.is_whole
        if not new:
            return False
        self._update(new)
        for placed in swept.moved:
            moved: Any = placed
            rows: Any = models.QuerySet(RedactionFinding).filter(pk=moved.pk)
            rows.update(field=moved.field, start=moved.start, end=moved.end)
        self._keep_findings(swept.found)
        self._keep_in_step(before, new, swept.found)
        return True

    @property
    def _prefix(self) -> str:
        """What stands before the path of a finding in this row; see `RedactionFinding`."""
        if isinstance(self.row, TranscriptEntry):
            return ""
        if isinstance(self.row, RawRecord):
            return f"raw/{self.row.ordinal}"
        return f"row/{self.row._meta.model_name}"

    def _path(self, name: str) -> str:
        is_body = isinstance(self.row, RawRecord) and name == "body"
        return self._prefix if is_body else f"{self._prefix}/{name}"

    def _stored(self) -> list[RedactionFinding]:
        rows = RedactionFinding.objects.for_tenant(self.row.tenant_id)
        if isinstance(self.row, TranscriptEntry):
            return list(rows.filter(entry=self.row))
        if self.session is None:
            return []
        kind, session_id = self.session
        mine = rows.filter(session_kind=kind, session_id=session_id, entry__isnull=True)
        return list(mine.filter(field__startswith=f"{self._prefix}/"))

    def _cut(self, name: str, value: Any) -> Any:
        limit = self.target.limit_of(name)
        return value[:limit] if limit and isinstance(value, str) else value

    def _update(self, new: dict[str, Any]) -> None:
        """Names that become the same, once what told them apart is out, are told apart by a hash."""
        rows = self.target.rows(self.row.tenant_id).filter(pk=self.row.pk)
        try:
            with transaction.atomic():
                rows.update(**new)
        except IntegrityError:
            tail = f"~{self._digest(str(self.row.pk))[:8]}"
            for name, value in new.items():
                if isinstance(value, str):
                    limit = self.target.limit_of(name) or len(value) + len(tail)
                    new[name] = value[: limit - len(tail)] + tail
            rows.update(**new)

    def _keep_findings(self, found: Sequence[Finding]) -> None:
        if self.session is None:
            return
        tenant_id, (kind, session_id) = self.row.tenant_id, self.session
        entry = self.row if isinstance(self.row, TranscriptEntry) else None
        known = RedactionFinding.objects.for_tenant(tenant_id).filter(
            session_kind=kind, session_id=session_id, entry__isnull=False
        )
        surfaced = Surfaced(tenant_id, self.session)
        for finding in found:
            is_told = isinstance(self.row, RawRecord) and not known.filter(digest=finding.digest).exists()
            surfaced.add(finding, self.at, is_counted=entry is not None or is_told)
        surfaced.save()
        RedactionFinding.objects.bulk_create(
            RedactionFinding(
                tenant_id=tenant_id,
                session_kind=kind,
                session_id=session_id,
                entry=entry,
                field=finding.field[:200],
                name=finding.name[:100],
                is_known=finding.is_known,
                start=finding.start,
                end=finding.end,
                digest=finding.digest,
            )
            for finding in found
        )

    def _keep_in_step(self, before: dict[str, Any], new: dict[str, Any], found: Sequence[Finding]) -> None:
        """What else says the same as the row: its HTML, its transcript's count, the record."""
        row = self.row
        if isinstance(row, TranscriptEntry):
            RenderedEntry.objects.for_tenant(row.tenant_id).filter(entry=row).delete()
            transcripts = Transcript.objects.for_tenant(row.tenant_id).filter(pk=row.transcript_id)
            transcripts.update(redaction_count=F("redaction_count") + len(found))
        if isinstance(row, ON_RECORD):
            record(
                tenant_id=row.tenant_id,
                actor=SYSTEM,
                action="replace_text",
                object_kind=str(row._meta.verbose_name).replace(" ", "_"),
                object_id=row.pk,
                object_title="a known secret is its name from now on",
                changes={name: (self._digest(before[name]), self._digest(new[name])) for name in new},
            )

    def _digest(self, value: Any) -> str:
        """A keyed HMAC: says which text was replaced by which without holding either."""
        return digest_record(derive_key("replaced-text", self.row.tenant_id), value)
