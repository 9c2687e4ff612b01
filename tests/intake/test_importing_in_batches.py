"""A file is read once and committed batch by batch: what each commit leaves is true."""

from __future__ import annotations

import pytest

from audit.models import RawRecord, TranscriptEntry
from chats.models import Chat
from intake.reports import FileOutcome, FileReport
from intake.sources import source_of
from tests.factories.workspace import MembershipFactory
from tests.intake.claude_records import Session
from tests.intake.imports import importer, run, talk, write
from workspace.models import Membership

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Membership:
    return MembershipFactory()


def test_a_large_file_is_committed_batch_by_batch_and_its_row_says_that_it_is_being_read(
    member, tmp_path, monkeypatch
):
    monkeypatch.setattr("intake.reading.BATCH", 4)
    session = talk(5)
    session.answer({"type": "tool_use", "id": "toolu_1", "name": "AskUserQuestion", "input": {}})
    file = write(tmp_path / "s.jsonl", session)
    made = importer(member)
    source, report = source_of(file), FileReport(str(file))
    seen = []
    for _ in made.steps(source, made.begin(source, report), report):
        chat = Chat.objects.get()
        seen.append((chat.status, chat.evidence[0]["text"][:31], TranscriptEntry.objects.count()))
    reading = "Its records are being read: whe"
    assert seen == [
        ("idle", reading, 4),
        ("idle", reading, 8),
        ("awaiting_you", "The agent asked a question that", 11),
    ]
    assert made.import_file(file).outcome == FileOutcome.UNCHANGED
    assert Chat.objects.get().version == chat.version


def test_what_a_dead_run_left_is_completed_by_the_next(member, tmp_path, monkeypatch):
    monkeypatch.setattr("intake.reading.BATCH", 4)
    file = write(tmp_path / "s.jsonl", talk(8))
    made = importer(member)
    source, report = source_of(file), FileReport(str(file))
    steps = made.steps(source, made.begin(source, report), report)
    next(steps), next(steps)
    steps.close()
    assert TranscriptEntry.objects.count() == 8
    completed = importer(member).import_file(file)
    assert (completed.outcome, completed.entries) == (FileOutcome.GROWN, 8)
    assert "The last turn has ended" in Chat.objects.get().evidence[0]["text"]


def test_records_before_anything_is_said_are_kept_with_what_is_said_later(member, tmp_path, monkeypatch):
    monkeypatch.setattr("intake.reading.BATCH", 4)
    session = Session()
    for number in range(10):
        session.bare("last-prompt", lastPrompt=f"Prompt {number}")
    session.rows += talk(1).rows
    (report,) = run(member, write(tmp_path / "s.jsonl", session))
    assert (report.outcome, RawRecord.objects.count()) == (FileOutcome.IMPORTED, 12)
