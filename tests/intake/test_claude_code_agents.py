"""Sub-agents, wherever their records stand, come out apart and linked to the call that started them."""

from pathlib import Path

import pytest

from intake.readers.base import TurnState
from intake.readers.side_files import AgentMeta, agent_files, agent_id_of, meta_of
from intake.readers.summary import link_child
from tests.intake.claude_records import (
    INLINE_SIDECHAINS,
    OWN_AGENT_FILE,
    PRESENT_DAY,
    PROGRESS_AGENTS,
    Session,
    entries,
    read,
    summaries,
)


def test_inline_sidechains_are_told_apart_and_linked_by_their_prompt() -> None:
    main, page, types = summaries(read(INLINE_SIDECHAINS.read_bytes()))
    assert main.agent_id == ""
    assert [(one.title, one.messages) for one in (main, page, types)] == [
        ("Thanks, now the tests please", 4),
        ("Make a page", 3),
        ("Make types", 3),
    ]
    assert [(one.started_by and one.started_by.call_id) for one in (main, page, types)] == [
        None, "toolu_C2", "toolu_C1",
    ]  # fmt: skip
    assert {child.outcome for child in main.children} == {"completed"}
    assert {one.session_id for one in (main, page, types)} == {main.session_id}


def test_interleaved_sidechains_stay_apart() -> None:
    session = Session(isSidechain=True)
    first = session.user("One", parentUuid=None)
    second = session.user("Two", parentUuid=None)
    first = session.answer("1a", parentUuid=first)
    second = session.answer("2a", parentUuid=second)
    session.answer("1b", parentUuid=first)
    session.answer("2b", parentUuid=second)
    found: dict[str, list[str]] = {}
    for record in session.read():
        found.setdefault(record.agent_id, []).extend(entry.text for entry in record.entries)
    assert list(found.values()) == [["One", "1a", "1b"], ["Two", "2a", "2b"]]


def test_a_file_of_its_own_is_the_sub_agents_alone_and_found_by_its_parent() -> None:
    (child,) = summaries(read(OWN_AGENT_FILE.read_bytes()))
    parent = summaries(read(PRESENT_DAY.read_bytes()))[0]
    assert (child.session_id, child.agent_id) == (parent.session_id, "ae57c0ffee")
    hint = link_child(child, parent.children)
    assert hint is not None
    assert (hint.call_id, hint.title, hint.agent_type) == ("toolu_A4", "Find callers of price", "Explore")
    assert hint.outcome == "completed"


def test_a_running_sub_agent_is_found_by_its_prompt_before_its_call_has_a_result() -> None:
    session = Session()
    session.call("toolu_1", "Task", prompt="List every caller of price().", description="Callers")
    (child,) = summaries(read(OWN_AGENT_FILE.read_bytes()))
    hint = link_child(child, session.summary.children)
    assert hint is not None
    assert (hint.call_id, hint.outcome) == ("toolu_1", "running")


def test_messages_inside_records_of_progress_are_the_sub_agents() -> None:
    main, child = summaries(read(PROGRESS_AGENTS.read_bytes()))
    assert (child.agent_id, child.title, child.messages, child.turns) == ("af00d", "Count files", 1, 1)
    assert child.started_by is not None
    assert (child.started_by.call_id, child.started_by.outcome) == ("toolu_F1", "running")
    assert (child.first.model, main.first.model) == ("claude-haiku-4-5", "claude-opus-4-6")
    assert [call.tool_name for call in main.open_calls] == ["Task"]


def test_a_sub_agent_with_a_file_of_its_own_is_not_read_from_its_parents_file_too() -> None:
    records = read(PROGRESS_AGENTS.read_bytes(), own_files=frozenset({"af00d"}))
    inline = [record for record in records if record.agent_id == "af00d"]
    assert len(inline) == 3
    assert all(not record.entries and record.usage is None for record in inline)
    assert all(record.record is not None for record in inline)


def test_both_places_give_a_record_the_same_ids() -> None:
    session = Session(isSidechain=True, agentId="a1")
    inner = {"uuid": "same", "type": "user", "message": {"role": "user", "content": "Go"}}
    session.rows.append({**inner, "isSidechain": True, "agentId": "a1", "sessionId": "s"})
    progress = {"type": "progress", "uuid": "other", "sessionId": "s", "isSidechain": False}
    session.rows.append({**progress, "data": {"type": "agent_progress", "agentId": "a1", "message": inner}})
    alone, inside = session.rows
    session.rows = [alone]
    own = entries(session.read())
    session.rows = [inside]
    assert entries(session.read()) == own
    session.rows = [alone, inside]
    assert entries(session.read()) == own


def test_a_sub_agents_own_sub_agents_belong_to_it() -> None:
    session = Session(isSidechain=True, agentId="outer")
    session.call("toolu_1", "Agent", prompt="Go", description="Inner work")
    session.result("toolu_1", "ok", {"agentId": "inner", "status": "completed"})
    (outer,) = summaries(session.read())
    (hint,) = outer.children
    assert (hint.call_id, hint.agent_id, hint.title) == ("toolu_1", "inner", "Inner work")
    assert (hint.outcome, hint.parent) == ("completed", "outer")


