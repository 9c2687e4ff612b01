"""Response items of Codex's sessions: what the model said and called, and what it was told."""

import json

from audit.entries import JSON, EntryKind
from intake.readers.base import Problem, Severity, TitleHint, TitleRank, TurnHint, TurnState
from intake.readers.claude_blocks import content_text
from intake.readers.claude_texts import TextClass, UserText, naming
from intake.readers.codex_agents import hints_of_call, hints_of_result, hints_of_text
from intake.readers.codex_memory import Call, Memory
from intake.readers.codex_outputs import Output, read_output
from intake.readers.codex_patches import PatchedFile, patch_in, read_patch
from intake.readers.codex_texts import classify
from intake.readers.fields import Object, name_of, object_of, objects_of, text_of
from intake.readers.meaning import Meaning

# Kept as they are, with nothing in them to show.
_SILENT = frozenset(
    {"ghost_snapshot", "compaction", "compaction_summary", "context_compaction", "compaction_trigger",
     "additional_tools", "configuration_update", "other"}
)  # fmt: skip
_QUESTION_TOOLS = frozenset({"request_user_input"})
ITEM_TYPES = frozenset(
    {"message", "agent_message", "reasoning", "function_call", "function_call_output", "custom_tool_call",
     "custom_tool_call_output", "local_shell_call", "tool_search_call", "tool_search_output",
     "web_search_call", "image_generation_call", *_SILENT}
)  # fmt: skip


def read_item(item: Object, meaning: Meaning, memory: Memory) -> None:
    """Add the entries of one item to `meaning`."""
    kind = text_of(item, "type")
    if kind == "message":
        _message(item, meaning, memory)
    elif kind == "agent_message":
        _agent_message(item, meaning, memory)
    elif kind == "reasoning":
        _reasoning(item, meaning, memory)
    elif kind in ("function_call", "custom_tool_call", "local_shell_call", "tool_search_call"):
        _call(kind, item, meaning, memory)
    elif kind in ("function_call_output", "custom_tool_call_output", "tool_search_output"):
        _result(kind, item, meaning, memory)
    elif kind in ("web_search_call", "image_generation_call"):
        _own_call(kind, item, meaning, memory)
    elif kind not in _SILENT:
        meaning.problems.append(Problem(Severity.UNKNOWN, meaning.line, "unknown type of response item"))


def _message(item: Object, meaning: Meaning, memory: Memory) -> None:
    role = text_of(item, "role")
    if role == "assistant":
        _answer(item, meaning, memory)
    elif role == "user":
        _told_by_user(item, meaning, memory)
    else:
        text = content_text(item.get("content"))
        if text.strip():
            meaning.add(EntryKind.MESSAGE, 0, role="system", text=text, is_meta=True)


def _answer(item: Object, meaning: Meaning, memory: Memory) -> None:
    text = content_text(item.get("content"))
    if not text.strip():
        return
    if not memory.echoes.item("agent", text):
        add_answer(text, meaning, memory)
    phase = text_of(item, "phase")
    if memory.is_in_task or phase == "commentary":
        meaning.turn = TurnHint(TurnState.IN_TURN, "answer", "an answer inside a turn")
    else:
        seen = "an answer, with no record of the turn's end"
        meaning.turn = TurnHint(TurnState.TURN_OVER, "answer_last", seen, is_certain=False)


def add_answer(text: str, meaning: Meaning, memory: Memory) -> None:
    meaning.model, meaning.message_id = memory.model, memory.answer()
    meaning.add(EntryKind.MESSAGE, 0, role="assistant", text=text)


def _told_by_user(item: Object, meaning: Meaning, memory: Memory) -> None:
    """What stands in the user's place. Texts and pictures that a person sent at once are one message."""
    written: list[UserText] = []
    injected: list[str] = []
    for text, is_text in _parts(item.get("content")):
        said = classify(text) if is_text else UserText(TextClass.PROMPT, text)
        if said.is_a is TextClass.NOTIFICATION:
            meaning.children.extend(hints_of_text(said.text, meaning.at))
        if said.is_a in (TextClass.PROMPT, TextClass.COMMAND):
            written.append(said)
        elif said.text.strip():
            injected.append(said.text)
    if injected:
        text = "\n\n".join(injected)
        meaning.add(EntryKind.MESSAGE, "injected", role="user", text=text, is_meta=True)
    typed = "".join(said.text for said in written if said.title)
    if written and not memory.echoes.item("user", typed):
        add_prompt(written, meaning, memory)


