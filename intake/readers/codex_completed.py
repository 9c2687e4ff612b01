"""Completed items, as late versions of Codex write them beside or instead of response items."""

from audit.entries import JSON, EntryKind
from intake.readers.claude_blocks import content_text
from intake.readers.codex_memory import Call, Memory
from intake.readers.fields import Object, name_of, number_of, object_of, text_of
from intake.readers.meaning import Meaning


def read_completed(item: Object, meaning: Meaning, memory: Memory) -> None:
    """What an item says that no response item does: texts wait for theirs, calls for none that is known."""
    kind = text_of(item, "type")
    if kind == "Plan" and text_of(item, "text").strip():
        meaning.add(EntryKind.SYSTEM, 0, role="system", text=f"Plan:\n\n{text_of(item, 'text')}")
    elif kind == "AgentMessage":
        memory.echoes.event("agent", content_text(item.get("content")), meaning.key)
    elif kind == "Reasoning":
        _reasoning(item, meaning, memory)
    elif kind == "CommandExecution":
        _call(item, "exec_command", {"command": item.get("command"), "cwd": item.get("cwd")}, meaning, memory)
    elif kind == "McpToolCall":
        name = f"{name_of(item, 'server')}.{name_of(item, 'tool')}"
        _call(item, name, item.get("arguments"), meaning, memory)


def _reasoning(item: Object, meaning: Meaning, memory: Memory) -> None:
    texts = item.get("summary_text")
    for index, text in enumerate(texts if isinstance(texts, list) else []):
        if isinstance(text, str):
            memory.echoes.event("thinking", text, f"{meaning.key}:{index}")


def _call(item: Object, name: str, arguments: JSON, meaning: Meaning, memory: Memory) -> None:
    """A call that the program made on its own, or from inside of another one, with its result."""
    call_id = text_of(item, "id")[:200]
    if not call_id or call_id in memory.calls:
        return
    memory.remember(call_id, Call(name))
    meaning.add(
        EntryKind.TOOL_CALL, "call", role="assistant", tool_name=name, call_id=call_id, arguments=arguments
    )
    code = item.get("exit_code")
    exit_code = code if isinstance(code, int) and not isinstance(code, bool) else None
    text = text_of(item, "aggregated_output") or text_of(item, "stdout")
    text = text or content_text(object_of(item, "result").get("content"))
    meaning.add(
        EntryKind.TOOL_RESULT,
        "result",
        role="user",
        text=text,
        tool_name=name,
        call_id=call_id,
        is_error=bool(exit_code) or text_of(item, "status") in ("failed", "declined"),
        duration_ms=number_of(item, "duration_ms"),
        data={} if exit_code is None else {"exit_code": exit_code},
    )
