from __future__ import annotations

import io
import json
import shutil
import threading
import uuid
from datetime import datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit.models import AuditEntry, MessageUsage, RawRecord, RedactionFinding, Transcript, TranscriptEntry
from chats.models import Chat
from intake.importing import FileOutcome
from intake.models import ImportedSession
from intake.sources import Source
from tasks.models import BackgroundTask
from tests.factories.workspace import MembershipFactory, TenantFactory
from tests.intake.claude_records import (
    FIXTURES,
    INLINE_SIDECHAINS,
    OWN_AGENT_FILE,
    PRESENT_DAY,
    PROGRESS_AGENTS,
    START,
    Session,
)
from tests.intake.imports import importer, run, write
from workspace.actors import SYSTEM
from workspace.models import Membership
from workspace.services import set_secret

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Membership:
    return MembershipFactory(tenant__slug="acme", user__email="ada@example.com")


def counts() -> dict[str, int]:
    tables = (Chat, BackgroundTask, Transcript, TranscriptEntry, RawRecord, MessageUsage, ImportedSession)
    return {table.__name__: table.objects.count() for table in tables}


def test_a_session_becomes_a_chat_with_its_facts(member):
    reports = run(member, PRESENT_DAY)
    chat = Chat.objects.get()
    transcript = Transcript.objects.get(session_kind="chat")
    assert (chat.title, chat.repo, chat.origin) == ("Round prices half up", "acme/shop", "desktop")
    assert chat.owner_id == member.user_id
    assert chat.changed_at == chat.last_message_at
    assert (transcript.branch_last, transcript.cwd_last, transcript.runtime_version) == (
        "next",
        "D:\\shop",
        "2.1.217",
    )
    assert transcript.source == "claude_code"
    assert reports[0].session == f"chat:{chat.pk}"
    assert [report.outcome for report in reports] == [FileOutcome.IMPORTED] * 2
    assert AuditEntry.objects.filter(action="import", object_id=chat.pk).exists()


def test_a_sub_agent_is_a_child_task_linked_to_the_call_that_started_it(member):
    run(member, PRESENT_DAY)
    task, chat = BackgroundTask.objects.get(), Chat.objects.get()
    assert (task.source_kind, task.source_id) == ("chat", chat.pk)
    assert task.is_folded
    call = TranscriptEntry.objects.get(pk=task.source_entry_id)
    assert (call.kind, call.call_id) == ("tool_call", task.source_call_id)
    assert call.transcript.session_id == chat.pk
    assert Transcript.objects.get(session_kind="background_task").entry_count == 4


@pytest.mark.parametrize("file", [INLINE_SIDECHAINS, PROGRESS_AGENTS])
def test_sub_agents_inside_the_sessions_file_are_children_too(member, file):
    (report,) = run(member, file)
    assert report.children == BackgroundTask.objects.count() > 0
    assert all(task.is_folded and task.source_kind for task in BackgroundTask.objects.all())


def test_the_same_files_again_change_nothing(member):
    run(member, FIXTURES)
    before, versions = counts(), list(Chat.objects.order_by("pk").values_list("version", "changed_at"))
    audit = AuditEntry.objects.count()
    again = run(member, FIXTURES)
    outcomes = {report.outcome for report in again if report.format}
    assert outcomes == {FileOutcome.UNCHANGED}
    assert all(report.entries == 0 for report in again)
    assert counts() == before
    assert AuditEntry.objects.count() == audit
    assert list(Chat.objects.order_by("pk").values_list("version", "changed_at")) == versions


def test_a_sub_agents_file_that_comes_first_is_joined_to_its_session_later(member, tmp_path):
    alone = tmp_path / OWN_AGENT_FILE.name
    shutil.copy(OWN_AGENT_FILE, alone)
    run(member, alone)
    orphan = BackgroundTask.objects.get()
    assert not orphan.is_folded
    run(member, PRESENT_DAY)
    joined = BackgroundTask.objects.get()
    assert joined.pk == orphan.pk
    assert (joined.is_folded, joined.source_kind) == (True, "chat")