def add_prompt(written: list[UserText], meaning: Meaning, memory: Memory) -> None:
    memory.tell(is_prompt=True)
    meaning.add(EntryKind.MESSAGE, 0, role="user", text="\n\n".join(said.text for said in written))
    is_command = all(said.is_a is TextClass.COMMAND for said in written)
    rule, seen = ("command", "a command") if is_command else ("prompt", "a prompt")
    meaning.turn = TurnHint(TurnState.IN_TURN, rule, seen)
    rank = TitleRank.COMMAND if is_command else TitleRank.PROMPT
    meaning.titles.extend(TitleHint(rank, said.title) for said in written if said.title)


def _parts(content: JSON) -> list[tuple[str, bool]]:
    """The parts of a message and whether each is a text; tags around a picture are left out."""
    if isinstance(content, str):
        return [(content, True)]
    parts: list[tuple[str, bool]] = []
    for block in content if isinstance(content, list) else []:
        if isinstance(block, str):
            parts.append((block, True))
        elif isinstance(block, dict):
            text = text_of(block, "text")
            is_tag = text.strip() == "</image>" or (text.startswith("<image") and text.strip().endswith(">"))
            if text and not is_tag:
                parts.append((text, True))
            elif not text:
                parts.append((_picture(block), False))
    return parts


def _picture(block: Object) -> str:
    """What stands for an image or a file: its type and size, never its bytes."""
    kind = text_of(block, "type").removeprefix("input_") or "block"
    url = text_of(block, "image_url") or text_of(object_of(block, "image_url"), "url")
    head, _, encoded = url.partition(";base64,")
    if not encoded:
        return f"[{kind}]"
    return f"[{kind}: {head.removeprefix('data:')[:40]}, {max(len(encoded) * 3 // 4096, 1)} KB]"


def _agent_message(item: Object, meaning: Meaning, memory: Memory) -> None:
    """What another agent of the same tree said to this one."""
    memory.tell()
    add_from_agent(item, content_text(item.get("content")), meaning)


def add_from_agent(source: Object, text: str, meaning: Meaning) -> None:
    if not text.strip():
        return
    ends = [name_of(source, "author"), name_of(source, "recipient")]
    said = f"From {ends[0] or 'an agent'} to {ends[1] or 'this one'}:\n\n{text}"
    meaning.add(EntryKind.SYSTEM, 0, role="system", text=said, is_meta=True)
    meaning.titles.append(TitleHint(TitleRank.SUMMARY, naming(text)))
    meaning.turn = TurnHint(TurnState.IN_TURN, "prompt", "a message of another agent")


def _reasoning(item: Object, meaning: Meaning, memory: Memory) -> None:
    message_id = memory.answer()
    meaning.turn = TurnHint(TurnState.IN_TURN, "reasoning", "reasoning, no answer yet")
    texts = [content_text(item.get(key)) for key in ("summary", "content")]
    for block in objects_of(item, "summary"):
        memory.echoes.item("thinking", text_of(block, "text"))
    text = "\n\n".join(text for text in texts if text.strip())
    if text:
        meaning.model, meaning.message_id = memory.model, message_id
        meaning.add(EntryKind.THINKING, 0, role="assistant", text=text)


def _call(kind: str, item: Object, meaning: Meaning, memory: Memory) -> None:
    call_id = (text_of(item, "call_id") or text_of(item, "id"))[:200]
    name = _name(kind, item)
    arguments = _arguments(kind, item)
    call = Call(name, patch_in(arguments))
    meaning.model, meaning.message_id = memory.model, memory.answer()
    files = list(read_patch(call.patch)) if call.patch else []
    data: dict[str, JSON] = {}
    if name == "write_stdin" and isinstance(arguments, dict):
        call.continues = memory.processes.get(str(arguments.get("session_id")), "")
        data = {"continues": call.continues} if call.continues else {}
    memory.remember(call_id, call)
    meaning.add(
        EntryKind.TOOL_CALL,
        0,
        role="assistant",
        tool_name=name,
        call_id=call_id,
        arguments=arguments,
        path=files[0].path if len(files) == 1 else "",
        data=data,
    )
    headline = _question(name, arguments)
    meaning.turn = TurnHint(TurnState.IN_TURN, "tool_call", f"a call of {name or 'a tool'}", headline)
    if isinstance(arguments, dict):
        meaning.children.extend(hints_of_call(name, call_id, arguments))


