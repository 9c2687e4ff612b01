"""What stands beside a Claude Code session's file: files of its sub-agents and what started them."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

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
    if not os.path.isfile(path):
        return AgentMeta()
    try:
        with path.open("rb") as stream:
            return read_meta(stream)
    except OSError:
        return AgentMeta()


def read_meta(stream: BinaryIO) -> AgentMeta:
    """What a file beside a sub-agent's own says; nothing if it is none."""
    try:
        value = json.loads(stream.read(_META_LIMIT))
    except (ValueError, RecursionError):
        return AgentMeta()
    if not isinstance(value, dict):
        return AgentMeta()
    return AgentMeta(
        name_of(value, "agentType"),
        text_of(value, "description"),
        text_of(value, "toolUseId")[:200],
    )


class AgentFiles:
    """Whose the files of sub-agents are. It lists a folder once, and opens a file in it once.

    It holds what it saw, so each run over files makes one of its own. `unreadable` names what it could not
    look at, with the reason.
    """

    def __init__(self) -> None:
        self.unreadable: list[tuple[Path, str]] = []
        self._beside: dict[Path, dict[str, dict[str, Path]]] = {}

    def of(self, session_file: Path) -> dict[str, Path]:
        """The files of a session's sub-agents by agent id, in its folder or (older) beside it."""
        inside = {agent_id_of(path): path for path in self._inside(session_file)}
        if session_file.name.startswith("agent-"):
            return inside
        folder = session_file.parent
        if folder not in self._beside:
            self._beside[folder] = self._by_session(folder)
        return self._beside[folder].get(session_file.stem, {}) | inside

    def _inside(self, session_file: Path) -> Iterator[Path]:
        folder = session_file.with_suffix("") / "subagents"
        if not os.path.isdir(folder):
            return
        found: list[Path] = []
        for inner, _folders, names in os.walk(folder, onerror=lambda error: self._note(error, folder)):
            found += (Path(inner, name) for name in names)
        yield from sorted(path for path in found if _is_agent_file(path))

    def _by_session(self, folder: Path) -> dict[str, dict[str, Path]]:
        try:
            paths = sorted(Path(folder, name) for name in os.listdir(folder))
        except OSError as error:
            self._note(error, folder)
            return {}
        found: dict[str, dict[str, Path]] = {}
        for path in paths:
            if _is_agent_file(path):
                session_id, agent_id = self._owner_of(path)
                if session_id:
                    found.setdefault(session_id, {})[agent_id] = path
        return found

    def _owner_of(self, path: Path) -> tuple[str, str]:
        """The session and the agent that the first record of a file names; "" for what it does not name."""
        try:
            with path.open("rb") as stream:
                first = next((found.value for found in Splitter().split(stream) if not found.is_lost), None)
        except OSError as error:
            self._note(error, path)
            return "", ""
        if not isinstance(first, dict):
            return "", ""
        return text_of(first, "sessionId"), text_of(first, "agentId") or agent_id_of(path)

    def _note(self, error: OSError, path: Path) -> None:
        where = Path(error.filename) if isinstance(error.filename, str) else path
        self.unreadable.append((where, error.strerror or "it could not be read"))


def agent_files(session_file: Path, known: AgentFiles | None = None) -> dict[str, Path]:
    """The files of one session's sub-agents by agent id.

    Whoever asks for many sessions hands in the `known` of its run. Without it, the files of sub-agents beside
    the session are all opened.
    """
    return (known or AgentFiles()).of(session_file)


def agent_id_of(agent_file: Path) -> str:
    return agent_file.stem.removeprefix("agent-")


def _is_agent_file(path: Path) -> bool:
    """Whether it is a regular file by the name of one: opening a pipe would wait for ever."""
    return path.name.startswith("agent-") and path.suffix == ".jsonl" and os.path.isfile(path)
