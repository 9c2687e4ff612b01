"""What a summary of another tool's session means in our own words: status, evidence, title, times."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import datetime

from audit.transcripts import find_call
from chats.importing import ImportedChat
from chats.models import ChatStatus
from intake.readers.base import ChildHint, TurnState
from intake.readers.summary import SessionSummary
from sessions_app.kinds import Evidence, Origin
from tasks.creating import Source
from tasks.importing import ImportedTask
from tasks.models import TaskStatus

__all__ = ["Started", "chat_of", "source_of_start", "start_of", "task_of", "told_task_of"]

RULES = {
    TurnState.TURN_OVER: "The last turn has ended",
    TurnState.IN_TURN: "The file ends inside a turn: the agent may be at work, may wait or may be gone",
    TurnState.INTERRUPTED: "The last turn was interrupted",
    TurnState.FAILED: "The last turn failed",
    TurnState.ASKED: "The agent asked a question that has no answer in the file",
}
CHAT_STATUS = {
    TurnState.TURN_OVER: ChatStatus.IDLE,
    TurnState.IN_TURN: ChatStatus.IDLE,
    TurnState.INTERRUPTED: ChatStatus.IDLE,
    TurnState.FAILED: ChatStatus.FAILED,
    TurnState.ASKED: ChatStatus.AWAITING_YOU,
}
#: What the record of the session that started a sub-agent says of its end.
OUTCOMES = {
    "completed": TaskStatus.COMPLETED,
    "failed": TaskStatus.FAILED,
    "cancelled": TaskStatus.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Started:
    """Where a sub-agent was started: the session of ours, and the tool call in its transcript.

    `prompt` and `result` are what the transcript, already redacted, holds of the call. A reply that only says
    that the sub-agent was started is no result, and its time no end.
    """

    kind: str
    id: uuid.UUID
    call_id: str
    entry_id: uuid.UUID | None = None
    at: datetime | None = None
    result_at: datetime | None = None
    prompt: str = ""
    result: str = ""


def start_of(tenant_id: uuid.UUID, session: tuple[str, uuid.UUID], call_id: str) -> Started:
    call, result = find_call(tenant_id, session, call_id)
    if call is None:
        return Started(*session, call_id)
    arguments = call.arguments if isinstance(call.arguments, dict) else {}
    if result is not None and result.data.get("launched"):
        result = None
    return Started(
        *session,
        call_id,
        entry_id=call.pk,
        at=call.occurred_at,
        result_at=result.occurred_at if result else None,
        prompt=str(arguments.get("prompt") or arguments.get("message") or ""),
        result=result.text if result else "",
    )


def chat_of(
    summary: SessionSummary, *, label: str, otherwise: datetime, goes_on: bool = False
) -> ImportedChat:
    """The chat that a session is, never said to be ended, nor at work. Without times it is of `otherwise`.

    `goes_on`: there is more in the file than was read, so nothing is said yet of where the last turn stands.
    """
    status = ChatStatus.IDLE if goes_on else CHAT_STATUS[summary.state]
    asked = status == ChatStatus.AWAITING_YOU
    at = summary.last_message_at or summary.last_at or otherwise
    return ImportedChat(
        title=summary.title or f"{label} session {summary.session_id[:8]}",
        status=status,
        evidence=_being_read(summary, label) if goes_on else _evidence(summary, label),
        last_message_at=at,
        waiting_reason=summary.headline if asked else "",
        waiting_since=at if asked else None,
        error=summary.headline if status == ChatStatus.FAILED else "",
        message_count=summary.messages,
        turn_count=summary.turns,
        repo=_repo(summary),
        origin=summary.last.origin or Origin.CLI,
    )


def task_of(
    summary: SessionSummary,
    hint: ChildHint | None,
    started: Started | None,
    label: str,
    *,
    otherwise: datetime,
    goes_on: bool = False,
) -> ImportedTask:
    """The task that a sub-agent is: what its starter says of its end counts before its own file.

    `goes_on` is as for `chat_of`.
    """
    status, outcome = (TaskStatus.UNKNOWN, None) if goes_on else _task_status(summary, hint)
    evidence = _being_read(summary, label) if goes_on else _evidence(summary, label)
    ended = status != TaskStatus.UNKNOWN
    at = summary.last_at or otherwise
    agent_type = hint.agent_type if hint else ""
    return ImportedTask(
        title=(hint.title if hint else "")
        or summary.title
        or agent_type
        or f"Sub-agent {summary.agent_id[:8]}",
        status=status,
        evidence=(*([outcome] if outcome else []), *evidence),
        changed_at=at,
        started_at=summary.first_at,
        finished_at=at if ended else None,
        error=summary.headline if status == TaskStatus.FAILED else "",
        prompt=started.prompt if started else "",
        result=started.result if started and ended else "",
        source=source_of_start(started) if started else None,
        turn_count=summary.turns,
        repo=_repo(summary),
        origin=Origin.AGENT,
        is_folded=started is not None,
    )


def told_task_of(
    hint: ChildHint, parent: SessionSummary, started: Started, *, otherwise: datetime
) -> ImportedTask:
    """The task of a sub-agent of which no records are here: what its starter's transcript says of it."""
    status = OUTCOMES.get(hint.outcome, TaskStatus.UNKNOWN)
    said = f"recorded: {hint.outcome}" if hint.outcome in OUTCOMES else "recorded no end of it"
    if hint.never_ran:
        status, said = TaskStatus.CANCELLED, "recorded that its call was refused: nothing ran"
    at = hint.ended_at or started.result_at or started.at or parent.last_at or otherwise
    result = hint.result or started.result
    return ImportedTask(
        title=hint.title or hint.agent_type or "Sub-agent",
        status=status,
        evidence=(
            Evidence("Rule", f"The session that started it {said}"),
            Evidence("Read from", "its starter's records: its own are not here"),
        ),
        changed_at=at,
        started_at=started.at,
        finished_at=at if status != TaskStatus.UNKNOWN else None,
        error=result if status == TaskStatus.FAILED else "",
        prompt=started.prompt,
        result=result if status == TaskStatus.COMPLETED else "",
        source=source_of_start(started),
        repo=_repo(parent),
        origin=Origin.AGENT,
    )


