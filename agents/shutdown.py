"""That this process is to end soon: what is at work hands its work back instead of being cut off.

A worker's parent hears of it by a signal and its children do the work: they share one byte of memory.
"""

from __future__ import annotations

import mmap

__all__ = ["begin_shutdown", "is_shutting_down"]

_told = mmap.mmap(-1, 1)


def begin_shutdown() -> None:
    """Tell this process and all that it has forked. Safe inside of a signal handler."""
    _told[0] = 1


def is_shutting_down() -> bool:
    return _told[0] != 0
