"""Files below a followed folder that fail, or that are of no use as they are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from audit.models import TranscriptEntry
from chats.models import Chat
from intake import writing
from intake.following import FIRST_REST, Follower
from intake.reports import FileOutcome, FileReport
from tests.factories.workspace import MembershipFactory
from tests.intake.imports import importer, talk, write

pytestmark = pytest.mark.django_db(transaction=True)


class Trial:
    """A follower that runs until something is so, and a session that cannot be stored for now."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reports: list[FileReport] = []
        self.tries = 0
        self.now = 0.0
        self.is_failing = True
        self.follower = Follower(
            importer(MembershipFactory()),
            [folder],
            tell=self.reports.append,
            notice=print,
            stop=lambda: self.is_over(),
            is_blind=True,
            clock=lambda: self.now,
        )
        store = writing.sync_imported_chat

        def refuse(**values: Any) -> Any:
            if values["delivery"].native_session_id == "bad":
                self.tries += 1
                if self.is_failing:
                    raise RuntimeError("it cannot be stored")
            return store(**values)

        monkeypatch.setattr("intake.writing.sync_imported_chat", refuse)

    def told(self, file: Path) -> list[FileOutcome]:
        return [report.outcome for report in self.reports if report.path == str(file)]

    def run_until(self, is_over: Any) -> None:
        self.is_over = is_over
        self.follower.run()


def test_a_file_that_fails_rests_until_its_time_has_come_or_it_is_replaced(tmp_path, monkeypatch):
    trial = Trial(tmp_path, monkeypatch)
    session = talk(1, sessionId="bad")
    file = write(tmp_path / "bad.jsonl", session)
    trial.run_until(lambda: trial.reports)
    for number in range(2):
        session.user(f"More {number}")
        with file.open("a") as writer:
            writer.write(json.dumps(session.rows[-1]) + "\n")
        write(tmp_path / f"{number}.jsonl", talk(1, sessionId=f"s{number}"))
        trial.run_until(lambda count=number + 1: Chat.objects.count() == count)
    assert trial.tries == 1
    trial.now += FIRST_REST
    trial.run_until(lambda: trial.tries == 2)
    write(tmp_path / "new", session)
    os.replace(tmp_path / "new", file)
    trial.run_until(lambda: trial.tries == 3)
    trial.is_failing = False
    trial.now += FIRST_REST * 4
    trial.run_until(lambda: trial.told(file)[-1] == FileOutcome.IMPORTED)
    assert trial.told(file) == [FileOutcome.FAILED, FileOutcome.IMPORTED], "why it fails is told once"
    assert TranscriptEntry.objects.filter(text__startswith="More").count() == 2


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_session_in_utf_16_is_ignored_with_what_to_do(tmp_path, monkeypatch, encoding):
    trial = Trial(tmp_path, monkeypatch)
    file = tmp_path / "s.jsonl"
    file.write_text("\ufeff" + talk(1).data.decode(), encoding=encoding)
    trial.run_until(lambda: trial.reports)
    (report,) = trial.reports
    assert (report.outcome, report.why_ignored) == (FileOutcome.IGNORED, "UTF-16, convert it to UTF-8")
    assert not Chat.objects.exists()
