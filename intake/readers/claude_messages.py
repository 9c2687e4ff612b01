"""Messages of Claude Code's sessions: what their content blocks are as entries of a transcript."""

import re

from audit.entries import JSON, EntryKind, NewEntry, Role, Usage
from intake.readers.base import (
    ChildHint,
    Problem,
    Severity,
    TitleHint,
    TitleRank,
    TurnHint,
    TurnState,
    prompt_mark,
)
from intake.readers.claude_blocks import blocks_of, content_text, placeholder
from intake.readers.claude_edits import read_edit
from intake.readers.claude_texts import TextClass, UserText, classify, naming
from intake.readers.fields import Object, name_of, number_of, object_of, objects_of, text_of
from intake.readers.meaning import CallNames, Meaning

AGENT_TOOLS = frozenset({"Task", "Agent"})
SYNTHETIC = "<synthetic>"
_CALL_BLOCKS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_TOKENS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
}
# Sums over millions of messages of this size still fit a database's numbers.
_MOST_TOKENS = 10**12
_TURN_ENDS = frozenset({"end_turn", "stop_sequence", "max_tokens", "model_context_window_exceeded"})
_EXIT_CODE = re.compile(r"(?:Error: )?Exit code (-?\d{1,9})\b")
_INJECTED_FLAGS = ("isMeta", "isCompactSummary", "isVisibleInTranscriptOnly")
_LAUNCHED = ("async_launched", "teammate_spawned")
_STOPPED = ("[Request interrupted by user", "Error: [Request interrupted by user")
_NOTIFIED = {"completed": "completed", "failed": "failed", "killed": "cancelled"}
# A description that is longer is not one; it bounds what is held of each sub-agent.
_LONGEST_TITLE = 10_000
_REJECTED = ("The user doesn't want to proceed with this tool use", "User rejected")


def read_assistant(record: Object, meaning: Meaning, names: CallNames) -> None:
    message = object_of(record, "message")
    model = name_of(message, "model")
    is_error = record.get("isApiErrorMessage") is True
    meaning.message_id = text_of(message, "id")[:200] or meaning.key
    meaning.model = "" if model == SYNTHETIC else model
    for index, block in blocks_of(message):
        _assistant_block(block, index, meaning, names, is_error, model == SYNTHETIC)
    meaning.turn = _turn_of_assistant(message, meaning, is_error, model == SYNTHETIC)
    usage = object_of(message, "usage")
    if usage and model != SYNTHETIC:
        meaning.usage = read_usage(usage, meaning)


def read_usage(usage: Object, meaning: Meaning) -> Usage:
    counts = {name: number_of(usage, key) for name, key in _TOKENS.items()}
    wrong = [
        name
        for name, key in _TOKENS.items()
        if usage.get(key) is not None and ((count := counts[name]) is None or count > _MOST_TOKENS)
    ]
    if wrong:
        reason = "a number of tokens that no message has"
        meaning.problems.append(Problem(Severity.REPAIRED, meaning.line, reason))
    used = {name: 0 if name in wrong else count or 0 for name, count in counts.items()}
    return Usage(message_id=meaning.message_id, model=meaning.model, **used)


def _assistant_block(
    block: Object, index: int, meaning: Meaning, names: CallNames, is_error: bool, is_synthetic: bool
) -> None:
    kind = text_of(block, "type")
    text = text_of(block, "text")
    if kind == "text" and text.strip():
        entry_kind = EntryKind.ERROR if is_error else EntryKind.SYSTEM if is_synthetic else EntryKind.MESSAGE
        role: Role = "assistant" if entry_kind is EntryKind.MESSAGE else "system"
        meta = entry_kind is EntryKind.SYSTEM
        meaning.add(entry_kind, index, role=role, text=text, is_error=is_error, is_meta=meta)
    elif kind == "thinking" and text_of(block, "thinking").strip():
        meaning.add(EntryKind.THINKING, index, role="assistant", text=text_of(block, "thinking"))
    elif kind in _CALL_BLOCKS:
        _call(block, index, meaning, names)
    elif kind.endswith("_tool_result"):
        _result(block, index, {}, meaning, names)


def _call(block: Object, index: int, meaning: Meaning, names: CallNames) -> None:
    call_id, name = text_of(block, "id")[:200], name_of(block, "name")
    names.remember(call_id, name)
    arguments = block.get("input")
    values = object_of(block, "input")
    path = text_of(values, "file_path") or text_of(values, "notebook_path")
    meaning.add(
        EntryKind.TOOL_CALL,
        index,
        role="assistant",
        tool_name=name,
        call_id=call_id,
        arguments=arguments,
        path=path,
    )
    if name in AGENT_TOOLS and "prompt" in values:
        meaning.children.append(
            ChildHint(
                call_id=call_id,
                title=naming(text_of(values, "description"), _LONGEST_TITLE),
                agent_type=name_of(values, "subagent_type"),
                outcome="running",
                prompt_mark=prompt_mark(text_of(values, "prompt")),
            )
        )


