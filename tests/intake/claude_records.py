"""Records as Claude Code writes them, for tests that need one shape at a time."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from audit.entries import EntryKind, NewEntry
from intake.readers.base import ReadContext, ReadRecord
from intake.readers.claude_code import ClaudeCodeReader
from intake.readers.summary import SessionSummary, SummaryFold

FIXTURES = Path(__file__).parent / "fixtures"
PRESENT_DAY = FIXTURES / "a001b2c3-1111-4222-8333-444455556666.jsonl"
INLINE_SIDECHAINS = FIXTURES / "b002b2c3-1111-4222-8333-444455556666.jsonl"
PROGRESS_AGENTS = FIXTURES / "c003b2c3-1111-4222-8333-444455556666.jsonl"
OWN_AGENT_FILE = PRESENT_DAY.with_suffix("") / "subagents" / "agent-ae57c0ffee.jsonl"
SESSION = "5e55107a-0000-4000-8000-000000000001"
START = datetime(2026, 3, 2, 10, tzinfo=UTC)
NOW = datetime(2026, 3, 3, tzinfo=UTC)


class Session:
    """Collects records with the envelope that Claude Code puts around them."""

    def __init__(self, **envelope: Any) -> None:
        self.rows: list[dict[str, Any]] = []
        self._numbers = count(1)
        self._envelope = {
            "isSidechain": False,
            "sessionId": SESSION,
            "version": "2.1.30",
            "cwd": "/srv",
            **envelope,
        }

    def add(self, kind: str, **fields: Any) -> str:
        number = next(self._numbers)
        uuid = f"uuid-{number:04}"
        at = (START + timedelta(seconds=number)).isoformat().replace("+00:00", "Z")
        self.rows.append({**self._envelope, "type": kind, "uuid": uuid, "timestamp": at, **fields})
        return str(self.rows[-1]["uuid"])

    def bare(self, kind: str, **fields: Any) -> None:
        self.rows.append({"type": kind, "sessionId": SESSION, **fields})

    def user(self, content: Any, **fields: Any) -> str:
        return self.add("user", message={"role": "user", "content": content}, **fields)

    def answer(self, *blocks: Any, mid: str = "", stop: str | None = None, **fields: Any) -> str:
        message = {
            "id": mid or f"msg_{len(self.rows)}",
            "model": fields.pop("model", "claude-opus-4-6"),
            "role": "assistant",
            "content": [
                {"type": "text", "text": block} if isinstance(block, str) else block for block in blocks
            ],
            "stop_reason": stop,
            "usage": fields.pop("usage", {"input_tokens": 1, "output_tokens": 2}),
        }
        return self.add("assistant", message=message, **fields)

    def call(self, call_id: str, name: str, /, **arguments: Any) -> str:
        return self.answer({"type": "tool_use", "id": call_id, "name": name, "input": arguments})

    def result(self, call_id: str, content: Any, typed: Any = None, **fields: Any) -> str:
        block = {"type": "tool_result", "tool_use_id": call_id, "content": content}
        if "is_error" in fields:
            block["is_error"] = fields.pop("is_error")
        return self.user([block], toolUseResult=typed, **fields)

    @property
    def data(self) -> bytes:
        return "".join(json.dumps(row) + "\n" for row in self.rows).encode()

    def read(self, **context: Any) -> list[ReadRecord]:
        return read(self.data, **context)

    @property
    def entries(self) -> list[NewEntry]:
        return entries(self.read())

    def only(self, kind: EntryKind) -> NewEntry:
        (entry,) = [entry for entry in self.entries if entry.kind is kind]
        return entry

    @property
    def summary(self) -> SessionSummary:
        return summaries(self.read())[0]


def read(data: bytes, **context: Any) -> list[ReadRecord]:
    reader = ClaudeCodeReader(ReadContext(**{"now": NOW, "name": "file-name", **context}))
    return list(reader.read(io.BytesIO(data)))


def entries(records: list[ReadRecord]) -> list[NewEntry]:
    return [entry for record in records for entry in record.entries]


def summaries(records: list[ReadRecord]) -> list[SessionSummary]:
    fold = SummaryFold()
    for record in records:
        fold.add(record)
    return fold.summaries()
