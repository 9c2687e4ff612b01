"""A tenant's redactor: the engine with the tenant's known secrets and its own key for marks and digests."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from typing import Any

from audit.redaction import Redactor
from workspace.models import Secret
from workspace.sealing import derive_key, unseal

__all__ = ["digest_record", "redactor_for", "storable"]


def redactor_for(tenant_id: uuid.UUID) -> Redactor:
    """A fresh redactor, made for one piece of work and dropped after it: no needle outlives or crosses it."""
    known = {
        secret.name: unseal(bytes(secret.sealed), key_id=secret.key_id, tenant_id=tenant_id, name=secret.name)
        for secret in Secret.objects.for_tenant(tenant_id)
    }
    return Redactor(known=known, mark_key=derive_key("redaction-mark", tenant_id))


def digest_record(key: bytes, body: Any) -> str:
    """A keyed HMAC of a decoded record: says "the same record again" without telling what it holds."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, canonical.encode(), hashlib.sha256).hexdigest()


def storable(value: Any) -> Any:
    """The same JSON value with what PostgreSQL cannot hold made visible: NUL as ␀, half a surrogate as �."""
    if isinstance(value, str):
        if "\x00" in value:
            value = value.replace("\x00", "\u2400")
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode(errors="replace").decode()
        return value
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    return value
