"""What the records of Codex's rollouts become."""

from __future__ import annotations

import io
import json

import pytest

from audit.entries import EntryKind
from intake.readers.base import Severity, TurnState
from intake.readers.detect import detect
from tests.intake.codex_records import THREAD, Rollout, entries, read, said

EXEC = (
    "Chunk ID: 9f1\nWall time: 0.2510 seconds\nProcess exited with code {}\n"
    "Original token count: 7\nOutput:\n{}"
)


def test_each_message_stands_in_the_transcript_once() -> None:
    rollout = Rollout()
    rollout.turn("Fix the build", "Looking.", "Done.")
    assert said(rollout.read()) == ["Fix the build", "Looking.", "Done."]


def test_a_message_that_only_an_event_tells_of_is_not_lost() -> None:
    rollout = Rollout()
    rollout.event("user_message", message="Fix the build")
    rollout.event("agent_message", message="Done.")
    rollout.event("task_complete", last_agent_message="Done.")
    assert said(rollout.read()) == ["Fix the build", "Done."]


def test_an_event_that_comes_before_its_item_adds_nothing() -> None:
    rollout = Rollout()
    rollout.event("user_message", message="Again")
    rollout.told("Again")
    rollout.answer("Yes.")
    rollout.user("Again")
    rollout.answer("Yes.")
    rollout.event("task_complete")
    assert said(rollout.read()) == ["Again", "Yes.", "Again", "Yes."]


@pytest.mark.parametrize(
    "text",
    [
        "<environment_context>\n  <cwd>/srv</cwd>\n</environment_context>",
        "# AGENTS.md instructions for /srv\n\n<INSTRUCTIONS>\nBe kind.\n</INSTRUCTIONS>",
        "<user_instructions>Be kind.</user_instructions>",
        "<turn_aborted>The user interrupted.</turn_aborted>",
        "<permissions instructions>Ask first.</permissions instructions>",
    ],
)
def test_what_the_program_puts_in_the_users_place_is_meta_and_no_title(text: str) -> None:
    rollout = Rollout()
    rollout.told(text)
    rollout.told("Be brief.", role="developer")
    rollout.user("Fix the build")
    flags = [(entry.text, entry.is_meta) for entry in rollout.entries]
    assert flags == [(text, True), ("Be brief.", True), ("Fix the build", False)]
    assert (rollout.summary.title, rollout.summary.messages) == ("Fix the build", 1)


def test_markup_that_a_person_pasted_is_the_persons() -> None:
    rollout = Rollout()
    rollout.user("<div>Why is this red?</div>")
    assert rollout.summary.title == "<div>Why is this red?</div>"


def test_the_title_is_the_request_without_what_the_editor_put_before_it() -> None:
    rollout = Rollout()
    rollout.user(
        "# Context from my IDE setup:\n\n## Open tabs:\n- a.py\n\n## My request for Codex:\nFix it\n"
    )
    assert rollout.summary.title == "Fix it"


def test_pictures_are_named_and_their_bytes_left_out() -> None:
    rollout = Rollout()
    picture = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 8000}
    texts = [{"type": "input_text", "text": text} for text in ("<image name=[Image #1]>", "</image>", "Why?")]
    rollout.item("message", role="user", content=[texts[0], picture, texts[1], texts[2]])
    assert said(rollout.read()) == ["[image: image/png, 5 KB]\n\nWhy?"]


def test_reasoning_is_its_summary_and_nothing_where_it_is_encrypted() -> None:
    rollout = Rollout()
    rollout.event("agent_reasoning", text="**Weighing it**")
    parts = [{"type": "summary_text", "text": "**Weighing it**"}]
    rollout.item("reasoning", summary=parts, encrypted_content="gAAA")
    rollout.item("reasoning", summary=[], encrypted_content="gAAA")
    rollout.event("task_complete")
    assert rollout.only(EntryKind.THINKING).text == "**Weighing it**"


@pytest.mark.parametrize(
    ("name", "arguments", "output"),
    [
        ("exec_command", {"cmd": "make"}, EXEC.format(2, "no rule")),
        ("shell_command", {"command": "make"}, "Exit code: 2\nWall time: 0.3 seconds\nOutput:\nno rule"),
        (
            "shell",
            {"command": ["bash", "-lc", "make"]},
            json.dumps({"output": "no rule", "metadata": {"exit_code": 2, "duration_seconds": 0.3}}),
        ),
    ],
)
def test_commands_of_all_versions_have_exit_code_and_duration(name, arguments, output) -> None:
    rollout = Rollout()
    rollout.call("c1", name, **arguments)
    rollout.result("c1", output)
    call, result = rollout.only(EntryKind.TOOL_CALL), rollout.only(EntryKind.TOOL_RESULT)
    assert (call.tool_name, call.arguments, result.tool_name) == (name, arguments, name)
    assert (result.text, result.is_error, result.data["exit_code"]) == ("no rule", True, 2)
    assert result.duration_ms in (251, 300)


