"""Events of Codex's sessions: where a turn stands, what was spent, what a patch changed.

What was said stands in response items too, and is taken from there; an event whose item is missing speaks for
itself.
"""

from collections.abc import Callable

from audit.entries import EntryKind
from intake.readers.base import Problem, Severity, TurnHint, TurnState
from intake.readers.claude_texts import TextClass, naming
from intake.readers.codex_agents import hint_of_activity
from intake.readers.codex_completed import read_completed
from intake.readers.codex_items import add_edit, add_prompt
from intake.readers.codex_memory import Call, Memory, Totals
from intake.readers.codex_patches import read_changes
from intake.readers.codex_texts import classify
from intake.readers.fields import Object, number_of, object_of, text_of
from intake.readers.meaning import Meaning

# Known, and with nothing to show that other records do not say as well.
_SILENT = frozenset(
    {
        "agent_reasoning_raw_content", "agent_reasoning_section_break", "context_compacted",
        "mcp_tool_call_begin", "mcp_tool_call_end", "web_search_begin", "web_search_end",
        "image_generation_begin", "image_generation_end", "view_image_tool_call",
        "exec_command_begin", "exec_command_end",
        "exec_command_output_delta", "terminal_interaction", "patch_apply_begin", "patch_apply_updated",
        "thread_settings_applied", "thread_goal_updated", "thread_name_updated", "session_configured",
        "turn_diff", "plan_update", "item_started", "hook_started", "hook_completed",
        "background_event", "deprecation_notice", "mcp_startup_update", "mcp_startup_complete",
        "shutdown_complete", "raw_response_item", "guardian_assessment", "model_reroute",
        "model_verification", "dynamic_tool_call_request", "dynamic_tool_call_response", "safety_buffering",
        "exec_approval_request", "apply_patch_approval_request", "request_permissions", "request_user_input",
        "elicitation_request", "collab_agent_spawn_begin", "collab_agent_spawn_end", "collab_waiting_begin",
        "collab_waiting_end", "collab_close_begin", "collab_close_end", "collab_resume_begin",
        "collab_resume_end", "collab_agent_interaction_begin", "collab_agent_interaction_end",
        "conversation_path", "undo_started", "undo_completed", "list_custom_prompts_response",
        "agent_message_delta", "agent_message_content_delta", "agent_reasoning_delta",
        "agent_reasoning_raw_content_delta", "reasoning_content_delta", "reasoning_raw_content_delta",
        "plan_delta", "skills_update_available", "turn_moderation_metadata", "environment_connected",
        "environment_disconnected", "raw_response_completed", "realtime_conversation_started",
        "realtime_conversation_closed", "realtime_conversation_realtime", "realtime_conversation_sdp",
        "realtime_conversation_list_voices_response",
    }
)  # fmt: skip
_NOT_APPLIED = frozenset({"failed", "declined", "inProgress", "in_progress"})


def read_event(event: Object, meaning: Meaning, memory: Memory, totals: Totals) -> None:
    """Add what one event means to `meaning`."""
    kind = text_of(event, "type")
    if kind == "token_count":
        spent = totals.take(object_of(event, "info"), meaning)
        meaning.usage = memory.spend(spent) if spent is not None else None
        return
    special = _EVENTS.get(kind)
    if special is not None:
        special(event, meaning, memory)
    elif kind not in _SILENT:
        meaning.problems.append(Problem(Severity.UNKNOWN, meaning.line, "unknown type of event"))


def _user_message(event: Object, meaning: Meaning, memory: Memory) -> None:
    _show_alone(meaning, memory)
    said = classify(text_of(event, "message"))
    if said.is_a is TextClass.PROMPT and memory.echoes.event("user", said.text):
        add_prompt([said], meaning, memory)


def _agent_message(event: Object, meaning: Meaning, memory: Memory) -> None:
    memory.echoes.event("agent", text_of(event, "message"), meaning.key)


def _agent_reasoning(event: Object, meaning: Meaning, memory: Memory) -> None:
    memory.echoes.event("thinking", text_of(event, "text"), meaning.key)


def _show_alone(meaning: Meaning, memory: Memory) -> None:
    """Show what was said in events that no item has repeated by now."""
    for kind, text, key in memory.echoes.alone():
        shown_as = EntryKind.THINKING if kind == "thinking" else EntryKind.MESSAGE
        meaning.model, meaning.message_id = memory.model, memory.answer()
        meaning.add(shown_as, f"event:{key}", role="assistant", text=text)
    meaning.model = meaning.message_id = ""


def _task_started(event: Object, meaning: Meaning, memory: Memory) -> None:
    memory.is_in_task = True
    meaning.turn = TurnHint(TurnState.IN_TURN, "task_started", "the start of a turn")


