"""Where each secret and each value of an unknown shape surfaced: kept as findings are, one row a session."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from uuid_utils.compat import uuid7

from audit.redaction import Finding
from sessions_app.registry import get_kind

__all__ = ["Surfaced"]

#: Each statement adds to what other transactions have counted meanwhile.
ADD = """
INSERT INTO audit_surfacing
    (id, tenant_id, session_kind, session_id, is_known, name, digest, count, first_at, last_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (tenant_id, session_kind, session_id, is_known, name, digest) DO UPDATE SET
    count = audit_surfacing.count + EXCLUDED.count,
    first_at = LEAST(audit_surfacing.first_at, EXCLUDED.first_at),
    last_at = GREATEST(audit_surfacing.last_at, EXCLUDED.last_at)
"""


@dataclass(slots=True)
class Surfaced:
    """What was found in the texts of one session while it is written; `save` adds it to what is known."""

    tenant_id: uuid.UUID
    session: tuple[str, uuid.UUID]
    _met: dict[tuple[bool, str, str], tuple[int, datetime, datetime]] = field(default_factory=dict)

    def add(self, finding: Finding, at: datetime, *, is_counted: bool = True) -> None:
        """Note one finding in a text of that time; one that repeats another text's is not counted."""
        key = (finding.is_known, finding.name[:100], finding.digest)
        count, first, last = self._met.get(key, (0, at, at))
        self._met[key] = (count + is_counted, min(first, at), max(last, at))

    def save(self) -> None:
        """Write it down, in the caller's transaction, and mark the session's row as one with redactions.

        Rows are taken in the order of their keys, so two writers wait for each other instead of blocking.
        """
        if not self._met:
            return
        kind, session_id = self.session
        rows = [
            (uuid7(), self.tenant_id, kind, session_id, *key, *met) for key, met in sorted(self._met.items())
        ]
        with connection.cursor() as cursor:
            cursor.executemany(ADD, rows)
        if any(digest for _, _, digest in self._met):
            _mark_session(self.tenant_id, kind, session_id)
        self._met.clear()


def _mark_session(tenant_id: uuid.UUID, kind: str, session_id: uuid.UUID) -> None:
    """The list is filtered by a column of the row, which is written once in a session's life."""
    try:
        model: type[Any] = get_kind(kind).model
    except KeyError:  # a transcript of no registered kind has no row in the list
        return
    rows = model._default_manager.filter(tenant_id=tenant_id, pk=session_id, has_redactions=False)
    rows.update(has_redactions=True)