def _turn_of_assistant(
    message: Object, meaning: Meaning, is_error: bool, is_synthetic: bool
) -> TurnHint | None:
    stop = name_of(message, "stop_reason")
    last = meaning.entries[-1] if meaning.entries else None
    call = next((entry for entry in reversed(meaning.entries) if entry.kind is EntryKind.TOOL_CALL), None)
    if is_error:
        headline = naming(last.text if last else "")
        return TurnHint(TurnState.FAILED, "api_error_message", "isApiErrorMessage", headline)
    if is_synthetic:
        return None
    if stop == "refusal":
        return TurnHint(TurnState.FAILED, "stop_reason", stop, "The model refused to answer")
    if call is not None:
        headline = _question(call)
        return TurnHint(TurnState.IN_TURN, "tool_call", f"a call of {call.tool_name}", headline)
    if stop in _TURN_ENDS:
        return TurnHint(TurnState.TURN_OVER, "stop_reason", stop)
    if stop or last is None or last.kind is not EntryKind.MESSAGE:
        return TurnHint(TurnState.IN_TURN, "stop_reason", stop or "no stop reason, no answer yet")
    return TurnHint(TurnState.TURN_OVER, "answer_last", "an answer with no stop reason", is_certain=False)


def _question(call: NewEntry) -> str:
    arguments = call.arguments
    if call.tool_name != "AskUserQuestion" or not isinstance(arguments, dict):
        return ""
    return naming(
        " / ".join(text_of(question, "question") for question in objects_of(arguments, "questions"))
    )


def read_user(record: Object, meaning: Meaning, names: CallNames) -> None:
    blocks = list(blocks_of(object_of(record, "message")))
    results = [pair for pair in blocks if text_of(pair[1], "type") == "tool_result"]
    # A record's typed result belongs to its tool result; with several of them it is not said to which.
    typed = record if len(results) == 1 else {}
    for index, block in results:
        _result(block, index, typed, meaning, names)
        meaning.turn = TurnHint(TurnState.IN_TURN, "tool_result", "the result of a tool")
    origin = name_of(object_of(record, "origin"), "kind")
    is_injected = any(record.get(key) is True for key in _INJECTED_FLAGS)
    others = [pair for pair in blocks if text_of(pair[1], "type") != "tool_result"]
    read_typed(others, meaning, is_injected or origin not in ("", "human"))
    if origin not in ("", "human") and others and not is_injected:
        meaning.turn = TurnHint(TurnState.IN_TURN, "prompt", f"a prompt from {origin}")


def read_typed(blocks: list[tuple[int, dict[str, JSON]]], meaning: Meaning, is_injected: bool) -> None:
    """What stands in the user's place. Texts and attachments that a person sent at once are one message."""
    written: list[UserText] = []
    first = 0
    for index, block in blocks:
        is_text = text_of(block, "type") == "text"
        said = classify(text_of(block, "text")) if is_text else UserText(TextClass.PROMPT, placeholder(block))
        if said.is_a is TextClass.INTERRUPT:
            meaning.turn = TurnHint(TurnState.INTERRUPTED, "interrupt_text", said.text)
            meaning.add(EntryKind.STATUS, index, role="user", text=said.text)
        elif said.is_a in (TextClass.OUTPUT, TextClass.NOTIFICATION):
            _program_text(said, index, meaning)
        elif is_injected or said.is_a is TextClass.INJECTED:
            if said.text.strip():
                meaning.add(EntryKind.MESSAGE, index, role="user", text=said.text, is_meta=True)
        elif said.text.strip():
            first = first if written else index
            written.append(said)
    if written:
        text = "\n\n".join(said.text for said in written)
        meaning.add(EntryKind.MESSAGE, first, role="user", text=text)
        _hint_prompt(written, meaning)


def _hint_prompt(written: list[UserText], meaning: Meaning) -> None:
    is_command = all(said.is_a is TextClass.COMMAND for said in written)
    rule, seen = ("command", "a command") if is_command else ("prompt", "a prompt")
    meaning.turn = TurnHint(TurnState.IN_TURN, rule, seen)
    for said in written:
        if said.title:
            is_command = said.is_a is TextClass.COMMAND
            meaning.titles.append(
                TitleHint(TitleRank.COMMAND if is_command else TitleRank.PROMPT, said.title)
            )