def _task_complete(event: Object, meaning: Meaning, memory: Memory) -> None:
    _show_alone(meaning, memory)
    memory.is_in_task = False
    duration = number_of(event, "duration_ms")
    meaning.turn = TurnHint(TurnState.TURN_OVER, "task_complete", "the end of the turn")
    if duration is not None:
        text = f"The turn took {duration / 1000:.1f} s"
        meaning.add(EntryKind.STATUS, 0, role="system", text=text, duration_ms=duration, is_meta=True)


def _turn_aborted(event: Object, meaning: Meaning, memory: Memory) -> None:
    _show_alone(meaning, memory)
    memory.is_in_task = False
    memory.tell(is_prompt=True)
    reason = text_of(event, "reason")[:100] or "interrupted"
    said = "Interrupted by the user" if reason == "interrupted" else f"The turn was cut off: {reason}"
    meaning.turn = TurnHint(TurnState.INTERRUPTED, "turn_aborted", f"the turn was cut off: {reason}")
    meaning.add(EntryKind.STATUS, 0, role="user" if reason == "interrupted" else "system", text=said)


def _rolled_back(event: Object, meaning: Meaning, memory: Memory) -> None:
    turns = number_of(event, "num_turns")
    count = "some turns" if turns is None else "the last turn" if turns == 1 else f"the last {turns} turns"
    text = f"Went back: {count} before this no longer count"
    meaning.add(EntryKind.STATUS, 0, role="user", text=text, data={"rolled_back": turns})
    meaning.turn = TurnHint(TurnState.TURN_OVER, "thread_rolled_back", "turns were taken back")
    memory.is_in_task = False


def _error(event: Object, meaning: Meaning, memory: Memory) -> None:
    text = text_of(event, "message") or "The turn failed"
    meaning.add(EntryKind.ERROR, 0, role="system", text=text, is_error=True)
    meaning.turn = TurnHint(TurnState.FAILED, "error", "an error that ended the turn", naming(text))


def _stream_error(event: Object, meaning: Meaning, memory: Memory) -> None:
    """A failure that is tried again."""
    text = text_of(event, "message") or "The model's API failed"
    meaning.add(EntryKind.ERROR, 0, role="system", text=text, is_error=True)
    meaning.turn = TurnHint(TurnState.IN_TURN, "stream_error", "an error that is tried again")


def _note(event: Object, meaning: Meaning, memory: Memory) -> None:
    text = text_of(event, "message")
    if text.strip():
        meaning.add(EntryKind.SYSTEM, 0, role="system", text=text, is_meta=True)


def _review(event: Object, meaning: Meaning, memory: Memory) -> None:
    has_begun = text_of(event, "type") == "entered_review_mode"
    output = object_of(event, "review_output")
    said = text_of(output, "overall_explanation") or text_of(event, "user_facing_hint")
    text = "Review started" if has_begun else "Review ended"
    text = f"{text}: {said}" if said.strip() else text
    meaning.add(EntryKind.SYSTEM, 0, role="system", text=text, is_meta=True)


def _item_completed(event: Object, meaning: Meaning, memory: Memory) -> None:
    item = object_of(event, "item")
    if text_of(item, "type") == "FileChange":
        _patch_applied({**item, "call_id": item.get("id")}, meaning, memory)
    elif text_of(item, "type") == "SubAgentActivity":
        _sub_agent({**item, "event_id": item.get("id")}, meaning, memory)
    else:
        read_completed(item, meaning, memory)


def _patch_applied(event: Object, meaning: Meaning, memory: Memory) -> None:
    call_id = text_of(event, "call_id")[:200]
    call = memory.calls.get(call_id)
    has_failed = event.get("success") is False or text_of(event, "status") in _NOT_APPLIED
    if has_failed or (call is not None and call.is_edited):
        return
    for index, file in enumerate(read_changes(event)):
        add_edit(file, index, call_id, call.name if call else "", meaning)
    if call is None:
        call = Call("apply_patch")
        memory.remember(call_id, call)
    call.is_edited = bool(object_of(event, "changes"))


def _sub_agent(event: Object, meaning: Meaning, memory: Memory) -> None:
    hint = hint_of_activity(event)
    if hint is not None:
        meaning.children.append(hint)


_EVENTS: dict[str, Callable[[Object, Meaning, Memory], None]] = {
    "user_message": _user_message,
    "agent_message": _agent_message,
    "agent_reasoning": _agent_reasoning,
    "task_started": _task_started,
    "turn_started": _task_started,
    "task_complete": _task_complete,
    "turn_complete": _task_complete,
    "turn_aborted": _turn_aborted,
    "thread_rolled_back": _rolled_back,
    "error": _error,
    "stream_error": _stream_error,
    "warning": _note,
    "guardian_warning": _note,
    "entered_review_mode": _review,
    "exited_review_mode": _review,
    "patch_apply_end": _patch_applied,
    "item_completed": _item_completed,
    "sub_agent_activity": _sub_agent,
}
