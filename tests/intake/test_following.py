"""`import_sessions --follow` on real folders: what agents write becomes rows while they write."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.models import RawRecord, TranscriptEntry
from chats.models import Chat
from intake.reports import FileOutcome, FileReport
from intake.sources import source_of
from intake.watching import Watcher
from tasks.models import BackgroundTask
from tests.announcements import read_announcements
from tests.config.processes import eventually
from tests.factories.workspace import MembershipFactory
from tests.intake.claude_records import Session
from tests.intake.imports import importer, talk, write
from tests.intake.processes import NAME, database_away_from, following
from workspace.models import Membership

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def member() -> Membership:
    return MembershipFactory(tenant__slug="acme", user__email="ada@example.com")


def texts() -> list[str]:
    return list(TranscriptEntry.objects.order_by("seq").values_list("text", flat=True))


def append(path: Path, *rows: dict[str, object]) -> None:
    with path.open("a") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("way", ["told", "polling"])
def test_what_is_appended_is_shown_once_and_announced(member, tmp_path, way):
    session = talk(2)
    file = tmp_path / "s.jsonl"
    file.write_bytes(b"")
    append(file, *session.rows[:2])
    with following(member, tmp_path, *(["--poll"] if way == "polling" else [])) as follow:
        eventually(lambda: len(follow.reports) == 1)
        # What it reports it has announced: what is in the database by now it may be about to announce.
        before = read_announcements(member.tenant)
        append(file, session.rows[2])
        eventually(lambda: len(follow.reports) == 2)
        append(file, session.rows[3])
        eventually(lambda: len(follow.reports) == 3)
        assert follow.end(signal.SIGTERM) == 0
    chat = Chat.objects.get()
    assert texts() == ["Question 0", "Answer 0", "Question 1", "Answer 1"]
    assert (chat.message_count, chat.last_message_at.isoformat()) == (
        4,
        session.rows[3]["timestamp"].replace("Z", "+00:00"),
    )
    assert [(one["outcome"], one["entries"]) for one in follow.reports] == [
        ("imported", 2),
        ("grown", 1),
        ("grown", 1),
    ]
    assert read_announcements(member.tenant)[len(before) :] == [("chat", str(chat.pk))] * 2


def test_a_torn_line_waits_for_its_rest(member, tmp_path):
    session = talk(1)
    file = write(tmp_path / "s.jsonl", session)
    session.user("Next")
    line = json.dumps(session.rows[-1]) + "\n"
    with following(member, tmp_path) as follow:
        eventually(lambda: len(texts()) == 2)
        with file.open("a") as writer:
            writer.write(line[:40])
            writer.flush()
            append(tmp_path / "other.jsonl", *talk(1, sessionId="other").rows)
            eventually(lambda: Chat.objects.count() == 2)  # the torn line has been seen by now
            writer.write(line[40:])
        eventually(lambda: "Next" in texts())
        assert not any(report["problems"] for report in follow.reports)


def test_new_folders_and_files_are_found(member, tmp_path):
    with following(member, tmp_path):
        for number in range(3):
            folder = tmp_path / f"-srv-{number}" / "deep"
            folder.mkdir(parents=True)
            write(folder / "s.jsonl", talk(1, sessionId=f"s{number}"))
        eventually(lambda: Chat.objects.count() == 3)
    assert sorted(texts()) == ["Answer 0"] * 3 + ["Question 0"] * 3


def test_a_folder_that_is_made_later_is_followed(member, tmp_path):
    with following(member, CLAUDE_CONFIG_DIR=str(tmp_path), CODEX_HOME=str(tmp_path / "codex")):
        (tmp_path / "projects").mkdir()
        write(tmp_path / "projects" / "s.jsonl", talk(1))
        eventually(lambda: len(texts()) == 2)
    assert texts() == ["Question 0", "Answer 0"]


def test_links_to_folders_are_not_followed_however_changes_are_told(member, tmp_path):
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    elsewhere.mkdir()
    here.mkdir()
    (here / "link").symlink_to(elsewhere)
    with following(member, here) as follow:
        write(elsewhere / "theirs.jsonl", talk(1, sessionId="theirs"))
        eventually(lambda: write(here / "ours.jsonl", talk(1, sessionId="ours")) and Chat.objects.exists())
        write(elsewhere / "theirs.jsonl", talk(2, sessionId="theirs"))
        write(here / "ours.jsonl", talk(2, sessionId="ours"))
        eventually(lambda: len(texts()) >= 4)
        assert follow.end(signal.SIGTERM) == 0
    assert {Path(report["path"]).name for report in follow.reports} == {"ours.jsonl"}


def test_what_may_not_be_looked_at_is_told_once(member, tmp_path):
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with following(member, tmp_path, "--poll") as follow:
        eventually(lambda: follow.reports)
        for number in range(2):  # each is found by a look of its own
            write(tmp_path / f"{number}.jsonl", talk(1, sessionId=f"s{number}"))
            eventually(lambda count=number + 1: Chat.objects.count() == count)
        assert follow.end(signal.SIGTERM) == 0
    (told,) = [report for report in follow.reports if report["outcome"] == "failed"]
    assert told["path"] == str(tmp_path / "circle")


def test_a_file_that_is_replaced_truncated_or_deleted_takes_nothing_back(member, tmp_path):
    session = talk(3)
    file = write(tmp_path / "s.jsonl", session)
    with following(member, tmp_path):
        eventually(lambda: len(texts()) == 6)
        session.user("After the rewrite")
        write(tmp_path / "new", session)
        os.replace(tmp_path / "new", file)
        eventually(lambda: len(texts()) == 7)
        file.write_bytes(talk(1).data)
        write(tmp_path / "other.jsonl", talk(1, sessionId="other"))
        eventually(lambda: Chat.objects.count() == 2)
        file.unlink()
        session.answer("And after that", stop="end_turn")
        write(file, session)
        eventually(lambda: "And after that" in texts())
    chat = Chat.objects.get(message_count=8)
    assert TranscriptEntry.objects.filter(transcript__session_id=chat.pk).count() == 8
    assert RawRecord.objects.filter(transcript__session_id=chat.pk).count() == 8


def test_a_sub_agent_that_comes_later_is_joined_and_its_outcome_follows(member, tmp_path):
    session = Session()
    session.user("Go")
    session.call("toolu_9", "Agent", description="Find callers", prompt="Look at src")
    file = write(tmp_path / "s.jsonl", session)
    own = Session(sessionId=session.rows[0]["sessionId"], isSidechain=True, agentId="a1b2c3")
    own.user("Look at src")
    with following(member, tmp_path):
        eventually(lambda: BackgroundTask.objects.filter(status="unknown", title="Find callers").count() == 1)
        folder = tmp_path / "s" / "subagents"
        folder.mkdir(parents=True)
        write(folder / "agent-a1b2c3.jsonl", own)
        eventually(lambda: "Look at src" in texts())
        session.result("toolu_9", "Three callers", {"status": "completed", "agentId": "a1b2c3"})
        write(file, session)
        eventually(lambda: BackgroundTask.objects.get().status == "completed")
    task, chat = BackgroundTask.objects.get(), Chat.objects.get()
    assert (task.source_id, task.source_call_id, task.is_folded) == (chat.pk, "toolu_9", True)


def test_ctrl_c_ends_it_with_a_summary(member, tmp_path):
    write(tmp_path / "s.jsonl", talk(1))
    with following(member, tmp_path) as follow:
        eventually(lambda: len(follow.reports) == 1)
        assert follow.end(signal.SIGINT) == 0
        assert not any("Traceback" in note for note in follow.notes)


def test_a_database_that_goes_away_and_comes_back_loses_nothing(member, tmp_path):
    session = talk(1)
    file = write(tmp_path / "s.jsonl", session)
    with following(member, tmp_path) as follow:
        eventually(lambda: len(texts()) == 2)
        with database_away_from(NAME):
            session.user("Meanwhile")
            append(file, session.rows[-1])
            write(tmp_path / "other.jsonl", talk(1, sessionId="other"))
            eventually(lambda: any("cannot be written to" in note for note in follow.notes))
        eventually(lambda: Chat.objects.count() == 2 and "Meanwhile" in texts())
        eventually(lambda: any("is back" in note for note in follow.notes))
        assert follow.end(signal.SIGTERM) == 0
    assert len(texts()) == 5


def test_where_no_watches_are_left_changes_are_looked_for(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "OS file watch limit reached")

    monkeypatch.setattr("intake.watching.watch", refuse)
    notes: list[str] = []
    watcher = Watcher([tmp_path], notice=notes.append)
    eventually(lambda: watcher.is_blind)
    watcher.close()
    assert "OS file watch limit reached" in notes[0]


def test_a_reading_that_goes_on_reads_only_what_is_new(member, tmp_path):
    session = talk(300)
    file = write(tmp_path / "s.jsonl", session)
    made, report = importer(member), FileReport("")
    reading = made.begin(source_of(file), report)
    assert list(made.steps(source_of(file), reading, report))[-1] == file.stat().st_size
    session.user("One more")
    append(file, session.rows[-1])
    taken: list[int] = []

    class Counted(io.FileIO):
        def readinto(self, buffer: Any) -> int:
            taken.append(super().readinto(buffer))
            return taken[-1]

    grown = replace(source_of(file), open=lambda: io.BufferedReader(Counted(file)))
    with grown.open() as stream:
        assert reading.goes_on_in(stream)
    report = FileReport("")
    list(made.steps(grown, reading, report))
    assert (report.outcome, report.entries) == (FileOutcome.GROWN, 1)
    assert sum(taken) < 100_000 < file.stat().st_size
