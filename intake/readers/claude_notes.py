"""Records of Claude Code's sessions that are no messages: system notes, attachments, titles, links."""

from collections.abc import Callable

from audit.entries import JSON, EntryKind
from intake.readers.base import Problem, Severity, TitleHint, TitleRank, TurnHint, TurnState
from intake.readers.claude_blocks import blocks_of, content_text
from intake.readers.claude_messages import read_typed
from intake.readers.claude_texts import TextClass, classify, naming
from intake.readers.fields import Object, name_of, number_of, object_of, text_of
from intake.readers.meaning import Meaning

# Kept as they are, with nothing in them to show.
SILENT_TYPES = frozenset(
    {
        "queue-operation", "last-prompt", "file-history-snapshot", "file-history-delta", "mode",
        "permission-mode", "agent-name", "agent-setting", "agent-color", "tag", "attribution-snapshot",
        "content-replacement", "worktree-state", "marble-origami-commit", "marble-origami-snapshot",
        "speculation-accept", "task-summary", "pr-link", "frame-link", "started", "result",
    }
)  # fmt: skip
_SILENT_ATTACHMENTS = frozenset(
    {
        "task_reminder", "todo_reminder", "todo", "deferred_tools_delta", "agent_listing_delta", "auto_mode",
        "mcp_instructions_delta", "skill_listing", "command_permissions", "date_change", "plan_mode",
        "plan_mode_exit", "plan_mode_reentry", "auto_mode_exit", "invoked_skills", "dynamic_skill",
        "output_style", "output_token_usage", "token_usage", "budget_usd", "ultrathink_effort",
        "ultramemory", "critical_system_reminder", "compaction_reminder", "hook_stopped_continuation",
        "context_efficiency", "agent_mention", "teammate_mailbox", "team_context", "mcp_resource",
        "verify_plan_reminder", "max_turns_reached", "current_session_memory", "relevant_memories",
        "async_hook_response", "structured_output", "already_read_file", "compact_file_reference",
        "pdf_reference", "opened_file_in_ide", "selected_lines_in_ide", "diagnostics", "directory",
    }
)  # fmt: skip
_KNOWN_PROGRESS = frozenset(
    {
        "bash_progress", "powershell_progress", "hook_progress", "mcp_progress", "query_update",
        "search_results_received", "waiting_for_task", "skill_progress", "tool_progress", "repl_tool_call",
        "agent_progress", "task_progress",
    }
)  # fmt: skip


def read_note(record: Object, meaning: Meaning, line: int) -> None:
    """Any record that is neither a user's nor an assistant's message."""
    kind = text_of(record, "type")
    if kind == "system":
        _system(record, meaning, line)
    elif kind == "attachment":
        _attachment(object_of(record, "attachment"), meaning, line)
    elif kind in _TITLES:
        _title(kind, record, meaning)
    elif kind == "progress":
        if text_of(object_of(record, "data"), "type") not in _KNOWN_PROGRESS:
            meaning.problems.append(Problem(Severity.UNKNOWN, line, "unknown type of progress"))
    elif kind in ("pr-link", "frame-link"):
        _link(kind, record, meaning)
    elif kind not in SILENT_TYPES:
        meaning.problems.append(Problem(Severity.UNKNOWN, line, "unknown type of record"))


_TITLES = {
    "custom-title": (TitleRank.CUSTOM, "customTitle"),
    "ai-title": (TitleRank.GENERATED, "aiTitle"),
    "summary": (TitleRank.SUMMARY, "summary"),
}


# A recap that is longer is not one. It bounds what waits for the record that a summary speaks of.
_LONGEST_TITLE = 10_000


def _title(kind: str, record: Object, meaning: Meaning) -> None:
    rank, key = _TITLES[kind]
    text = naming(text_of(record, key), _LONGEST_TITLE)
    if text:
        # A summary may speak of another session: it counts only where the record that it ends at is here.
        leaf = (text_of(record, "leafUuid") or "?") if rank is TitleRank.SUMMARY else ""
        meaning.titles.append(TitleHint(rank, text, leaf))


