"""Work for runtimes to do, and what they make of it."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.runtimes import Outcome, Performance, Stop, Work
from audit.entries import EntryKind, NewEntry, RunFacts, Usage
from audit.redaction import Redactor

REDACTOR = Redactor({}, b"k" * 32)


def make_work(folder: Path, body: str, **more: Any) -> Work:
    given = {"tenant_id": uuid.uuid4(), "key": "step:1:1", "redactor": REDACTOR}
    if known := more.pop("known", None):
        given["redactor"] = Redactor(known, b"k" * 32)
    return Work(body=body, folder=folder, **(given | more))


@dataclass
class Seen:
    """All that a performance delivered, when (in seconds from its start), and how it ended."""

    entries: list[NewEntry] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    facts: RunFacts = field(default_factory=RunFacts)
    outcome: Outcome = field(default_factory=Outcome)
    seconds: float = 0.0

    @property
    def output(self) -> str:
        return "".join(entry.text for entry in self.entries if entry.is_partial and not entry.path)

    @property
    def end(self) -> NewEntry:
        return self.entries[-1]

    @property
    def kinds(self) -> list[str]:
        return [entry.kind.value for entry in self.entries]

    def of(self, kind: EntryKind) -> list[NewEntry]:
        return [entry for entry in self.entries if entry.kind is kind]


def watch(performance: Performance) -> Seen:
    """Take everything, as the engine does: each delivery before the next, the last with the outcome."""
    seen = Seen()
    began = time.monotonic()
    is_over = False
    while not is_over:
        try:
            delivery = next(performance)
        except StopIteration as ended:
            seen.outcome, delivery, is_over = ended.value, ended.value.last, True
        for entry in delivery.entries:
            seen.entries.append(entry)
            seen.times.append(time.monotonic() - began)
        seen.usages.extend(delivery.usages)
        if delivery.facts is not None:
            seen.facts = seen.facts.updated_by(delivery.facts)
    seen.seconds = time.monotonic() - began
    return seen


def watch_until(performance: Performance, text: str) -> None:
    """Take deliveries until something was printed that holds this text."""
    while not any(text in entry.text for entry in next(performance).entries):
        pass


def perform(runtime: Any, work: Work, stop: Stop | None = None) -> Seen:
    return watch(runtime.perform(work, stop or Stop()))
