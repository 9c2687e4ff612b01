"""Sealing values at rest: AES-GCM, bound to the tenant and the name that they belong to.

Keys of marks and digests are made from a key of the tenant, which is sealed like everything else: so they
mean the same however often the sealing keys are changed. See `docs/secrets.md`.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import uuid
from functools import partial

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction

from workspace.models import TenantKey

__all__ = [
    "Unsealable",
    "derive_key",
    "make_tenant_key",
    "newest_key_id",
    "present_key_ids",
    "seal",
    "seal_bytes",
    "unseal",
    "unseal_bytes",
]

NONCE_BYTES = 12

#: The key of each tenant that was asked for, once it is certain that it stays.
_tenant_keys: dict[uuid.UUID, bytes] = {}


class Unsealable(Exception):
    """No present key opens this value, or it belongs to another tenant or name."""


def seal(value: str, *, tenant_id: uuid.UUID, name: str) -> tuple[bytes, str]:
    """The sealed value and the id of the key (the newest) that sealed it."""
    return seal_bytes(value.encode(), tenant_id=tenant_id, name=name)


def unseal(sealed: bytes, *, key_id: str, tenant_id: uuid.UUID, name: str) -> str:
    """The value. Raises `Unsealable`, never with any of it in the message."""
    return unseal_bytes(sealed, key_id=key_id, tenant_id=tenant_id, name=name).decode()


def seal_bytes(value: bytes, *, tenant_id: uuid.UUID, name: str) -> tuple[bytes, str]:
    """As `seal`, for a value that is no text."""
    key = settings.SEALING_KEYS[0]
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, value, _associated(tenant_id, name)), _key_id(key)


def unseal_bytes(sealed: bytes, *, key_id: str, tenant_id: uuid.UUID, name: str) -> bytes:
    """As `unseal`, for a value that is no text."""
    for key in settings.SEALING_KEYS:
        if _key_id(key) != key_id:
            continue
        try:
            return AESGCM(key).decrypt(
                sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _associated(tenant_id, name)
            )
        except InvalidTag:
            raise Unsealable(f"{name}: the sealed value does not belong to this tenant and name") from None
    raise Unsealable(f"{name}: the key {key_id} that sealed it is not in SEALING_KEYS")


def newest_key_id() -> str:
    """The id of the key that new values are sealed with."""
    return _key_id(settings.SEALING_KEYS[0])


def present_key_ids() -> list[str]:
    """The ids of the keys that can open something, the newest first."""
    return [_key_id(key) for key in settings.SEALING_KEYS]


def derive_key(purpose: str, tenant_id: uuid.UUID) -> bytes:
    """A 32-byte key of one tenant for one purpose, always the same.

    Raises `Unsealable` where the tenant's own key cannot be opened: another one would change what marks and
    digests mean without anybody noticing.
    """
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(
        _tenant_key(tenant_id)
    )


def make_tenant_key(tenant_id: uuid.UUID) -> None:
    """Give a tenant its own key unless it has one. Of two who do it at once, the second waits."""
    sealed, key_id = seal(secrets.token_hex(32), tenant_id=tenant_id, name=TenantKey().sealed_as)
    row = TenantKey(tenant_id=tenant_id, sealed=sealed, key_id=key_id)
    TenantKey.objects.bulk_create([row], ignore_conflicts=True)


def _tenant_key(tenant_id: uuid.UUID) -> bytes:
    kept = _tenant_keys.get(tenant_id)
    if kept is not None:
        return kept
    rows = TenantKey.objects.for_tenant(tenant_id)
    row = rows.first()
    if row is None:
        make_tenant_key(tenant_id)
        row = rows.get()
    text = unseal(bytes(row.sealed), key_id=row.key_id, tenant_id=tenant_id, name=row.sealed_as)
    key = bytes.fromhex(text)
    # Whoever made it may yet roll back; then the next one makes another.
    transaction.on_commit(partial(_tenant_keys.setdefault, tenant_id, key))
    return key


def _associated(tenant_id: uuid.UUID, name: str) -> bytes:
    return f"{tenant_id}:{name}".encode()


def _key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:16]