def test_a_command_that_ends_well_is_no_error_whatever_it_prints() -> None:
    rollout = Rollout()
    rollout.call("c1", "exec_command", cmd="grep failed log")
    rollout.result("c1", EXEC.format(0, "failed to open, error: rejected by user"))
    result = rollout.only(EntryKind.TOOL_RESULT)
    assert (result.is_error, result.data) == (False, {"exit_code": 0})


def test_a_command_that_a_person_refused_is_denied() -> None:
    rollout = Rollout()
    rollout.call("c1", "shell", command=["rm", "-r", "/"])
    rollout.result("c1", "exec command rejected by user")
    result = rollout.only(EntryKind.TOOL_RESULT)
    assert (result.is_error, result.data) == (True, {"denied": "user-rejected"})


def test_writing_to_a_running_process_names_the_call_that_began_it() -> None:
    rollout = Rollout()
    rollout.call("c1", "exec_command", cmd="make watch")
    rollout.result("c1", "Wall time: 10.0 seconds\nProcess running with session ID 7\nOutput:\nbuilding")
    rollout.call("c2", "write_stdin", session_id=7, chars="")
    rollout.result("c2", EXEC.format(0, "built"))
    first, second = rollout.all(EntryKind.TOOL_RESULT)
    assert (first.data, first.text) == ({"background_id": "7"}, "building")
    assert second.data == {"exit_code": 0, "continues": "c1"}


def test_a_local_shell_call_is_a_call() -> None:
    rollout = Rollout()
    action = {"type": "exec", "command": ["ls"], "timeout_ms": None}
    rollout.item("local_shell_call", call_id="c1", status="completed", action=action)
    rollout.result("c1", "a.py")
    call = rollout.only(EntryKind.TOOL_CALL)
    assert (call.tool_name, call.arguments) == ("local_shell", action)
    assert rollout.only(EntryKind.TOOL_RESULT).text == "a.py"


def test_searches_and_tools_of_servers_are_calls() -> None:
    rollout = Rollout()
    rollout.item("web_search_call", status="completed", action={"type": "search", "query": "half up"})
    rollout.item("tool_search_call", call_id="s1", arguments={"query": "issues"})
    rollout.item("tool_search_output", call_id="s1", tools=[{"name": "list_issues"}])
    rollout.item("function_call", name="list", namespace="mcp__hub", call_id="m1", arguments="{}")
    rollout.result("m1", [{"type": "input_text", "text": "none"}])
    names = [entry.tool_name for entry in rollout.all(EntryKind.TOOL_CALL)]
    assert names == ["web_search", "tool_search", "mcp__hub.list"]
    assert [entry.text for entry in rollout.all(EntryKind.TOOL_RESULT)] == ["list_issues", "none"]
    assert rollout.summary.open_calls == ()


def test_arguments_that_are_no_json_are_kept_as_input() -> None:
    rollout = Rollout()
    rollout.item("function_call", name="shell", call_id="c1", arguments='{"command": ["ls"')
    assert rollout.only(EntryKind.TOOL_CALL).arguments == {"input": '{"command": ["ls"'}


def test_what_was_compacted_is_not_told_again() -> None:
    rollout = Rollout()
    rollout.turn("Fix the build", "Done.")
    history = [row["payload"] for row in rollout.rows if row["type"] == "response_item"]
    rollout.add("compacted", message="We fixed the build.", replacement_history=history)
    rollout.event("context_compacted")
    assert said(rollout.read()) == ["Fix the build", "Done."]
    assert rollout.only(EntryKind.SYSTEM).text == "Conversation compacted\n\nWe fixed the build."


def test_unknown_records_are_kept_and_counted() -> None:
    rollout = Rollout()
    rollout.add("hologram", type="x")
    rollout.item("hologram_call", call_id="h")
    rollout.event("hologram_begin")
    rollout.add("world_state", state={})
    records = rollout.read()
    problems = [problem for record in records for problem in record.problems]
    assert [problem.severity for problem in problems] == [Severity.UNKNOWN] * 3
    assert [problem.line for problem in problems] == [2, 3, 4]
    assert all(record.record is not None for record in records)


