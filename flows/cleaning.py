"""Text and JSON as a flow's rows may hold them: every credential replaced before anything is written."""

from __future__ import annotations

import uuid
from typing import Any

from audit.entries import JSON
from audit.redactors import redactor_for, storable
from audit.services import redact

__all__ = ["clean_json", "clean_text"]


def clean_text(tenant_id: uuid.UUID, text: str) -> str:
    return redact(tenant_id=tenant_id, text=text)


def clean_json(tenant_id: uuid.UUID, value: JSON) -> JSON:
    """The same value with its strings redacted, keys too. A text says so where the engine had to give up."""
    clean: Any = redactor_for(tenant_id).redact_json(storable(value))[0]
    return clean  # type: ignore[no-any-return]