def test_a_grown_file_adds_only_what_is_new(member, tmp_path):
    session = Session()
    session.user("Fix the build")
    session.answer("Looking.", stop="end_turn")
    file = write(tmp_path / "s.jsonl", session)
    run(member, file)
    session.user("And the tests")
    session.answer("Done.", stop="end_turn")
    (report,) = run(member, write(file, session))
    assert (report.outcome, report.entries) == (FileOutcome.GROWN, 2)
    texts = TranscriptEntry.objects.order_by("seq").values_list("text", flat=True)
    assert list(texts) == ["Fix the build", "Looking.", "And the tests", "Done."]
    assert Chat.objects.get().message_count == 4


def test_growing_record_by_record_ends_where_reading_at_once_does(member, tmp_path):
    lines = PRESENT_DAY.read_bytes().splitlines(keepends=True)
    grown = tmp_path / PRESENT_DAY.name
    for end in range(1, len(lines) + 1):
        grown.write_bytes(b"".join(lines[:end]))
        run(member, grown)
    stepwise = Chat.objects.get()
    other = MembershipFactory()
    run(other, PRESENT_DAY)
    at_once = Chat.objects.get(tenant=other.tenant)
    for field in ("title", "status", "message_count", "turn_count", "changed_at", "repo", "evidence"):
        assert getattr(stepwise, field) == getattr(at_once, field), field
    numbers = [
        list(
            TranscriptEntry.objects.filter(tenant=t, transcript__session_kind="chat")
            .order_by("seq")
            .values_list("native_id")
        )
        for t in (member.tenant, other.tenant)
    ]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize(
    ("rows", "status", "says"),
    [
        (lambda s: (s.user("Hi"), s.answer("Hello", stop="end_turn")), "idle", "The last turn has ended"),
        (lambda s: s.user("Hi"), "idle", "ends inside a turn"),
        (lambda s: (s.user("Hi"), s.user("[Request interrupted by user]")), "idle", "interrupted"),
    ],
)
def test_a_files_end_is_never_called_finished(member, tmp_path, rows, status, says):
    session = Session()
    rows(session)
    run(member, write(tmp_path / "s.jsonl", session))
    chat = Chat.objects.get()
    assert (chat.status, chat.ended_at) == (status, None)
    assert says in chat.evidence[0]["text"]


def test_known_secrets_leave_only_their_names(member, tmp_path):
    value = "Zx" + uuid.uuid4().hex
    set_secret(tenant_id=member.tenant_id, name="DB_PASSWORD", value=value, actor=SYSTEM)
    session = Session(cwd=f"/srv/{value}", gitBranch=f"fix/{value}")
    session.user(f"Use {value} please")
    session.bare("custom-title", customTitle=f"Rotate {value}")
    (report,) = run(member, write(tmp_path / "s.jsonl", session))
    assert report.redactions > 0
    assert Chat.objects.get().title == "Rotate [DB_PASSWORD]"
    for table in (Chat, Transcript, TranscriptEntry, RawRecord, RedactionFinding, AuditEntry):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT t::text FROM {table._meta.db_table} t")
            assert all(value not in row[0] for row in cursor.fetchall()), table