def test_files_of_before_the_envelope_are_read() -> None:
    rows = [
        {
            "id": THREAD,
            "timestamp": "2025-06-01T10:00:00.000Z",
            "instructions": None,
            "git": {"branch": "main"},
        },
        {"record_type": "state"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]},
        {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c1"},
        {"type": "function_call_output", "call_id": "c1", "output": "ok"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
    ]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    found = detect(io.BytesIO(data))
    assert found is not None
    assert found.key == "codex"
    records = read(data)
    assert [problem for record in records for problem in record.problems] == []
    assert {record.session_id for record in records} == {THREAD}
    kinds = [entry.kind.value for entry in entries(records)]
    assert kinds == ["message", "thinking", "tool_call", "tool_result", "message"]


def test_late_files_number_their_records_and_agents_talk_to_each_other() -> None:
    rollout = Rollout()
    rollout.add("inter_agent_communication", author="/root", recipient="/root/docs", content="Read the docs")
    rollout.event("item_completed", item={"type": "AgentMessage", "text": "x"})
    for number, row in enumerate(rollout.rows):
        row["ordinal"] = number
    assert "Read the docs" in rollout.only(EntryKind.SYSTEM).text
    assert rollout.summary.state is TurnState.IN_TURN


def test_a_session_says_where_it_ran_and_keeps_no_password_of_an_address() -> None:
    secret = "ghp_" + "a1B2" * 9
    git = {
        "branch": "main",
        "commit_hash": "abc",
        "repository_url": f"https://x:{secret}@host.example/acme/shop.git",
    }
    rollout = Rollout(git=git, originator="codex_vscode", source="vscode")
    rollout.add("turn_context", cwd="D:\\shop", model="gpt-5", sandbox_policy={"mode": "read-only"})
    rollout.add("turn_context", cwd="D:\\shop", model="gpt-6", sandbox_policy={"type": "workspace-write"})
    rollout.user("Hi")
    first, last = rollout.summary.first, rollout.summary.last
    assert (first.repo, first.branch, first.commit, first.origin) == ("acme/shop", "main", "abc", "vscode")
    assert (first.model, last.model, last.sandbox, last.cwd) == (
        "gpt-5",
        "gpt-6",
        "workspace-write",
        "D:\\shop",
    )
    assert first.version == "0.142.4"


def test_a_session_that_is_one_document_is_read() -> None:
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c1"},
        {
            "type": "function_call_output",
            "call_id": "c1",
            "output": '{"output":"ok","metadata":{"exit_code":0}}',
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
    ]
    session = {"id": THREAD, "timestamp": "2025-04-20T10:00:00.000Z", "instructions": ""}
    data = json.dumps({"session": session, "items": items}, indent=2).encode()
    found = detect(io.BytesIO(data))
    assert found is not None
    assert found.key == "codex"
    (record,) = read(data)
    assert record.session_id == THREAD
    assert [entry.kind.value for entry in record.entries] == [
        "message",
        "tool_call",
        "tool_result",
        "message",
    ]
    assert len({entry.native_id for entry in record.entries}) == 4


def test_late_versions_tell_some_things_only_by_completed_items() -> None:
    rollout = Rollout(history_mode="paginated")
    rollout.user("Go")
    rollout.event("item_completed", item={"type": "Reasoning", "id": "r1", "summary_text": ["Hm"]})
    rollout.item("reasoning", summary=[])
    message = {"type": "AgentMessage", "id": "m1", "content": [{"type": "Text", "text": "Done."}]}
    rollout.event("item_completed", item=message)
    rollout.item("message", role="assistant", content=[{"type": "output_text", "text": "Done."}])
    rollout.call("c1", "exec_command", cmd="ls")
    rollout.result("c1", "Exit code: 0\nOutput:\nok")
    for call_id, code in (("c1", 0), ("inner", 3)):
        command = {"type": "CommandExecution", "id": call_id, "command": ["make"], "exit_code": code}
        rollout.event("item_completed", item={**command, "aggregated_output": "boom"})
    rollout.event("item_completed", item={"type": "Plan", "id": "p1", "text": "First this"})
    rollout.event("task_complete")
    assert said(rollout.read()) == ["Go", "Done."]
    assert rollout.only(EntryKind.THINKING).text == "Hm"
    results = [(entry.call_id, entry.text, entry.is_error) for entry in rollout.all(EntryKind.TOOL_RESULT)]
    assert results == [("c1", "ok", False), ("inner", "boom", True)]
    assert rollout.only(EntryKind.SYSTEM).text == "Plan:\n\nFirst this"
