"""Runtimes: the ways in which work is done, one module each, found by the key of `agents.models.Runtime`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from agents.runtimes.protocol import Limits, Outcome, Performance, Runtime, Stop, StopReason, Work

__all__ = [
    "Limits",
    "Outcome",
    "Performance",
    "Runtime",
    "RuntimeNotThere",
    "Stop",
    "StopReason",
    "Work",
    "get_runtime",
    "has_runtime",
]


class RuntimeNotThere(Exception):
    """This installation has no runtime of that key."""


def has_runtime(key: str) -> bool:
    """Whether this installation has a runtime of that key; what it needs besides may be missing still."""
    return key.isidentifier() and key != "protocol" and find_spec(f"{__name__}.{key}") is not None


def get_runtime(key: str) -> Runtime:
    """The runtime of this key; its module is loaded when it is first asked for. Raises `RuntimeNotThere`."""
    if not has_runtime(key):
        raise RuntimeNotThere(f"there is no runtime “{key}” in this installation")
    runtime: Runtime = import_module(f"{__name__}.{key}").RUNTIME
    return runtime