def _link(kind: str, record: Object, meaning: Meaning) -> None:
    if kind == "pr-link":
        number = number_of(record, "prNumber")
        meaning.repo = name_of(record, "prRepository")
        text = f"Pull request {f'#{number} ' if number else ''}{text_of(record, 'prUrl')}".strip()
    else:
        text = f"Published {text_of(record, 'title')} {text_of(record, 'frameUrl')}".strip()
    meaning.add(EntryKind.SYSTEM, 0, role="system", text=text)


def _system(record: Object, meaning: Meaning, line: int) -> None:
    subtype = text_of(record, "subtype")
    special = _SYSTEM.get(subtype)
    if special is not None:
        special(record, meaning)
    elif text_of(record, "content").strip():
        said = classify(text_of(record, "content"))
        is_typed = said.is_a is TextClass.COMMAND
        if said.text:
            meaning.add(EntryKind.SYSTEM, 0, role="system", text=said.text, is_meta=not is_typed)
    else:
        meaning.problems.append(Problem(Severity.UNKNOWN, line, "unknown type of system record"))


def _turn_duration(record: Object, meaning: Meaning) -> None:
    duration = number_of(record, "durationMs")
    meaning.turn = TurnHint(TurnState.TURN_OVER, "turn_duration", "the duration of the turn")
    if duration is not None:
        text = f"The turn took {duration / 1000:.1f} s"
        meaning.add(EntryKind.STATUS, 0, role="system", text=text, duration_ms=duration, is_meta=True)


def _stop_hooks(record: Object, meaning: Meaning) -> None:
    meaning.turn = TurnHint(
        TurnState.TURN_OVER, "stop_hook_summary", "the hooks that run at the end of a turn"
    )
    errors = record.get("hookErrors")
    parts = [_error_text(error) for error in errors] if isinstance(errors, list) else []
    parts += [text_of(record, "stopReason")]
    text = "\n".join(part for part in parts if part)
    if text:
        is_error = bool(errors)
        meaning.add(EntryKind.SYSTEM, 0, role="system", text=text, is_error=is_error, is_meta=True)


def _compacted(record: Object, meaning: Meaning) -> None:
    facts = object_of(record, "compactMetadata") or object_of(record, "microcompactMetadata")
    tokens = number_of(facts, "preTokens")
    details = [text_of(facts, "trigger"), f"{tokens:,} tokens before" if tokens else ""]
    details = [detail for detail in details if detail]
    what = text_of(record, "content") or "Conversation compacted"
    text = f"{what} ({', '.join(details)})" if details else what
    meaning.add(EntryKind.SYSTEM, 0, role="system", text=text, is_meta=True)


def _api_error(record: Object, meaning: Meaning) -> None:
    attempt, limit = number_of(record, "retryAttempt"), number_of(record, "maxRetries")
    what = _error_text(record.get("error")) or "The model's API failed"
    headline = naming(what)
    tried = f" (attempt {attempt} of {limit})" if attempt is not None and limit else ""
    meaning.add(EntryKind.ERROR, 0, role="system", text=f"{what}{tried}", is_error=True)
    if attempt is not None and limit is not None and attempt >= limit:
        meaning.turn = TurnHint(
            TurnState.FAILED, "api_error_retries", f"attempt {attempt} of {limit}", headline
        )
    else:
        meaning.turn = TurnHint(TurnState.IN_TURN, "api_error_retrying", f"an API error{tried}")


def _error_text(error: JSON, depth: int = 4) -> str:
    """The text for people inside an error, which may be nested; a status goes before it."""
    if isinstance(error, str):
        return error
    if not isinstance(error, dict) or not depth:
        return ""
    inner = _error_text(error["error"], depth - 1) if isinstance(error.get("error"), dict) else ""
    code = text_of(object_of(error, "cause"), "code")
    text = inner or text_of(error, "message") or text_of(error, "stderr") or code
    status = number_of(error, "status")
    return f"{status} {text}".strip() if status else text


