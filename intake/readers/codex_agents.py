"""Sub-threads of Codex's sessions, as the thread that started them tells of them."""

import json
from collections.abc import Iterator
from datetime import datetime

from audit.entries import JSON
from intake.readers.base import ChildHint, prompt_mark
from intake.readers.claude_texts import naming
from intake.readers.codex_outputs import Output
from intake.readers.fields import Object, name_of, object_of, text_of

_SPAWN = "spawn_agent"
_TELLING = frozenset({"wait", "wait_agent", "close_agent", "list_agents", "resume_agent"})
_LONGEST_TITLE = 10_000
_OUTCOMES = {"completed": "completed", "errored": "failed", "interrupted": "cancelled", "running": "running"}


def hints_of_call(name: str, call_id: str, arguments: Object) -> Iterator[ChildHint]:
    """What a call that starts a sub-thread says of it."""
    if name.rpartition(".")[2] != _SPAWN:
        return
    prompt = text_of(arguments, "message") or text_of(arguments, "prompt")
    title = text_of(arguments, "task_name").replace("_", " ") or prompt
    yield ChildHint(
        call_id=call_id,
        title=naming(title, _LONGEST_TITLE),
        agent_type=name_of(arguments, "agent_type"),
        outcome="running",
        prompt_mark=prompt_mark(prompt),
    )


def hints_of_result(name: str, call_id: str, told: Output) -> list[ChildHint]:
    """What the result of a call says of sub-threads: which one it started, and how others ended."""
    tool = name.rpartition(".")[2]
    decoded = _decoded(told.text) if tool == _SPAWN or tool in _TELLING else None
    if tool == _SPAWN:
        return [_started(call_id, told, decoded if isinstance(decoded, dict) else {})]
    return list(_ends(decoded)) if isinstance(decoded, dict) else []


def _started(call_id: str, told: Output, decoded: Object) -> ChildHint:
    agent_id = (text_of(decoded, "agent_id") or text_of(decoded, "thread_id"))[:200]
    if not agent_id and told.is_error:
        return ChildHint(call_id=call_id, outcome="failed", never_ran=True)
    return ChildHint(call_id=call_id, agent_id=agent_id, outcome="running")


def hints_of_text(text: str, at: datetime | None) -> list[ChildHint]:
    """What a notification, put in the user's place, says of a sub-thread."""
    inner = text.strip().removeprefix("<subagent_notification>").removesuffix("</subagent_notification>")
    decoded = _decoded(inner.strip())
    if not isinstance(decoded, dict):
        return []
    agent_id = (text_of(decoded, "agent_id") or text_of(decoded, "thread_id"))[:200]
    return list(_ends({"status": {agent_id: decoded.get("status")}}, at)) if agent_id else []


def hint_of_activity(event: Object) -> ChildHint | None:
    agent_id = text_of(event, "agent_thread_id")[:200]
    if not agent_id:
        return None
    outcome = "cancelled" if text_of(event, "kind") == "interrupted" else "running"
    path = name_of(event, "agent_path").rpartition("/")[2].replace("_", " ")
    return ChildHint(call_id=text_of(event, "event_id")[:200], agent_id=agent_id, title=path, outcome=outcome)


def _ends(decoded: Object, at: datetime | None = None) -> Iterator[ChildHint]:
    """The ends of sub-threads in a map of their ids to what became of each, which is a word or has a text."""
    statuses = object_of(decoded, "status")
    for agent_id, status in statuses.items():
        word = next(iter(status), "") if isinstance(status, dict) else status
        outcome = _OUTCOMES.get(word, "") if isinstance(word, str) else ""
        if outcome and len(agent_id) <= 200:
            result = text_of(object_of(statuses, agent_id), str(word))
            ended_at = at if outcome != "running" else None
            yield ChildHint(agent_id=agent_id, outcome=outcome, result=result, ended_at=ended_at)


def _decoded(text: str) -> JSON:
    try:
        value: JSON = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value
