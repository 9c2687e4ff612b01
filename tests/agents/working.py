"""Letting a runtime do a piece of work, and keeping what came of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.runtimes.protocol import Outcome, Performance, Runtime, Stop, Work
from audit.entries import EntryKind, NewEntry, Usage
from audit.imports import Delivery
from audit.redaction import Redactor


def make_work(folder: Path, body: str, **more: Any) -> Work:
    redactor = Redactor(known=more.pop("known", {}), mark_key=b"m" * 32)
    return Work(tenant_id=uuid.uuid4(), key="step:1:1", body=body, folder=folder, redactor=redactor, **more)


@dataclass
class Done:
    """A piece of work that has ended: what it delivered, in order, and its outcome."""

    deliveries: list[Delivery]
    outcome: Outcome

    @property
    def entries(self) -> list[NewEntry]:
        return [entry for delivery in self.deliveries for entry in delivery.entries]

    @property
    def usages(self) -> list[Usage]:
        return [usage for delivery in self.deliveries for usage in delivery.usages]

    def kinds(self) -> list[str]:
        return [entry.kind.value for entry in self.entries]

    def of(self, kind: EntryKind) -> list[NewEntry]:
        return [entry for entry in self.entries if entry.kind == kind]


def finish(performance: Performance) -> Outcome:
    """Let it go on to its end, whatever it still delivers."""
    while True:
        try:
            next(performance)
        except StopIteration as ended:
            return ended.value


def do(runtime: Runtime, work: Work, stop: Stop | None = None) -> Done:
    deliveries: list[Delivery] = []
    performance = runtime.perform(work, stop or Stop())
    while True:
        try:
            deliveries.append(next(performance))
        except StopIteration as ended:
            return Done(deliveries, ended.value)
