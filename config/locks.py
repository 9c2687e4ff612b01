"""Advisory file locks. The kernel frees them when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


def open_lock(path: Path) -> int:
    """A descriptor that children do not inherit across exec."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_exclusive(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def try_shared(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def take_exclusive(descriptor: int, *, patience_seconds: float) -> bool:
    """Like ``try_exclusive``, but outlasts those who only look whether the lock is held."""
    deadline = time.monotonic() + patience_seconds
    while not try_exclusive(descriptor):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def take_shared(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def free(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_held_exclusively(path: Path) -> bool:
    if not path.exists():
        return False
    descriptor = open_lock(path)
    try:
        return not try_shared(descriptor)
    finally:
        os.close(descriptor)
