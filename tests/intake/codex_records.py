"""Records as Codex writes them, for tests that need one shape at a time."""

from __future__ import annotations

import io
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from audit.entries import EntryKind, NewEntry
from intake.readers.base import ReadContext, ReadRecord
from intake.readers.codex import CodexReader
from intake.readers.summary import SessionSummary, SummaryFold

THREAD = "019f15f7-0000-7000-8000-000000000001"
CHILD = "019f15f7-0000-7000-8000-00000000000c"
FORK = "019f15f7-0000-7000-8000-00000000000f"
START = datetime(2026, 3, 2, 10, tzinfo=UTC)
NOW = datetime(2026, 3, 3, tzinfo=UTC)


def iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def turn_id(at: datetime) -> str:
    """The id of a turn that began then: a UUID of version 7."""
    high = f"{int(at.timestamp() * 1000):012x}"
    return f"{high[:8]}-{high[8:]}-7000-8000-{uuid.uuid4().hex[:12]}"


class Rollout:
    """Collects records with the envelope that Codex puts around them, a second apart."""

    def __init__(self, thread: str = THREAD, at: datetime = START, **meta: Any) -> None:
        self.rows: list[dict[str, Any]] = []
        self.thread = thread
        self.at = at
        self.meta = {
            "id": thread,
            "timestamp": iso(at),
            "cwd": "/srv/shop",
            "originator": "codex_cli_rs",
            "cli_version": "0.142.4",
            "source": "cli",
            **meta,
        }
        self.add("session_meta", **self.meta)

    def add(self, kind: str, /, **payload: Any) -> dict[str, Any]:
        self.rows.append({"timestamp": iso(self.at), "type": kind, "payload": payload})
        self.at += timedelta(seconds=1)
        return self.rows[-1]

    def item(self, kind: str, /, **payload: Any) -> None:
        self.add("response_item", type=kind, **payload)

    def event(self, kind: str, /, **payload: Any) -> None:
        self.add("event_msg", type=kind, **payload)

    def start(self) -> str:
        turn = turn_id(self.at)
        self.event("task_started", turn_id=turn, model_context_window=1000)
        self.add("turn_context", turn_id=turn, cwd="/srv/shop", model="gpt-5.5", approval_policy="never")
        return turn

    def user(self, text: str, **event: Any) -> None:
        self.item("message", role="user", content=[{"type": "input_text", "text": text}])
        self.event("user_message", message=text, images=[], **event)

    def told(self, text: str, role: str = "user") -> None:
        """A text that the program put there: it has no event."""
        self.item("message", role=role, content=[{"type": "input_text", "text": text}])

    def answer(self, text: str, **fields: Any) -> None:
        self.event("agent_message", message=text)
        content = [{"type": "output_text", "text": text}]
        self.item("message", role="assistant", content=content, **fields)

    def call(self, call_id: str, name: str, /, **arguments: Any) -> None:
        self.item("function_call", name=name, call_id=call_id, arguments=json.dumps(arguments))

    def result(self, call_id: str, output: Any) -> None:
        self.item("function_call_output", call_id=call_id, output=output)

    def tokens(self, total: tuple[int, int, int], last: tuple[int, int, int] | None = None) -> None:
        info = {"total_token_usage": usage(*total), "last_token_usage": usage(*(last or total))}
        self.event("token_count", info=info, rate_limits=None)

    def turn(self, prompt: str, *answers: str) -> None:
        """A whole turn, as present-day versions write it."""
        turn = self.start()
        self.user(prompt)
        for answer in answers:
            self.answer(answer)
        self.event("task_complete", turn_id=turn, last_agent_message=answers[-1], duration_ms=2500)

    @property
    def data(self) -> bytes:
        return "".join(json.dumps(row) + "\n" for row in self.rows).encode()

    def read(self, **context: Any) -> list[ReadRecord]:
        return read(self.data, **context)

    @property
    def entries(self) -> list[NewEntry]:
        return entries(self.read())

    def all(self, kind: EntryKind) -> list[NewEntry]:
        return [entry for entry in self.entries if entry.kind is kind]

    def only(self, kind: EntryKind) -> NewEntry:
        (entry,) = self.all(kind)
        return entry

    @property
    def summary(self) -> SessionSummary:
        return summaries(self.read())[0]


def parent_and_child(**meta: object) -> tuple[Rollout, Rollout]:
    """A thread and a sub-thread of it. Synthetic: made from the format's definition, none was at hand."""
    parent = Rollout()
    turn = parent.start()
    parent.user("Review the docs")
    parent.call("call_1", "spawn_agent", message="Read docs/", agent_type="explorer")
    parent.result("call_1", f'{{"agent_id": "{CHILD}", "nickname": "Gauss"}}')
    parent.answer("On it.")
    parent.event("task_complete", turn_id=turn)
    spawn = {"parent_thread_id": THREAD, "depth": 1, "agent_nickname": "Gauss", "agent_role": "explorer"}
    own = {"source": {"subagent": {"thread_spawn": spawn}}, "agent_role": "explorer", **meta}
    child = Rollout(thread=CHILD, at=parent.at + timedelta(seconds=5), **own)
    child.turn("Read docs/", "They are fine.")
    return parent, child


def fork_of(parent: Rollout, *, keeps_times: bool, is_named: bool, has_turns: bool) -> Rollout:
    """A fork made an hour later, which copies all of its parent and goes on."""
    named = {"forked_from_id": parent.thread} if is_named else {}
    fork = Rollout(thread=FORK, at=parent.at + timedelta(hours=1), **named)
    at = fork.rows[0]["timestamp"]
    fork.rows += parent.rows if keeps_times else [{**row, "timestamp": at} for row in parent.rows]
    fork.at += timedelta(seconds=20)
    if has_turns:
        fork.turn("Three", "Third.")
    else:
        fork.user("Three")
        fork.answer("Third.")
    fork.tokens((300, 0, 25), last=(50, 0, 5))
    return fork


def usage(input_: int, cached: int, output: int) -> dict[str, int]:
    return {
        "input_tokens": input_,
        "cached_input_tokens": cached,
        "output_tokens": output,
        "reasoning_output_tokens": 0,
        "total_tokens": input_ + output,
    }


def read(data: bytes, **context: Any) -> list[ReadRecord]:
    reader = CodexReader(ReadContext(**{"now": NOW, "name": "file-name", **context}))
    return list(reader.read(io.BytesIO(data)))


def entries(records: list[ReadRecord]) -> list[NewEntry]:
    return [entry for record in records for entry in record.entries]


def said(records: list[ReadRecord]) -> list[str]:
    """What was said, by persons and models."""
    return [entry.text for entry in entries(records) if entry.kind is EntryKind.MESSAGE and not entry.is_meta]


def summaries(records: list[ReadRecord]) -> list[SessionSummary]:
    fold = SummaryFold()
    for record in records:
        fold.add(record)
    return fold.summaries()