_SYSTEM: dict[str, Callable[[Object, Meaning], None]] = {
    "turn_duration": _turn_duration,
    "stop_hook_summary": _stop_hooks,
    "compact_boundary": _compacted,
    "microcompact_boundary": _compacted,
    "api_error": _api_error,
}


def _attachment(attachment: Object, meaning: Meaning, line: int) -> None:
    kind = text_of(attachment, "type")
    if kind == "queued_command":
        _queued(attachment, meaning)
    elif kind == "hook_permission_decision":
        _hook_decision(attachment, meaning)
    elif kind.startswith("hook_") and kind not in _SILENT_ATTACHMENTS:
        _hook(kind, attachment, meaning)
    elif kind in _FILES:
        _file(kind, attachment, meaning)
    elif kind not in _SILENT_ATTACHMENTS:
        meaning.problems.append(Problem(Severity.UNKNOWN, line, "unknown type of attachment"))


def _queued(attachment: Object, meaning: Meaning) -> None:
    """A prompt that was typed while the agent worked and given to it in the middle of its turn."""
    origin = text_of(object_of(attachment, "origin"), "kind")
    is_injected = attachment.get("isMeta") is True or origin not in ("", "human")
    read_typed(list(blocks_of({"content": attachment.get("prompt")})), meaning, is_injected)


def _hook_decision(attachment: Object, meaning: Meaning) -> None:
    decision = name_of(attachment, "decision")
    said = {"allow": "Allowed by a hook", "deny": "Denied by a hook"}.get(decision, "A hook decided")
    meaning.add(
        EntryKind.APPROVAL,
        0,
        role="system",
        text=said,
        call_id=text_of(attachment, "toolUseID")[:200],
        data={"decision": decision, "by": "hook"},
    )


def _hook(kind: str, attachment: Object, meaning: Meaning) -> None:
    """A hook that said something, or that failed."""
    name = text_of(attachment, "hookName") or text_of(attachment, "hookEvent") or "hook"
    has_failed = "error" in kind or kind == "hook_cancelled"
    blocking = _error_text(attachment.get("blockingError")) or text_of(
        object_of(attachment, "blockingError"), "blockingError"
    )
    said = blocking or content_text(attachment.get("content")) or text_of(attachment, "message")
    if has_failed:
        said = said or text_of(attachment, "stderr") or text_of(attachment, "stdout")
        verb = "was cancelled" if kind == "hook_cancelled" else "failed"
        text = f"Hook {name} {verb}{f': {said.strip()}' if said.strip() else ''}"
        meaning.add(EntryKind.SYSTEM, 0, role="system", text=text, is_error=True, is_meta=True)
    elif said.strip():
        meaning.add(EntryKind.SYSTEM, 0, role="system", text=f"Hook {name}: {said.strip()}", is_meta=True)


_FILES = {
    "file": "Attached",
    "new_file": "Attached",
    "image": "Attached",
    "nested_memory": "Loaded memory",
    "edited_text_file": "Changed outside of the session:",
    "edited_image_file": "Changed outside of the session:",
    "plan_file_reference": "Plan",
    "bagel_console": "Console",
}

_PATH_KEYS = ("filename", "path", "planFilePath")


def _file(kind: str, attachment: Object, meaning: Meaning) -> None:
    path = next((text for key in _PATH_KEYS if (text := text_of(attachment, key))), "")
    content = object_of(attachment, "content")
    inside = object_of(content, "file") or content
    body = text_of(inside, "content") or text_of(attachment, "snippet") or text_of(attachment, "planContent")
    text = f"{_FILES[kind]} {text_of(attachment, 'displayPath') or path}".strip()
    text = f"{text}\n\n{body}" if body else text
    meaning.add(EntryKind.SYSTEM, 0, role="system", text=text, path=path, is_meta=True)