def _name(kind: str, item: Object) -> str:
    if kind in ("local_shell_call", "tool_search_call"):
        return kind.removesuffix("_call")
    name, space = name_of(item, "name"), name_of(item, "namespace")
    return f"{space}.{name}" if space and not name.startswith(space) else name


def _arguments(kind: str, item: Object) -> JSON:
    """A call's arguments as JSON; a text that is none is kept as the call's input."""
    if kind == "custom_tool_call":
        return {"input": item.get("input")}
    if kind == "local_shell_call":
        return item.get("action")
    value = item.get("arguments")
    if not isinstance(value, str):
        return value
    try:
        decoded: JSON = json.loads(value, parse_constant=lambda name: None)
    except (ValueError, RecursionError):
        return {"input": value}
    return decoded if isinstance(decoded, dict | list) else {"input": value}


def _question(name: str, arguments: JSON) -> str:
    if name not in _QUESTION_TOOLS or not isinstance(arguments, dict):
        return ""
    return naming(" / ".join(text_of(one, "question") for one in objects_of(arguments, "questions")))


def _result(kind: str, item: Object, meaning: Meaning, memory: Memory) -> None:
    memory.tell()
    call_id = text_of(item, "call_id")[:200]
    call = memory.calls.get(call_id, Call(""))
    value = item.get("tools") if kind == "tool_search_output" else item.get("output")
    told = _tools(value) if kind == "tool_search_output" else read_output(value)
    if told.process:
        memory.run(told.process, call.continues or call_id)
    children = hints_of_result(call.name, call_id, told)
    meaning.add(
        EntryKind.TOOL_RESULT,
        0,
        role="user",
        text=told.text,
        tool_name=call.name,
        call_id=call_id,
        is_error=told.is_error,
        duration_ms=told.duration_ms,
        data=_result_data(told, call, is_launch=any(hint.outcome == "running" for hint in children)),
    )
    meaning.children.extend(children)
    meaning.turn = TurnHint(TurnState.IN_TURN, "tool_result", "the result of a tool")
    if call.patch and not call.is_edited and not told.is_error and not told.process:
        call.is_edited = True
        for index, file in enumerate(read_patch(call.patch)):
            add_edit(file, index, call_id, call.name, meaning)


def _tools(value: JSON) -> Output:
    found = value if isinstance(value, list) else []
    names = [name_of(one, "name") for one in found if isinstance(one, dict)]
    return Output("\n".join(name for name in names if name))


def _result_data(told: Output, call: Call, *, is_launch: bool) -> dict[str, JSON]:
    data: dict[str, JSON] = {}
    if told.exit_code is not None:
        data["exit_code"] = told.exit_code
    if told.denied:
        data["denied"] = told.denied
    if told.is_aborted:
        data["interrupted"] = True
    if told.process:
        data["background_id"] = told.process
    if call.continues:
        data["continues"] = call.continues
    if is_launch:
        data["launched"] = True
    return data


def add_edit(file: PatchedFile, index: int, call_id: str, tool_name: str, meaning: Meaning) -> None:
    flags: dict[str, JSON] = {"created": file.is_created, "deleted": file.is_deleted}
    data = {name: value for name, value in flags.items() if value}
    if file.moved_to:
        data["moved_to"] = file.moved_to
    meaning.add(
        EntryKind.FILE_EDIT,
        f"edit:{index}",
        tool_name=tool_name or "apply_patch",
        call_id=call_id,
        path=file.path,
        before=file.before,
        after=file.after,
        patch=file.patch,
        is_partial=file.is_partial,
        data=data,
    )


def _own_call(kind: str, item: Object, meaning: Meaning, memory: Memory) -> None:
    """A call that the model's provider answers itself: it has no id, since no result will name it."""
    action = item.get("action")
    arguments: JSON = action if action is not None else {}
    if kind == "image_generation_call":
        arguments = {"revised_prompt": item.get("revised_prompt")}
    meaning.model, meaning.message_id = memory.model, memory.answer()
    is_error = text_of(item, "status") == "failed"
    name = kind.removesuffix("_call")
    meaning.add(
        EntryKind.TOOL_CALL, 0, role="assistant", tool_name=name, arguments=arguments, is_error=is_error
    )
    meaning.turn = TurnHint(TurnState.IN_TURN, "tool_call", f"a call of {name}")
