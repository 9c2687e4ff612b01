"""That this process is to end soon: what is at work hands its work back instead of being cut off.

A worker's parent hears of it by a signal and its children do the work: they share one byte of memory.
"""

from __future__ import annotations

import mmap
import os

__all__ = ["begin_shutdown", "follow_parent", "is_shutting_down"]

_told = mmap.mmap(-1, 1)
_parent: int | None = None


def begin_shutdown() -> None:
    """Tell this process and all that it has forked. Safe inside of a signal handler."""
    _told[0] = 1


def follow_parent() -> None:
    """In a child: its parent's death is its own shutdown, as nobody could tell it to end any more."""
    global _parent
    _parent = os.getppid()


def is_shutting_down() -> bool:
    return _told[0] != 0 or (_parent is not None and os.getppid() != _parent)