def test_files_that_are_no_sessions_are_ignored(member, tmp_path):
    for name, content in {
        "notes.md": b"# Notes",
        "data.json": b'{"a": 1}',
        "image.png": b"\x89PNG\r\n\x1a\n\0\0",
        "empty.jsonl": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
    assert {report.outcome for report in run(member, tmp_path)} == {FileOutcome.IGNORED}


def test_a_bad_file_does_not_stop_the_rest(member, tmp_path):
    session = Session()
    session.user("Hello")
    good = write(tmp_path / "good.jsonl", session)
    (tmp_path / "bad.jsonl").write_bytes(
        good.read_bytes().replace(b"uuid-0001", b"uuid-0002")[:-20] + b"\n{oops\n"
    )
    outcomes = [report.outcome for report in run(member, tmp_path)]
    assert FileOutcome.IMPORTED in outcomes


def test_another_tenant_gets_sessions_of_its_own(member):
    other = MembershipFactory()
    run(member, INLINE_SIDECHAINS)
    (report,) = run(other, INLINE_SIDECHAINS)
    assert report.outcome == FileOutcome.IMPORTED
    assert Chat.objects.for_tenant(other.tenant_id).count() == 1


def test_bytes_that_are_no_file_become_the_same_rows(member):
    run(member, PRESENT_DAY)
    other = MembershipFactory()
    made = importer(other)
    opened = []

    def source(path: Path) -> Source:
        def stream() -> io.BytesIO:
            opened.append(path)
            return io.BytesIO(path.read_bytes())

        return Source(name=path.name, written_at=START, open=stream)

    reports = [made.import_source(source(path)) for path in (PRESENT_DAY, OWN_AGENT_FILE)]
    # Its starter told of the sub-agent before its own records came.
    assert [report.outcome for report in reports] == [FileOutcome.IMPORTED, FileOutcome.GROWN]
    assert reports[0].path == PRESENT_DAY.name
    assert set(opened) == {PRESENT_DAY, OWN_AGENT_FILE}
    for table, names in {
        Chat: ("title", "status", "message_count", "changed_at"),
        BackgroundTask: ("title", "status", "turn_count", "is_folded", "source_call_id"),
        TranscriptEntry: ("native_id", "text"),
    }.items():
        from_disk, from_bytes = (
            sorted(table.objects.for_tenant(one.tenant_id).values_list(*names)) for one in (member, other)
        )
        assert from_disk == from_bytes != []


def test_a_file_that_is_gone_is_reported(member, tmp_path):
    report = importer(member).import_file(tmp_path / "gone.jsonl")
    assert (report.outcome, report.has_lost) == (FileOutcome.FAILED, True)


@pytest.mark.django_db(transaction=True)
def test_two_importers_at_once_double_nothing(member):
    barrier, outcomes = threading.Barrier(2), []

    def work() -> None:
        try:
            barrier.wait()
            outcomes.extend(report.outcome for report in run(member, PRESENT_DAY))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes).count(FileOutcome.IMPORTED) == 2
    assert (Chat.objects.count(), BackgroundTask.objects.count()) == (1, 1)
    natives = list(TranscriptEntry.objects.values_list("transcript_id", "native_id"))
    assert len(natives) == len(set(natives))


def call(*args: str) -> tuple[list[dict[str, object]], str]:
    out = io.StringIO()
    call_command("import_sessions", *args, stdout=out)
    text = out.getvalue()
    return ([json.loads(line) for line in text.splitlines()] if "--json" in args else []), text


def test_the_command_tells_one_json_line_a_file(member):
    lines, _ = call(str(FIXTURES), "--workspace", "acme", "--owner", "ada@example.com", "--json")
    told = {Path(str(line["path"])).name: line for line in lines}
    session = told[PRESENT_DAY.name]
    assert session["outcome"] == "imported"
    assert session["format"] == "claude_code"
    assert str(session["session"]).startswith("chat:")
    assert {"entries", "children", "problems", "redactions"} <= session.keys()
    assert told["agent-ae57c0ffee.meta.json"]["outcome"] == "ignored"


def test_a_dry_run_keeps_nothing(member):
    _, text = call(str(FIXTURES), "--workspace", "acme", "--owner", "ada@example.com", "--dry-run")
    assert "Would be: 4 imported" in text or "Would be: 1 ignored, 4 imported" in text
    assert not any(counts().values())


@pytest.mark.parametrize(
    ("args", "names"),
    [
        (["--workspace", "nowhere", "--owner", "ada@example.com"], "--workspace"),
        (["--workspace", "acme", "--owner", "nobody@example.com"], "--owner"),
    ],
)
def test_a_wrong_workspace_or_owner_is_named(member, args, names):
    with pytest.raises(CommandError, match=names) as refused:
        call(str(FIXTURES), *args)
    assert refused.value.returncode == 2


