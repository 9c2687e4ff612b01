"""The keys of this installation: from the environment, else made once and kept in the data folder."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

SEALING_KEY_BYTES = 32


def read_secret_key(data_dir: Path) -> str:
    """SECRET_KEY, else the content of ``keys/secret_key``."""
    return os.environ.get("SECRET_KEY") or keep_key(
        data_dir / "keys" / "secret_key", lambda: secrets.token_urlsafe(64)
    )


def read_sealing_keys(data_dir: Path) -> list[bytes]:
    """SEALING_KEYS, else the lines of ``keys/sealing_keys``: 32 bytes each in base64, the newest first.

    New values are sealed with the first; the others only open what was sealed before they were replaced.
    """
    text = os.environ.get("SEALING_KEYS") or keep_key(data_dir / "keys" / "sealing_keys", make_sealing_key)
    keys = [decode_sealing_key(word) for word in text.replace(",", " ").split()]
    if not keys:
        raise ImproperlyConfigured("SEALING_KEYS names no key")
    return keys


def make_sealing_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(SEALING_KEY_BYTES)).decode()


def decode_sealing_key(word: str) -> bytes:
    try:
        key = base64.b64decode(word.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != SEALING_KEY_BYTES:
        # The value itself is never repeated.
        raise ImproperlyConfigured(f"SEALING_KEYS must be keys of {SEALING_KEY_BYTES} bytes in base64")
    return key


def keep_key(path: Path, make: Callable[[], str]) -> str:
    """The content of the file, made first if there is none. Of two that make it at once both get the same."""
    try:
        with contextlib.suppress(FileNotFoundError):
            return path.read_text(encoding="ascii").strip()
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(make() + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        # A link is there whole or not at all, and never replaces the key of someone who was faster.
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"no key can be kept in {path}: {error}; set DATA_DIR") from error
