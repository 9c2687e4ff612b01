"""What is asked of a runtime and what it gives back. A runtime is one module of this package, by its key.

Callers inject all that a runtime needs: it reads no database and writes none. It yields what happens as
deliveries for the session's transcript, and each yield is stored and shown before the next is asked for.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol

from audit.entries import JSON
from audit.imports import Delivery
from audit.redaction import Redactor

__all__ = ["Limits", "Outcome", "Performance", "Runtime", "Stop", "StopReason", "Work"]


class StopReason(StrEnum):
    """Why work is to stop before it is done."""

    CANCELLED = "cancelled"
    LEASE_LOST = "lease lost"
    SHUTDOWN = "shutdown"


class Stop:
    """Tells work to stop, from another thread. The first reason stands."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self.reason: StopReason | None = None

    def set(self, reason: StopReason) -> None:
        with self._lock:
            if self.reason is None:
                self.reason = reason
        self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Whether it is set within this time."""
        return self._event.wait(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What work may use; None is no limit. `output_bytes` counts what a command prints."""

    seconds: float | None = None
    memory_bytes: int | None = None
    output_bytes: int | None = None
    turns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One attempt of one piece of work.

    `key` is unique within the session and begins the native id of each entry. `body` is the skill's command
    or prompt template; `arguments` are its values, references put in. `folder` is the working folder, there
    already. `environment` holds values of secrets by name: they reach the work and nothing else. `sandbox` is
    the profile's wish ("" is the best that is there). `redactor` makes text that is cut into pieces safe.
    """

    tenant_id: uuid.UUID
    key: str
    body: str
    folder: Path
    redactor: Redactor = field(repr=False)
    arguments: Mapping[str, JSON] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    limits: Limits = Limits()
    model: str = ""
    sandbox: str = ""
    profile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How work ended: with a result that later steps may refer to, or with an error that says what to do.

    `last` is what happened at the end: it is stored together with the outcome, which costs less than a
    delivery of its own.
    """

    result: JSON = None
    error: str = ""
    last: Delivery = field(default_factory=Delivery, repr=False)

    @property
    def is_ok(self) -> bool:
        return not self.error


#: Yields deliveries, empty ones where there is nothing new; returns the outcome. Closing it ends the work.
type Performance = Generator[Delivery, None, Outcome]


class Runtime(Protocol):
    """A way to do work. `RUNTIME` of its module is the one instance."""

    key: ClassVar[str]

    def find_missing(self, work: Work) -> str:
        """What has to be set before this work can be done, as a sentence; "" if nothing is missing."""

    def perform(self, work: Work, stop: Stop) -> Performance:
        """Do the work. Looks at `stop` at least twice a second and ends within two seconds of it.

        A stop that came in the middle ends with an error that names its reason. Raises nothing for what the
        work itself does wrong: that is an outcome.
        """
