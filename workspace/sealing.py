"""Sealing values at rest: AES-GCM, bound to the tenant and the name that they belong to."""

from __future__ import annotations

import hashlib
import os
import uuid

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

__all__ = ["Unsealable", "derive_key", "seal", "unseal"]

NONCE_BYTES = 12


class Unsealable(Exception):
    """No present key opens this value, or it belongs to another tenant or name."""


def seal(value: str, *, tenant_id: uuid.UUID, name: str) -> tuple[bytes, str]:
    """The sealed value and the id of the key (the newest) that sealed it."""
    key = settings.SEALING_KEYS[0]
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, value.encode(), _associated(tenant_id, name)), _key_id(key)


def unseal(sealed: bytes, *, key_id: str, tenant_id: uuid.UUID, name: str) -> str:
    """The value. Raises `Unsealable`, never with any of it in the message."""
    for key in settings.SEALING_KEYS:
        if _key_id(key) != key_id:
            continue
        try:
            opened = AESGCM(key).decrypt(
                sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _associated(tenant_id, name)
            )
        except InvalidTag:
            raise Unsealable(f"{name}: the sealed value does not belong to this tenant and name") from None
        return opened.decode()
    raise Unsealable(f"{name}: the key {key_id} that sealed it is not in SEALING_KEYS")


def derive_key(purpose: str, tenant_id: uuid.UUID) -> bytes:
    """A 32-byte key of one tenant for one purpose, from the oldest sealing key so that rotation keeps it."""
    info = f"{purpose}:{tenant_id}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(settings.SEALING_KEYS[-1])


def _associated(tenant_id: uuid.UUID, name: str) -> bytes:
    return f"{tenant_id}:{name}".encode()


def _key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:16]
