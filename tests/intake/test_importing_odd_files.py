"""Files that say less, say it twice, or are not what they seem."""

from __future__ import annotations

import io
import json
import os
import uuid

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit.models import MessageUsage, RawRecord, Transcript, TranscriptEntry
from chats.models import Chat
from intake.models import ImportedSession
from intake.reports import FileOutcome
from tasks.models import BackgroundTask
from tests.factories.workspace import MembershipFactory
from tests.intake.claude_records import SESSION, Session
from tests.intake.imports import run, talk, write
from workspace.actors import SYSTEM
from workspace.models import Membership
from workspace.services import set_secret

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Membership:
    return MembershipFactory()


def told() -> tuple[object, ...]:
    chat, transcript = Chat.objects.get(), Transcript.objects.get()
    return chat.message_count, chat.changed_at, chat.version, transcript.next_seq, transcript.output_tokens


def test_an_older_copy_of_a_file_takes_nothing_back(member, tmp_path):
    run(member, write(tmp_path / "new.jsonl", talk(6)))
    before = told()
    (report,) = run(member, write(tmp_path / "old.jsonl", talk(2)))
    assert report.outcome == FileOutcome.UNCHANGED
    assert told() == before


def test_two_copies_of_different_length_come_to_rest(member, tmp_path):
    write(tmp_path / "a.jsonl", talk(6))
    write(tmp_path / "b.jsonl", talk(2))
    run(member, tmp_path)
    before = told()
    assert {report.outcome for report in run(member, tmp_path)} == {FileOutcome.UNCHANGED}
    assert told() == before


def progress(session: Session, inner: dict[str, object]) -> None:
    message = {
        "type": inner["type"],
        "message": inner["message"],
        "uuid": inner["uuid"],
        "timestamp": inner["timestamp"],
    }
    data = {"type": "agent_progress", "agentId": "a1b2c3", "prompt": "Look", "message": message}
    session.add("progress", data=data, toolUseID="agent_msg_1", parentToolUseID="toolu_9")


def test_a_sub_agent_told_of_by_progress_and_by_its_own_file_comes_to_rest(member, tmp_path):
    own = Session(isSidechain=True, agentId="a1b2c3")
    own.user("Look")
    own.answer("Found", stop="end_turn")
    session = Session()
    session.user("Go")
    session.answer({"type": "tool_use", "id": "toolu_9", "name": "Task", "input": {"prompt": "Look"}})
    progress(session, own.rows[0])
    file = write(tmp_path / f"{SESSION}.jsonl", session)
    folder = tmp_path / SESSION / "subagents"
    folder.mkdir(parents=True)
    write(folder / "agent-a1b2c3.jsonl", own)
    run(member, file)
    task = BackgroundTask.objects.get()
    assert (task.status, task.source_call_id) == ("completed", "toolu_9")
    for _ in range(2):
        assert {report.outcome for report in run(member, file)} == {FileOutcome.UNCHANGED}
    again = BackgroundTask.objects.get()
    assert (again.version, again.evidence) == (task.version, task.evidence)


def test_a_file_without_anything_said_is_no_session(member, tmp_path):
    session = Session()
    session.bare("summary", summary="Some other talk", leafUuid="elsewhere")
    session.bare("file-history-snapshot", snapshot={}, messageId="m")
    (report,) = run(member, write(tmp_path / "s.jsonl", session))
    assert (report.outcome, report.format) == (FileOutcome.IGNORED, "claude_code")
    assert not Chat.objects.exists()


def test_a_session_without_times_is_of_when_its_file_was_written(member, tmp_path):
    session = Session()
    session.user("Hello")
    for row in session.rows:
        del row["timestamp"]
    file = write(tmp_path / "s.jsonl", session)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    run(member, file)
    assert Chat.objects.get().changed_at.timestamp() == 1_700_000_000
    assert [report.outcome for report in run(member, file)] == [FileOutcome.UNCHANGED]


def test_a_hostile_record_fails_its_file_and_not_the_next(member, tmp_path):
    hostile = talk(1)
    hostile.user("Deep")
    text = "".join(json.dumps(row) + "\n" for row in hostile.rows[:-1])
    row = json.dumps({**hostile.rows[-1], "message": {"role": "user", "content": "DEEP"}})
    (tmp_path / "a.jsonl").write_text(text + row.replace('"DEEP"', "[" * 1500 + "]" * 1500) + "\n")
    other = Session(sessionId="5e55107a-0000-4000-8000-000000000002")
    other.user("Hello")
    write(tmp_path / "b.jsonl", other)
    reports = run(member, tmp_path)
    assert reports[0].has_lost
    assert reports[1].outcome == FileOutcome.IMPORTED
    assert "DEEP" not in json.dumps(reports[0].to_json())