def test_a_failed_call_fails_its_sub_agent() -> None:
    session = Session()
    session.call("toolu_1", "Task", prompt="Go", description="Work")
    session.result("toolu_1", "Error: no", "Error: no", is_error=True)
    assert [child.outcome for child in session.summary.children] == ["failed"]


@pytest.mark.parametrize(
    ("content", "typed", "fields"),
    [
        ("The user doesn't want to proceed with this tool use.", "User rejected tool use", {}),
        ("No", "Error: No", {"toolDenialKind": "auto-mode-denied"}),
        ("The user doesn't want to proceed with this tool use.", None, {}),
    ],
)
def test_a_call_that_was_refused_started_no_sub_agent(content: str, typed: object, fields: dict) -> None:
    session = Session()
    session.call("toolu_1", "Task", prompt="Go", description="Refused")
    session.call("toolu_2", "Task", prompt="Go on", description="Allowed")
    session.result("toolu_1", content, typed, is_error=True, **fields)
    assert [child.title for child in session.summary.children] == ["Allowed"]


def test_a_refused_call_whose_agent_is_known_is_cancelled() -> None:
    session = Session()
    session.call("toolu_1", "Task", prompt="Go", description="Work")
    progress = {"type": "agent_progress", "agentId": "a1", "message": {"type": "user", "uuid": "u1"}}
    session.add("progress", data=progress, parentToolUseID="toolu_1")
    session.result("toolu_1", "No", "User rejected tool use", is_error=True)
    (child,) = summaries(session.read())[0].children
    assert (child.agent_id, child.title, child.outcome) == ("a1", "Work", "cancelled")


def test_an_interrupted_sub_agent_is_cancelled() -> None:
    session = Session()
    session.call("toolu_1", "Task", prompt="Go", description="Work")
    said = "[Request interrupted by user for tool use]"
    session.result("toolu_1", said, f"Error: {said}", is_error=True)
    assert [child.outcome for child in session.summary.children] == ["cancelled"]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("completed", "completed"), ("failed", "failed"), ("killed", "cancelled"), ("running", "running")],
)
def test_a_notification_says_how_a_background_agent_ended(status: str, outcome: str) -> None:
    session = Session()
    session.call("toolu_1", "Task", prompt="Go", description="Work")
    session.result("toolu_1", "Started", {"isAsync": True, "status": "async_launched", "agentId": "a1"})
    tags = f"<task-id>a1</task-id><status>{status}</status><summary>It ended</summary>"
    session.user(f"<task-notification>{tags}</task-notification>")
    assert [(child.agent_id, child.outcome) for child in session.summary.children] == [("a1", outcome)]


def test_equal_prompts_started_twice_are_two_sub_agents() -> None:
    session = Session()
    session.call("toolu_1", "Task", prompt="Go", description="First")
    session.call("toolu_2", "Task", prompt="Go", description="Second")
    session.user("Go", isSidechain=True, parentUuid=None)
    session.user("Go", isSidechain=True, parentUuid=None)
    main, *children = summaries(session.read())
    assert [child.title for child in children] == ["First", "Second"]
    assert len(main.children) == 2
    assert all(child.state is TurnState.IN_TURN for child in children)


def test_the_files_of_sub_agents_are_found_in_the_sessions_folder_and_beside_it(tmp_path: Path) -> None:
    session_file = tmp_path / "s1.jsonl"
    session_file.write_text("")
    inside = tmp_path / "s1" / "subagents" / "workflows" / "wf_1" / "agent-a1.jsonl"
    inside.parent.mkdir(parents=True)
    inside.write_text("")
    record = Session(sessionId="s1", isSidechain=True, agentId="a2")
    record.user("Go")
    (tmp_path / "agent-a2.jsonl").write_bytes(record.data)
    other = Session(sessionId="s2", isSidechain=True, agentId="a3")
    other.user("Go")
    (tmp_path / "agent-a3.jsonl").write_bytes(other.data)
    (tmp_path / "agent-a4.jsonl").write_bytes(b"\xff\xfe not a session")
    assert agent_files(session_file) == {"a1": inside, "a2": tmp_path / "agent-a2.jsonl"}
    assert agent_id_of(inside) == "a1"


def test_the_note_beside_a_sub_agents_file_says_what_it_was_started_as(tmp_path: Path) -> None:
    assert meta_of(OWN_AGENT_FILE) == AgentMeta("Explore", "Find callers of price")
    assert meta_of(tmp_path / "agent-x.jsonl") == AgentMeta()
    (tmp_path / "agent-x.meta.json").write_text("[1")
    assert meta_of(tmp_path / "agent-x.jsonl") == AgentMeta()


def test_records_of_an_agents_file_that_name_no_chain_are_the_agents() -> None:
    session = Session(isSidechain=True, agentId="a1")
    session.user("Go")
    session.rows.append({"type": "file-history-snapshot", "snapshot": {}})
    assert [record.agent_id for record in session.read()] == ["a1", "a1"]
