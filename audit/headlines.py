"""The short texts of a session's row: redacted, on one line, and no longer than their column."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from audit.redaction import Redactor
from audit.services import redact, redact_value
from sessions_app.kinds import Evidence, write_evidence

__all__ = ["HEADLINE_LENGTH", "TITLE_LENGTH", "make_evidence", "make_headline", "make_title"]

TITLE_LENGTH = 300
HEADLINE_LENGTH = 500


def make_title(tenant_id: uuid.UUID, text: str, redactor: Redactor | None = None) -> str:
    """A title as a row holds it; "Untitled" where the text says nothing."""
    clean = redact(tenant_id=tenant_id, text=text, redactor=redactor)
    return " ".join(clean.split())[:TITLE_LENGTH].strip() or "Untitled"


def make_headline(tenant_id: uuid.UUID, text: str, redactor: Redactor | None = None) -> str:
    """The first line of an error or a reason that says anything. The whole is redacted before it is cut."""
    clean = redact(tenant_id=tenant_id, text=text, redactor=redactor)
    lines = (line.strip() for line in clean.splitlines())
    return next((line for line in lines if line), "")[:HEADLINE_LENGTH]


def make_evidence(
    tenant_id: uuid.UUID, evidence: Iterable[Evidence], redactor: Redactor | None = None
) -> Any:
    """Evidence as a row stores it, redacted: it may quote what another tool has written."""
    return redact_value(tenant_id=tenant_id, value=write_evidence(evidence), redactor=redactor)
