"""What stands beside a Claude Code session's file: files of its sub-agents and what started them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from intake.readers.fields import name_of, text_of
from intake.readers.jsonl import Splitter

_META_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class AgentMeta:
    """What a sub-agent was started as, from the small file beside its own; "" where that does not say."""

    agent_type: str = ""
    description: str = field(default="", repr=False)
    call_id: str = ""


def meta_of(agent_file: Path) -> AgentMeta:
    """Read `agent-<id>.meta.json` beside `agent-<id>.jsonl`. A missing or broken one says nothing."""
    path = agent_file.with_suffix(".meta.json")
    try:
        with path.open("rb") as stream:
            value = json.loads(stream.read(_META_LIMIT))
    except (OSError, ValueError, RecursionError):
        return AgentMeta()
    if not isinstance(value, dict):
        return AgentMeta()
    return AgentMeta(
        name_of(value, "agentType"),
        text_of(value, "description"),
        text_of(value, "toolUseId")[:200],
    )


def agent_files(session_file: Path) -> dict[str, Path]:
    """The files of a session's sub-agents by agent id, in the folder of the session or (older) beside it."""
    session_id = session_file.stem
    found = {agent: path for path in _beside(session_file) if (agent := _agent_in(path, session_id))}
    folder = session_file.with_suffix("") / "subagents"
    inside = sorted(folder.rglob("agent-*.jsonl")) if folder.is_dir() else []
    return found | {agent_id_of(path): path for path in inside}


def agent_id_of(agent_file: Path) -> str:
    return agent_file.stem.removeprefix("agent-")


def _beside(session_file: Path) -> Iterator[Path]:
    if session_file.name.startswith("agent-"):
        return
    for path in sorted(session_file.parent.glob("agent-*.jsonl")):
        if path.is_file():
            yield path


def _agent_in(path: Path, session_id: str) -> str:
    """The agent of a file, if its first record is of a sidechain of the session."""
    try:
        with path.open("rb") as stream:
            first = next((found.value for found in Splitter().split(stream) if not found.is_lost), None)
    except OSError:
        return ""
    if not isinstance(first, dict) or text_of(first, "sessionId") != session_id:
        return ""
    return text_of(first, "agentId") or agent_id_of(path)
