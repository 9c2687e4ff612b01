"""One row for each sub-agent, in whatever order its session, its own file and its outcome come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audit.models import AuditEntry
from chats.models import Chat
from intake.importing import Importer
from intake.models import ImportedSession
from tasks.models import BackgroundTask
from tasks.services import dismiss
from tests.factories.workspace import MembershipFactory
from tests.intake.claude_records import Session
from tests.intake.imports import importer, run, write
from workspace.actors import Actor
from workspace.models import Membership

pytestmark = pytest.mark.django_db

PROMPT = "Look at src"
DONE = {"status": "completed", "agentId": "a1b2c3", "content": [{"type": "text", "text": "Three callers"}]}


@pytest.fixture
def member() -> Membership:
    return MembershipFactory()


class Story:
    """A session that starts a sub-agent, told step by step: its (C)all, the (A)gent's file, the (R)esult."""

    def __init__(self, folder: Path, *, prompt: str) -> None:
        self.session = Session()
        self.file = folder / "s.jsonl"
        self.own_file = folder / "s" / "subagents" / "agent-a1b2c3.jsonl"
        self.prompt = prompt

    def tell(self, step: str) -> Path:
        steps: dict[str, Callable[[], Path]] = {"C": self.call, "A": self.work, "R": self.result}
        return steps[step]()

    def call(self) -> Path:
        self.session.user("Go")
        self.session.call("toolu_9", "Agent", description="Find callers", prompt=PROMPT)
        return write(self.file, self.session)

    def work(self) -> Path:
        own = Session(isSidechain=True, agentId="a1b2c3")
        own.user(self.prompt)
        own.answer("Reading")
        self.own_file.parent.mkdir(parents=True)
        return write(self.own_file, own)

    def result(self) -> Path:
        self.session.result("toolu_9", "Three callers", DONE)
        return write(self.file, self.session)

    def import_with(self, made: Importer) -> None:
        for path in (self.file, self.own_file):
            if path.exists():
                assert not made.import_file(path).problems


@pytest.mark.parametrize("prompt", [PROMPT, "Something else"], ids=["same-prompt", "other-prompt"])
@pytest.mark.parametrize("order", ["CAR", "ACR", "CRA"])
@pytest.mark.parametrize("runs", ["one-run", "a-run-each", "a-run-each-file-by-file"])
def test_a_sub_agent_is_one_row_whatever_comes_first(member, tmp_path, order, prompt, runs):
    story, made = Story(tmp_path, prompt=prompt), importer(member)
    for step in order:
        path = story.tell(step)
        if runs == "a-run-each-file-by-file":
            importer(member).import_file(path)
        else:
            story.import_with(made if runs == "one-run" else importer(member))
    run(member, story.file, story.own_file)
    task, chat = BackgroundTask.objects.get(), Chat.objects.get()
    assert (task.status, task.is_folded, task.title) == ("completed", True, "Find callers")
    assert (task.source_id, task.source_call_id) == (chat.pk, "toolu_9")
    row = ImportedSession.objects.exclude(agent_id="").get()
    assert (row.agent_id, row.session_id, row.call_id) == ("a1b2c3", task.pk, "toolu_9")


def test_one_that_a_member_decided_about_stays(member, tmp_path):
    story = Story(tmp_path, prompt="Something else")
    for step in "AC":
        story.tell(step)
    run(member, story.file, story.own_file)
    told = BackgroundTask.objects.get(pk=ImportedSession.objects.get(agent_id="call:toolu_9").session_id)
    dismiss(tenant_id=member.tenant_id, task_id=told.pk, actor=Actor.member(member.user))
    story.tell("R")
    for _ in range(2):
        run(member, story.file, story.own_file)
    assert BackgroundTask.objects.get(pk=told.pk).status == "dismissed"
    assert BackgroundTask.objects.exclude(pk=told.pk).get().status == "completed"


def test_the_audit_log_says_which_row_it_went_into(member, tmp_path):
    story = Story(tmp_path, prompt="Something else")
    for step in "CAR":
        story.tell(step)
        story.import_with(importer(member))
    entry = AuditEntry.objects.get(action="fold")
    task = BackgroundTask.objects.get()
    assert entry.object_id != task.pk
    assert (entry.session_id, entry.object_title) == (task.pk, "Find callers")
    assert entry.changes == {"status": ["unknown", None]}
