"""Forks of Claude Code's sessions: what they copied belongs to the session that it came from."""

from __future__ import annotations

from typing import Any

import pytest

from audit.models import Transcript, TranscriptEntry
from chats.models import Chat
from intake.reports import FileOutcome
from tests.factories.workspace import MembershipFactory
from tests.intake.claude_records import SESSION, Session
from tests.intake.imports import run, talk, write
from workspace.models import Membership

pytestmark = pytest.mark.django_db

FORK = "5e55107a-0000-4000-8000-00000000000f"


@pytest.fixture
def member() -> Membership:
    return MembershipFactory()


def copied(row: dict[str, Any], number: int, *, has_new_ids: bool) -> dict[str, Any]:
    """A row as a fork writes it: under its own session, with what it was copied from."""
    uuid = f"copy-{number}" if has_new_ids else row["uuid"]
    original = {"sessionId": row["sessionId"], "messageUuid": row["uuid"]}
    return {**row, "sessionId": FORK, "uuid": uuid, "forkedFrom": original}


@pytest.mark.parametrize("fork_first", [True, False])
@pytest.mark.parametrize("has_new_ids", [True, False])
def test_a_forks_copies_belong_to_the_session_that_they_came_from(member, tmp_path, fork_first, has_new_ids):
    session = talk(2)
    fork = Session(sessionId=FORK)
    fork.user("Another way")
    fork.answer("Like this.", stop="end_turn")
    for row in fork.rows:
        row["uuid"] = f"own-{row['uuid']}"
        row["message"]["id"] = f"own-{row['message'].get('id')}"
    copies = [copied(row, number, has_new_ids=has_new_ids) for number, row in enumerate(session.rows)]
    fork.rows[:0] = copies
    session.user("Go on")
    files = [write(tmp_path / f"{SESSION}.jsonl", session), write(tmp_path / f"{FORK}.jsonl", fork)]
    for file in reversed(files) if fork_first else files:
        run(member, file)
    chats = {chat.title: chat for chat in Chat.objects.all()}
    assert {title: texts(chat) for title, chat in chats.items()} == {
        "Question 0": ["Question 0", "Answer 0", "Question 1", "Answer 1", "Go on"],
        "Another way": [f"Forked from session {SESSION}", "Another way", "Like this."],
    }
    assert sum(Transcript.objects.values_list("output_tokens", flat=True)) == 6
    assert {report.outcome for report in run(member, *files)} == {FileOutcome.UNCHANGED}


def texts(chat: Chat) -> list[str]:
    rows = TranscriptEntry.objects.filter(transcript__session_id=chat.pk)
    return list(rows.order_by("seq").values_list("text", flat=True))


@pytest.mark.parametrize("old_first", [True, False])
def test_old_records_under_their_old_session_are_not_doubled(member, tmp_path, old_first):
    session = talk(2)
    resumed = Session(sessionId=FORK)
    resumed.user("Go on elsewhere")
    resumed.rows[0]["uuid"] = "own-1"
    resumed.rows[:0] = session.rows
    files = [write(tmp_path / f"{SESSION}.jsonl", session), write(tmp_path / f"{FORK}.jsonl", resumed)]
    for file in files if old_first else reversed(files):
        run(member, file)
    chats = {chat.title: texts(chat) for chat in Chat.objects.all()}
    assert chats == {
        "Question 0": ["Question 0", "Answer 0", "Question 1", "Answer 1"],
        "Go on elsewhere": ["Go on elsewhere"],
    }
    assert {report.outcome for report in run(member, *files)} == {FileOutcome.UNCHANGED}