def source_of_start(started: Started) -> Source:
    return Source(kind=started.kind, id=started.id, entry_id=started.entry_id, call_id=started.call_id)


def _task_status(summary: SessionSummary, hint: ChildHint | None) -> tuple[TaskStatus, Evidence | None]:
    if hint and hint.outcome in OUTCOMES:
        said = Evidence("Outcome", f"the session that started it recorded: {hint.outcome}")
        return OUTCOMES[hint.outcome], said
    if summary.state == TurnState.TURN_OVER and summary.evidence.is_certain:
        return TaskStatus.COMPLETED, None
    if summary.state == TurnState.FAILED:
        return TaskStatus.FAILED, None
    if summary.state == TurnState.INTERRUPTED:
        return TaskStatus.CANCELLED, None
    return TaskStatus.UNKNOWN, None


def _evidence(summary: SessionSummary, label: str) -> tuple[Evidence, ...]:
    seen = summary.evidence
    doubt = "" if seen.is_certain else " (the format does not say so: this goes by what came last)"
    lines = [
        Evidence("Rule", RULES[summary.state] + doubt),
        Evidence("Read from", f"{seen.rule}: {seen.seen}, in record {seen.ordinal + 1} of the {label} file"),
    ]
    if summary.last_at:
        lines.append(Evidence("Last event", "the newest record of the file", summary.last_at))
    for call in summary.open_calls[:3]:
        lines.append(Evidence("Open call", f"{call.tool_name}, without a result", call.since))
    return tuple(lines)


def _being_read(summary: SessionSummary, label: str) -> tuple[Evidence, ...]:
    """The evidence of a row whose file is being read, or was when the import was cut off."""
    return (
        Evidence("Rule", "Its records are being read: where the last turn stands is known at their end"),
        Evidence("Read from", f"{summary.records:,} records of the {label} file so far", summary.last_at),
    )


def _repo(summary: SessionSummary) -> str:
    """The repository if the records name one, else the name of the folder that the work began in."""
    if repo := summary.last.repo or summary.first.repo:
        return repo
    parts = [part for part in re.split(r"[/\\]", summary.first.cwd) if part]
    return parts[-1] if parts else ""
