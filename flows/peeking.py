"""What a person is shown before they decide at a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from audit.edits import show_edits
from audit.presenting import format_arguments
from audit.services import content_hash
from flows.models import FlowRun
from flows.moves import KIND, find_current_step
from flows.services import see_checkpoint
from sessions_app.kinds import Part, Peek

__all__ = ["peek_at_checkpoint"]

#: How much of the changes so far is shown where a decision is asked for; the transcript has all of it.
MOST_FILES, OPEN_FILES, MOST_LINES = 8, 3, 60
#: Many runs are looked at together: each of their changes is compared line by line, so they share these.
FILES_OF_ALL = 160


def peek_at_checkpoint(run: FlowRun, *, among: int = 1) -> Peek:
    """All that a decision about a paused run is bound to; its hash is of what is shown, as read just now.

    `among` many runs fewer changes of files are shown, at least one.
    """
    step = find_current_step(run)
    seen = see_checkpoint(run, step)
    return Peek(
        title=f"Checkpoint before step {step.position}: {step.name}",
        text=run.checkpoint_message,
        at=run.waiting_since,
        parts=tuple(_parts_of(run, seen, max(1, min(MOST_FILES, FILES_OF_ALL // among)))),
        content_hash=content_hash(seen),
    )


def _parts_of(run: FlowRun, seen: dict[str, Any], most_files: int) -> Iterator[Part]:
    """What is about to happen stands open, what led there is folded."""
    skill = seen["step"]["skill"]
    yield Part(f"{skill['name']} ({skill['runtime']})", skill["body"], is_open=True)
    if seen["arguments"]:
        yield Part("Arguments", format_arguments(seen["arguments"]), is_open=True)
    yield from _changes(run, seen.get("file_edits", []), most_files)
    yield Part("Flow", f"{seen['flow']}, version {seen['flow_version']}")
    for result in seen["results"]:
        label = f"Step {result['position']} {result['name']}: {result['status']}"
        yield Part(label, format_arguments(result["result"]))


def _changes(run: FlowRun, edits: list[dict[str, Any]], most: int) -> Iterator[Part]:
    """The diff so far: the newest change of each file, the first files unfolded."""
    newest = {edit["path"]: edit["seq"] for edit in edits}
    seqs = sorted(newest.values())
    shown = show_edits(run.tenant_id, (KIND, run.pk), seqs[:most], lines=MOST_LINES)
    for number, (path, text) in enumerate(shown):
        times = sum(edit["path"] == path for edit in edits)
        often = f" (the last of {times} changes)" if times > 1 else ""
        yield Part(f"Change: {path}{often}", text, is_open=number < OPEN_FILES)
    if len(seqs) > most:
        others = [path for path, seq in newest.items() if seq in set(seqs[most:])]
        yield Part(f"{len(others)} more files changed", "\n".join(others))