def test_an_owner_of_another_workspace_is_refused(member):
    TenantFactory(slug="other")
    with pytest.raises(CommandError, match="--owner"):
        call(str(FIXTURES), "--workspace", "other", "--owner", "ada@example.com")


def test_a_missing_path_is_named(member):
    with pytest.raises(CommandError, match="no-such-file"):
        call("no-such-file", "--workspace", "acme", "--owner", "ada@example.com")


def test_a_lost_record_ends_with_exit_code_1_after_all_files(member, tmp_path):
    session = Session()
    session.user("Hello")
    session.answer("Hi", stop="end_turn")
    rows = [json.dumps(row) for row in session.rows]
    (tmp_path / "a.jsonl").write_text(
        f'{rows[0]}\n{{"type": "user", "message": {{"content": "cut\n{rows[1]}\n'
    )
    shutil.copy(INLINE_SIDECHAINS, tmp_path / "b.jsonl")
    with pytest.raises(CommandError, match="lost a record") as lost:
        call(str(tmp_path), "--workspace", "acme", "--owner", "ada@example.com")
    assert lost.value.returncode == 1
    assert Chat.objects.count() == 2


def test_a_sub_agent_that_was_interrupted_is_cancelled(member, tmp_path):
    session = Session(isSidechain=True, agentId="a1b2c3")
    session.user("Look around")
    session.user("[Request interrupted by user]")
    run(member, write(tmp_path / "agent-a1b2c3.jsonl", session))
    assert BackgroundTask.objects.get().status == "cancelled"


def test_a_sub_agent_cut_off_inside_its_work_is_unknown_and_says_why(member, tmp_path):
    session = Session(isSidechain=True, agentId="a1b2c3")
    session.user("Look around")
    run(member, write(tmp_path / "agent-a1b2c3.jsonl", session))
    task = BackgroundTask.objects.get()
    assert task.status == "unknown"
    assert "ends inside a turn" in task.evidence[0]["text"]


def test_what_the_evidence_quotes_is_redacted(member, tmp_path):
    value = "Zx" + uuid.uuid4().hex
    set_secret(tenant_id=member.tenant_id, name="DB_PASSWORD", value=value, actor=SYSTEM)
    session = Session()
    session.user("Go")
    session.answer({"type": "tool_use", "id": "toolu_1", "name": f"Tool{value}", "input": {}})
    run(member, write(tmp_path / "s.jsonl", session))
    evidence = json.dumps(Chat.objects.get().evidence)
    assert value not in evidence
    assert "[DB_PASSWORD]" in evidence


def start_agent(session: Session) -> str:
    call = {
        "type": "tool_use",
        "id": "toolu_9",
        "name": "Agent",
        "input": {"description": "Find callers", "prompt": "Look at src", "subagent_type": "Explore"},
    }
    session.user("Go")
    session.answer(call)
    return "toolu_9"


def finish_agent(session: Session, call_id: str) -> None:
    block = {
        "type": "tool_result",
        "tool_use_id": call_id,
        "content": [{"type": "text", "text": "Three callers"}],
    }
    session.user([block], toolUseResult={"status": "completed", "agentId": "a1b2c3", "content": []})


def test_a_sub_agent_without_records_of_its_own_is_told_by_its_starter(member, tmp_path):
    session = Session()
    call_id = start_agent(session)
    file = write(tmp_path / "s.jsonl", session)
    (report,) = run(member, file)
    task = BackgroundTask.objects.get()
    assert (report.children, task.status, task.title, task.prompt) == (
        1,
        "unknown",
        "Find callers",
        "Look at src",
    )
    finish_agent(session, call_id)
    (report,) = run(member, write(file, session))
    task = BackgroundTask.objects.get()
    assert (report.children, task.status, task.result) == (1, "completed", "Three callers")
    assert (task.source_call_id, task.is_folded) == (call_id, True)
    (again,) = run(member, file)
    assert again.outcome == FileOutcome.UNCHANGED


