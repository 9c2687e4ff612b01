"""What a model and its tools say and do, as entries of a transcript."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agents.prompting.providers import Choice
from agents.prompting.tools import ToolResult
from agents.runtimes.protocol import Work
from audit.entries import EntryKind, NewEntry, RunFacts, Usage
from audit.imports import Delivery

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse, ModelResponsePart, ToolCallPart

__all__ = ["Scribe"]


class Scribe:
    """Native ids count on from the key of the work, message ids too: they are the same each time."""

    def __init__(self, work: Work, choice: Choice) -> None:
        self._work, self._choice = work, choice
        self._entries = self._answers = 0

    def opened(self, instructions: str, request: str) -> Delivery:
        """What the model is told at first."""
        facts = RunFacts(
            runtime="model", model=self._choice.name, profile=self._work.profile, cwd=str(self._work.folder)
        )
        told = self._entry(EntryKind.SYSTEM, role="system", text=instructions, is_meta=True)
        asked = self._entry(EntryKind.MESSAGE, role="user", text=request, is_meta=True)
        return Delivery(entries=[told, asked], facts=facts)

    def begin_answer(self) -> None:
        """A further message of the model begins, or the same anew."""
        self._answers += 1

    def asked(self, text: str) -> Delivery:
        return Delivery(entries=[self._entry(EntryKind.MESSAGE, role="user", text=text, is_meta=True)])

    def told(self, text: str, *, is_error: bool = False) -> Delivery:
        return Delivery(entries=[self._entry(EntryKind.SYSTEM, text=text, is_error=is_error)])

    def said(self, piece: ModelResponsePart | None) -> Delivery:
        """A part of the model's message; an empty delivery for what says nothing."""
        from pydantic_ai.messages import TextPart, ThinkingPart, ToolCallPart

        told: dict[str, Any] = {"model": self._choice.name, "message_id": self._message_id}
        match piece:
            case TextPart(content=text) if text.strip():
                entry = self._entry(EntryKind.MESSAGE, role="assistant", text=text, **told)
            case ThinkingPart(content=text) if text.strip():
                entry = self._entry(EntryKind.THINKING, role="assistant", text=text, **told)
            case ToolCallPart():
                told |= {"call_id": self.key_of(piece), "arguments": _arguments_of(piece)}
                entry = self._entry(EntryKind.TOOL_CALL, role="assistant", tool_name=piece.tool_name, **told)
            case _:
                return Delivery()
        return Delivery(entries=[entry])

    def spent(self, answer: ModelResponse) -> Delivery:
        """The tokens of a message; what was read from or written to a cache is counted apart."""
        used = answer.usage
        cached = used.cache_read_tokens + used.cache_write_tokens
        usage = Usage(
            message_id=self._message_id,
            model=answer.model_name or self._choice.name,
            input_tokens=max(0, used.input_tokens - cached),
            output_tokens=used.output_tokens,
            cache_read_tokens=used.cache_read_tokens,
            cache_write_tokens=used.cache_write_tokens,
        )
        return Delivery(usages=[usage])

    def returned(self, call: ToolCallPart, result: ToolResult, *, seconds: float) -> Delivery:
        told = {"tool_name": call.tool_name, "call_id": self.key_of(call)}
        entries: list[NewEntry] = []
        if not result.is_recorded:
            entries.append(
                self._entry(
                    EntryKind.TOOL_RESULT,
                    role="user",
                    text=result.text,
                    is_error=result.is_error,
                    duration_ms=round(seconds * 1000),
                    **told,
                )
            )
        if change := result.change:
            entries.append(
                self._entry(
                    EntryKind.FILE_EDIT,
                    role="user",
                    path=change.path,
                    before=change.before,
                    after=change.after,
                    is_partial=change.before is None,
                    **told,
                )
            )
        return Delivery(entries=entries)

    def key_of(self, call: ToolCallPart) -> str:
        """The call's id within the session; providers use the same one in each message."""
        return f"{self._message_id}:{call.tool_call_id}"

    @property
    def _message_id(self) -> str:
        return f"{self._work.key}:m{self._answers}"

    def _entry(self, kind: EntryKind, **columns: Any) -> NewEntry:
        self._entries += 1
        return NewEntry(
            kind=kind,
            native_id=f"{self._work.key}:{self._entries}",
            occurred_at=datetime.fromtimestamp(time.time(), UTC),
            **columns,
        )


def _arguments_of(call: ToolCallPart) -> Any:
    try:
        return call.args_as_dict(raise_if_invalid=True)
    except (ValueError, AssertionError):
        return call.args
