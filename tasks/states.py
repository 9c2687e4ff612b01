"""The states of a background task as its services know them: the legal moves, and which states are over."""

from __future__ import annotations

from audit.moves import Move, Moves
from tasks.models import LIVE_STATUSES, BackgroundTask, TaskStatus, WaitingOn

__all__ = ["CARRIER_MOVES", "ENDED", "KIND", "MOVES", "WAITING_FOR", "moves_of"]

KIND = "background_task"

#: The states that `BackgroundTask.state` gives for `waiting`, by what it waits on.
WAITING_FOR = {on: f"{TaskStatus.WAITING}/{on}" for on in WaitingOn}

#: The statuses in which nothing more comes by itself. A task of unknown end has not been seen to end.
ENDED = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.DISMISSED})

_LIVE = [*(status for status in LIVE_STATUSES if status != TaskStatus.WAITING), *WAITING_FOR.values()]

MOVES: Moves = {
    "start_provisioning": Move.of([TaskStatus.QUEUED], TaskStatus.PROVISIONING),
    "start": Move.of([TaskStatus.PROVISIONING], TaskStatus.RUNNING),
    "fan_out": Move.of([TaskStatus.RUNNING], TaskStatus.RUNNING),
    "wait": Move.of([TaskStatus.RUNNING], TaskStatus.WAITING),
    "request_review": Move.of([TaskStatus.RUNNING], TaskStatus.WAITING),
    "resume": Move.of(
        [WAITING_FOR[WaitingOn.INPUT], WAITING_FOR[WaitingOn.CHILDREN], TaskStatus.UNKNOWN],
        TaskStatus.RUNNING,
    ),
    "answer": Move.of([WAITING_FOR[WaitingOn.INPUT]], TaskStatus.RUNNING),
    "approve": Move.of([WAITING_FOR[WaitingOn.APPROVAL]], TaskStatus.RUNNING),
    "deny": Move.of([WAITING_FOR[WaitingOn.APPROVAL]], TaskStatus.RUNNING),
    "complete": Move.of([TaskStatus.RUNNING, TaskStatus.UNKNOWN], TaskStatus.COMPLETED),
    "accept": Move.of([WAITING_FOR[WaitingOn.REVIEW]], TaskStatus.COMPLETED),
    "send_back": Move.of([WAITING_FOR[WaitingOn.REVIEW]], TaskStatus.RUNNING),
    "fail": Move.of([*_LIVE, TaskStatus.UNKNOWN], TaskStatus.FAILED),
    "cancel": Move.of(_LIVE, TaskStatus.CANCELLED),
    "dismiss": Move.of(
        [
            WAITING_FOR[WaitingOn.REVIEW],
            TaskStatus.COMPLETED,
            TaskStatus.FAILED,
            TaskStatus.CANCELLED,
            TaskStatus.UNKNOWN,
        ],
        TaskStatus.DISMISSED,
    ),
    "retry": Move.of([TaskStatus.FAILED, TaskStatus.CANCELLED], TaskStatus.QUEUED),
    "mark_unknown": Move.of([TaskStatus.RUNNING], TaskStatus.UNKNOWN),
}

#: A task that carries another session follows it (`mirror_source`); only the review is its own.
CARRIER_MOVES: Moves = {
    name: Move.of(
        move.sources & {WAITING_FOR[WaitingOn.REVIEW]} if name in {"accept", "dismiss"} else (), move.target
    )
    for name, move in MOVES.items()
}


def moves_of(task: BackgroundTask) -> Moves:
    """The table that the services of this task go by."""
    return CARRIER_MOVES if task.is_carrier else MOVES
