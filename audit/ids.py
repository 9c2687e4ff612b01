"""Ids that other tools gave: as rows hold them and as rows are looked up by them."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Iterable

from audit.redaction import Redactor
from audit.redactors import redactor_for, storable
from workspace.sealing import derive_key

__all__ = ["ID_LENGTH", "clean_id", "clean_ids"]

ID_LENGTH = 200
_HASH_LENGTH = 32


def clean_ids(
    *, tenant_id: uuid.UUID, values: Iterable[str], redactor: Redactor | None = None
) -> dict[str, str]:
    """Each id with what may be stored in its place, and looked up by; cleaning that again changes nothing.

    Known secrets are replaced by their names. Rules for credentials by shape are not run: ids are random. One
    that is too long keeps its head and a hash of the whole, keyed by the tenant.
    """
    given = list(dict.fromkeys(values))
    if not any(given):
        return dict.fromkeys(given, "")
    texts = [str(storable(value)) for value in given]
    results = (redactor or redactor_for(tenant_id)).redact_ids(texts)
    clean: dict[str, str] = {}
    for value, text, result in zip(given, texts, results, strict=True):
        clean[value] = _fit(tenant_id, result.text)
        if any(finding.is_alert for finding in result.findings):  # withheld ids must not become the same one
            clean[value] = f"{result.text}~{_hash(tenant_id, text)}"
    return clean


def clean_id(tenant_id: uuid.UUID, value: str, redactor: Redactor | None = None) -> str:
    """One id as `clean_ids` cleans it."""
    return clean_ids(tenant_id=tenant_id, values=[value], redactor=redactor)[value]


def _fit(tenant_id: uuid.UUID, text: str) -> str:
    if len(text) <= ID_LENGTH:
        return text
    return f"{text[: ID_LENGTH - _HASH_LENGTH - 1]}~{_hash(tenant_id, text)}"


def _hash(tenant_id: uuid.UUID, text: str) -> str:
    key = derive_key("id-hash", tenant_id)
    return hmac.new(key, text.encode(errors="replace"), hashlib.sha256).hexdigest()[:_HASH_LENGTH]