def _program_text(said: UserText, index: int | str, meaning: Meaning) -> None:
    if said.is_a is TextClass.OUTPUT:
        meaning.turn = TurnHint(TurnState.IN_TURN, "command_output", "the output of a command")
        if said.text:
            meaning.add(EntryKind.SYSTEM, index, role="system", text=said.text, is_meta=True)
        return
    status = said.tags.get("status", "")
    outcome = _NOTIFIED.get(status, "")
    meaning.turn = TurnHint(TurnState.IN_TURN, "prompt", "a report of a background task")
    meaning.add(EntryKind.SYSTEM, index, role="system", text=said.text, is_meta=True)
    if outcome and said.tags.get("task-id"):
        meaning.children.append(
            ChildHint(
                agent_id=said.tags["task-id"][:200],
                call_id=said.tags.get("tool-use-id", "")[:200],
                outcome=outcome,
                result=said.tags.get("result", "") if outcome != "running" else "",
                ended_at=meaning.at if outcome != "running" else None,
                is_report=True,
            )
        )


def _result(block: Object, index: int, record: Object, meaning: Meaning, names: CallNames) -> None:
    call_id = text_of(block, "tool_use_id")[:200]
    typed = record.get("toolUseResult")
    result: Object = typed if isinstance(typed, dict) else {}
    text = content_text(block.get("content")) or _outputs(result)
    told = typed if isinstance(typed, str) else ""
    is_error = block.get("is_error") is True or told.startswith(("Error", "User rejected"))
    data = _result_data(record, result, told or text, is_error)
    meaning.add(
        EntryKind.TOOL_RESULT,
        index,
        role="user",
        text=text or told,
        tool_name=names[call_id],
        call_id=call_id,
        is_error=is_error,
        duration_ms=_duration(result),
        data=data,
    )
    edit = None if is_error else read_edit(result)
    if edit is not None:
        flags: dict[str, JSON] = {"created": edit.is_created, "user_modified": edit.is_user_modified}
        meaning.add(
            EntryKind.FILE_EDIT,
            f"{index}:edit",
            tool_name=names[call_id],
            call_id=call_id,
            path=edit.path,
            before=edit.before,
            after=edit.after,
            patch=edit.patch,
            is_partial=edit.is_partial,
            data={name: value for name, value in flags.items() if value},
        )
    if text_of(result, "agentId") or names[call_id] in AGENT_TOOLS:
        was_stopped = result.get("interrupted") is True or (is_error and (told or text).startswith(_STOPPED))
        outcome = "cancelled" if "denied" in data or was_stopped else "failed" if is_error else "completed"
        _child_result(result, call_id, outcome, "denied" in data, meaning)


def _is_launch(result: Object) -> bool:
    """Whether the result of a call says only that a sub-agent was started, which goes on after it."""
    return result.get("isAsync") is True or text_of(result, "status") in _LAUNCHED


def _child_result(result: Object, call_id: str, outcome: str, is_denied: bool, meaning: Meaning) -> None:
    agent_id = text_of(result, "agentId")[:200]
    is_running = _is_launch(result)
    meaning.children.append(
        ChildHint(
            call_id=call_id,
            agent_id=agent_id,
            title=naming(text_of(result, "description"), _LONGEST_TITLE),
            agent_type=name_of(result, "agentType"),
            outcome="running" if is_running and outcome == "completed" else outcome,
            never_ran=is_denied and not agent_id,
        )
    )


def _result_data(record: Object, result: Object, text: str, is_error: bool) -> dict[str, JSON]:
    data: dict[str, JSON] = {}
    code = _EXIT_CODE.match(text) if is_error else None
    if code:
        data["exit_code"] = int(code[1])
    denial = name_of(record, "toolDenialKind") or (
        "user-rejected" if is_error and text.startswith(_REJECTED) else ""
    )
    if denial:
        data["denied"] = denial
    if result.get("interrupted") is True:
        data["interrupted"] = True
    if _is_launch(result):
        data["launched"] = True
    for name, key in (("agent_id", "agentId"), ("background_id", "backgroundTaskId")):
        if name_of(result, key):
            data[name] = name_of(result, key)
    return data


def _duration(result: Object) -> int | None:
    for key, unit in (("durationMs", 1), ("totalDurationMs", 1), ("durationSeconds", 1000)):
        value = result.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12:
            return round(value * unit)
    return None


def _outputs(result: Object) -> str:
    return "\n".join(text for text in (text_of(result, "stdout"), text_of(result, "stderr")) if text)