def test_records_of_two_sessions_in_one_file_become_two_chats(member, tmp_path):
    session = talk(1)
    fork = Session(sessionId="5e55107a-0000-4000-8000-000000000002")
    fork.user("Go on from here")
    fork.rows[0]["uuid"] = "uuid-fork"
    session.rows += fork.rows
    (report,) = run(member, write(tmp_path / "5e55107a-0000-4000-8000-000000000002.jsonl", session))
    chats = {chat.title: f"chat:{chat.pk}" for chat in Chat.objects.all()}
    assert report.session == chats["Go on from here"]
    assert report.other_sessions == [chats["Question 0"]]


def test_batches_by_bytes_give_what_one_batch_gives(member, tmp_path, monkeypatch):
    file = write(tmp_path / "s.jsonl", talk(20))
    monkeypatch.setattr("intake.reading.BATCH_BYTES", 700)
    run(member, file)
    texts = list(TranscriptEntry.objects.order_by("seq").values_list("text", flat=True))
    assert texts == [f"{word} {turn}" for turn in range(20) for word in ("Question", "Answer")]


def test_a_pipe_is_reported_and_not_waited_for(member, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    args = ["--workspace", member.tenant.slug, "--owner", member.user.email, "--json"]
    out = io.StringIO()
    with pytest.raises(CommandError, match="could not be read"):
        call_command("import_sessions", str(tmp_path / "pipe"), *args, stdout=out)
    line = json.loads(out.getvalue())
    assert (line["outcome"], line["session"]) == ("failed", "")
    assert "neither a file nor a folder" in line["problems"][0]["reason"]


def test_a_known_secret_in_an_id_is_stored_by_its_name(member, tmp_path):
    value = "Zx" + uuid.uuid4().hex
    set_secret(tenant_id=member.tenant_id, name="DB_PASSWORD", value=value, actor=SYSTEM)
    session = Session(sessionId=f"s-{value}")
    session.user("Go")
    call = {"type": "tool_use", "id": f"toolu_{value}", "name": "Agent", "input": {"prompt": "Look"}}
    session.answer(call, mid=f"msg_{value}")
    block = {"type": "tool_result", "tool_use_id": call["id"], "content": "Found"}
    session.user([block], toolUseResult={"status": "completed", "agentId": f"a{value}", "content": []})
    for outcome in (FileOutcome.IMPORTED, FileOutcome.UNCHANGED):
        assert [report.outcome for report in run(member, write(tmp_path / "s.jsonl", session))] == [outcome]
    assert BackgroundTask.objects.get().status == "completed"
    tables = (Chat, BackgroundTask, Transcript, TranscriptEntry, RawRecord, MessageUsage, ImportedSession)
    for table in tables:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT t::text FROM {table._meta.db_table} t")
            rows = [row[0] for row in cursor.fetchall()]
        assert rows or table is MessageUsage
        assert all(value not in row for row in rows), table


def test_a_time_that_has_not_come_does_not_move_the_row_at_each_import(member, tmp_path):
    session = talk(1)
    session.user("From a clock that is wrong", timestamp="2131-01-01T00:00:00Z")
    file = write(tmp_path / "s.jsonl", session)
    run(member, file)
    before = told()
    assert [report.outcome for report in run(member, file)] == [FileOutcome.UNCHANGED]
    assert told() == before
    assert Chat.objects.get().changed_at.isoformat() == session.rows[1]["timestamp"].replace("Z", "+00:00")


def test_a_sub_agent_whose_call_is_refused_in_the_end_is_cancelled(member, tmp_path):
    session = Session()
    session.user("Go")
    session.call("toolu_9", "Agent", description="Find callers", prompt="Look at src")
    file = write(tmp_path / "s.jsonl", session)
    run(member, file)
    assert BackgroundTask.objects.get().status == "unknown"
    session.result("toolu_9", "No", toolDenialKind="user-rejected", is_error=True)
    run(member, write(file, session))
    task = BackgroundTask.objects.get()
    assert (task.status, task.title) == ("cancelled", "Find callers")
    assert "refused" in task.evidence[0]["text"]
    assert [report.outcome for report in run(member, file)] == [FileOutcome.UNCHANGED]
    other = MembershipFactory()
    run(other, file)
    assert not BackgroundTask.objects.for_tenant(other.tenant_id).exists()