def test_its_own_file_goes_on_with_the_same_task(member, tmp_path):
    session = Session()
    finish_agent(session, start_agent(session))
    run(member, write(tmp_path / "s.jsonl", session))
    own = Session(isSidechain=True, agentId="a1b2c3")
    own.user("Look at src")
    own.answer("Three callers", stop="end_turn")
    run(member, write(tmp_path / "agent-a1b2c3.jsonl", own))
    task = BackgroundTask.objects.get()
    assert (task.title, task.status) == ("Find callers", "completed")
    assert Transcript.objects.get(session_id=task.pk).entry_count == 2
    outcomes = {report.outcome for report in run(member, tmp_path)}
    assert outcomes == {FileOutcome.UNCHANGED}


def launch_agent(session: Session) -> None:
    call_id = start_agent(session)
    reply = {"type": "tool_result", "tool_use_id": call_id, "content": "Async agent launched successfully."}
    session.user([reply], toolUseResult={"isAsync": True, "status": "async_launched", "agentId": "a1b2c3"})


def report_task(session: Session, task_id: str, call_id: str, status: str) -> str:
    tags = f"<task-id>{task_id}</task-id><tool-use-id>{call_id}</tool-use-id><status>{status}</status>"
    session.user(f"<task-notification>{tags}<result>Three callers</result></task-notification>")
    return session.rows[-1]["timestamp"]


def test_a_launch_reply_is_neither_the_result_nor_the_end_of_a_sub_agent(member, tmp_path):
    session = Session()
    launch_agent(session)
    file = write(tmp_path / "s.jsonl", session)
    run(member, file)
    task = BackgroundTask.objects.get()
    assert (task.status, task.result, task.finished_at) == ("unknown", "", None)
    session.answer("Meanwhile", stop="end_turn")
    ended = report_task(session, "a1b2c3", "toolu_9", "completed")
    run(member, write(file, session))
    task = BackgroundTask.objects.get()
    assert (task.status, task.result) == ("completed", "Three callers")
    assert task.finished_at == task.changed_at == datetime.fromisoformat(ended)
    assert [report.outcome for report in run(member, file)] == [FileOutcome.UNCHANGED]


@pytest.mark.parametrize(("status", "own"), [("failed", "failed"), ("killed", "cancelled")])
def test_a_report_of_another_end_is_taken_as_it_is(member, tmp_path, status, own):
    session = Session()
    launch_agent(session)
    report_task(session, "a1b2c3", "toolu_9", status)
    run(member, write(tmp_path / "s.jsonl", session))
    task = BackgroundTask.objects.get()
    assert (task.status, task.result) == (own, "")
    assert "launched" not in task.error


def test_a_launch_reply_is_no_result_of_a_sub_agent_with_its_own_file_either(member, tmp_path):
    session = Session()
    launch_agent(session)
    report_task(session, "a1b2c3", "toolu_9", "completed")
    write(tmp_path / "s.jsonl", session)
    own = Session(isSidechain=True, agentId="a1b2c3")
    own.user("Look at src")
    own.answer("Three callers", stop="end_turn")
    write(tmp_path / "agent-a1b2c3.jsonl", own)
    for _ in range(2):
        run(member, tmp_path)
    task = BackgroundTask.objects.get()
    assert (task.status, task.result, task.title) == ("completed", "", "Find callers")
    assert {report.outcome for report in run(member, tmp_path)} == {FileOutcome.UNCHANGED}


def test_a_command_in_the_background_is_no_sub_agent(member, tmp_path):
    session = Session()
    session.user("Go")
    session.answer({"type": "tool_use", "id": "toolu_9", "name": "Bash", "input": {"command": "make"}})
    reply = {"type": "tool_result", "tool_use_id": "toolu_9", "content": "Running in the background"}
    session.user([reply], toolUseResult={"stdout": "", "stderr": "", "backgroundTaskId": "b1"})
    report_task(session, "b1", "toolu_9", "completed")
    (report,) = run(member, write(tmp_path / "s.jsonl", session))
    assert not BackgroundTask.objects.exists()
    assert report.children == 0
