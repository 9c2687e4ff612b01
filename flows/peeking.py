"""What a person is shown before they decide at a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from audit.presenting import format_arguments
from audit.services import content_hash
from flows.models import FlowRun
from flows.moves import find_current_step
from flows.services import see_checkpoint
from sessions_app.kinds import Part, Peek

__all__ = ["peek_at_checkpoint"]


def peek_at_checkpoint(run: FlowRun) -> Peek:
    """All that a decision about a paused run is bound to; its hash is of what is shown, as read just now."""
    step = find_current_step(run)
    seen = see_checkpoint(run, step)
    return Peek(
        title=f"Checkpoint before step {step.position}: {step.name}",
        text=run.checkpoint_message,
        at=run.waiting_since,
        parts=tuple(_parts_of(seen)),
        content_hash=content_hash(seen),
    )


def _parts_of(seen: dict[str, Any]) -> Iterator[Part]:
    """What is about to happen stands open, what led there is folded."""
    skill = seen["step"]["skill"]
    yield Part(f"{skill['name']} ({skill['runtime']})", skill["body"], is_open=True)
    if seen["arguments"]:
        yield Part("Arguments", format_arguments(seen["arguments"]), is_open=True)
    for result in seen["results"]:
        label = f"Step {result['position']} {result['name']}: {result['status']}"
        yield Part(label, format_arguments(result["result"]))
