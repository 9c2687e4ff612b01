"""The states of a chat as its services know them: the table of legal moves."""

from __future__ import annotations

from audit.moves import Move, Moves
from chats.models import ChatStatus

__all__ = ["KIND", "MOVES", "OPEN_STATUSES"]

KIND = "chat"

OPEN_STATUSES = frozenset(status for status in ChatStatus if status != ChatStatus.ENDED)

MOVES: Moves = {
    "post_message": Move.of(
        [ChatStatus.IDLE, ChatStatus.AWAITING_YOU, ChatStatus.FAILED], ChatStatus.RESPONDING
    ),
    "finish_turn": Move.of([ChatStatus.RESPONDING], ChatStatus.IDLE),
    "ask_question": Move.of([ChatStatus.RESPONDING], ChatStatus.AWAITING_YOU),
    "withdraw_question": Move.of([ChatStatus.AWAITING_YOU], ChatStatus.IDLE),
    "request_approval": Move.of([ChatStatus.RESPONDING], ChatStatus.AWAITING_APPROVAL),
    "approve": Move.of([ChatStatus.AWAITING_APPROVAL], ChatStatus.RESPONDING),
    "deny": Move.of([ChatStatus.AWAITING_APPROVAL], ChatStatus.RESPONDING),
    "fail_turn": Move.of([ChatStatus.RESPONDING], ChatStatus.FAILED),
    "end": Move.of(OPEN_STATUSES, ChatStatus.ENDED),
    "resume": Move.of([ChatStatus.ENDED], ChatStatus.IDLE),
}
