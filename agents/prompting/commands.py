"""Commands for a model, run by the runtime of commands: the same sandbox, limits, ends and entries."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import replace

from agents.prompting.providers import hide_keys
from agents.prompting.tools import Desk, Parameter, Tool, ToolResult
from agents.runtimes import get_runtime
from agents.runtimes.protocol import Outcome
from audit.entries import EntryKind, NewEntry, RunFacts
from audit.imports import Delivery

__all__ = ["RUNNING"]

MAX_TOLD = 30_000
DEFAULT_SECONDS = 600


def _run_command(desk: Desk, command: str, seconds: int) -> Generator[Delivery, None, ToolResult]:
    """Deliver what the command prints as it comes; tell the model its end. A command may use the secrets of
    the work, but the keys of models."""
    left = desk.work.limits.seconds
    work = replace(
        desk.work,
        body=command,
        arguments={},
        environment=hide_keys(desk.work.environment),
        limits=replace(desk.work.limits, seconds=min(max(1, seconds), left if left is not None else seconds)),
    )
    performance = get_runtime("shell").perform(work, desk.stop)
    printed: deque[str] = deque()
    size = 0
    outcome: Outcome | None = None
    while outcome is None:
        try:
            delivery = next(performance)
        except StopIteration as ended:
            outcome = ended.value
            delivery = outcome.last
        kept = [entry for entry in delivery.entries if entry.kind != EntryKind.TOOL_CALL]
        for entry in kept:
            if entry.is_partial and entry.kind is EntryKind.TOOL_RESULT:
                printed.append(entry.text)
                size += len(entry.text)
        while len(printed) > 1 and size - len(printed[0]) > MAX_TOLD:
            size -= len(printed.popleft())
        yield replace(delivery, entries=[_of_the_model(entry) for entry in kept], facts=_facts_of(delivery))
    text = desk.work.redactor.redact_text("".join(printed)).text[-MAX_TOLD:]
    told = f"{text}\n{outcome.error or '(it ended well)'}"
    return ToolResult(told, is_error=not outcome.is_ok, is_recorded=True)


def _of_the_model(entry: NewEntry) -> NewEntry:
    """An entry as part of the model's call, which stands in the transcript already."""
    return replace(entry, tool_name="run_command")


def _facts_of(delivery: Delivery) -> RunFacts | None:
    """Of where it ran, the model's own facts know all but the sandbox."""
    return RunFacts(sandbox=delivery.facts.sandbox) if delivery.facts else None


RUNNING = (
    Tool(
        "run_command",
        "Run a command with bash in the folder, without input. It ends at the first part that fails; nothing"
        " that it starts outlives it. You are told how it ended and the"
        f" last {MAX_TOLD} characters of what it printed.",
        {
            "command": Parameter("string", "the command"),
            "seconds": Parameter("integer", "how long it may take", DEFAULT_SECONDS),
        },
        _run_command,
    ),
)
