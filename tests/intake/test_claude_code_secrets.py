"""Nothing is cut before it is redacted: no part of a secret reaches a row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit.models import Transcript, TranscriptEntry
from chats.models import Chat
from intake.importing import Importer
from tasks.models import BackgroundTask
from tests.factories.workspace import MembershipFactory
from tests.intake.claude_records import Session
from workspace.actors import Actor
from workspace.models import Membership
from workspace.placement import Placement
from workspace.services import set_secret

SECRET = "nine" + "tails-" + "q7Rw2Zk9Lm4Xv8Tb3Nc6"
PEM_BODY = "\n".join(f"{'MIIEowIBAAKCAQEAx9v' * 3}{line:03}k" for line in range(20))
PEM = f"-----BEGIN RSA {'PRIVATE'} KEY-----\n{PEM_BODY}\n-----END RSA {'PRIVATE'} KEY-----"


@pytest.fixture
def member(db: None) -> Membership:
    member = MembershipFactory()
    set_secret(tenant_id=member.tenant_id, actor=Actor.member(member.user), name="BUILD_KEY", value=SECRET)
    return member


def import_rows(member: Membership, path: Path, session: Session) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in session.rows))
    importer = Importer(
        tenant_id=member.tenant_id,
        placement=Placement(owner_id=member.user_id),
        actor=Actor.member(member.user),
    )
    assert not importer.import_file(path).has_lost


def lead_to(place: int) -> str:
    """Words after which a secret begins at this place of the text."""
    return ("word " * place)[: place - 1] + " "


def prompt(session: Session, text: str) -> None:
    session.user(text)


def command(session: Session, text: str) -> None:
    session.user(f"<command-name>/review</command-name><command-args>{text}</command-args>")


def custom_title(session: Session, text: str) -> None:
    session.user("Hello")
    session.bare("custom-title", customTitle=text)


def api_error(session: Session, text: str) -> None:
    session.user("Hello")
    session.answer(text, model="<synthetic>", isApiErrorMessage=True)


def api_retries(session: Session, text: str) -> None:
    session.user("Hello")
    session.add(
        "system", subtype="api_error", error={"message": text}, retryAttempt=3, maxRetries=3, content=""
    )


def question(session: Session, text: str) -> None:
    session.user("Hello")
    session.call("toolu_1", "AskUserQuestion", questions=[{"question": text}])


def sub_agent(session: Session, text: str) -> None:
    session.user("Hello")
    session.call("toolu_1", "Task", prompt="Go", description=text)


def branch(session: Session, text: str) -> None:
    session.user("Hello", gitBranch=text, cwd=f"/srv/{text}", version=text)


def tool_name(session: Session, text: str) -> None:
    session.user("Hello")
    session.call("toolu_1", text)


def attached(session: Session, text: str) -> None:
    session.user("Hello")
    session.add("attachment", attachment={"type": "file", "filename": f"/srv/{text}"})


WRITERS = [
    prompt, command, custom_title, api_error, api_retries, question, sub_agent, branch, tool_name, attached,
]  # fmt: skip


def stored() -> str:
    rows: list[Any] = []
    for table in (Chat, BackgroundTask, Transcript, TranscriptEntry):
        rows += table.objects.values()
    return json.dumps(rows, default=str)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
@pytest.mark.parametrize("limit", [100, 200, 300, 1_000])
def test_a_secret_at_the_end_of_what_a_row_holds_leaves_no_part_of_it(member, tmp_path, write, limit) -> None:
    session = Session()
    write(session, lead_to(limit - 14) + SECRET)
    import_rows(member, tmp_path / "s.jsonl", session)
    assert Chat.objects.count() == 1
    assert SECRET[:8] not in stored()


@pytest.mark.parametrize("write", [prompt, custom_title, api_error, sub_agent], ids=lambda one: one.__name__)
def test_a_private_key_that_was_pasted_in_leaves_no_line_of_it(member, tmp_path, write) -> None:
    session = Session()
    write(session, f"Use this key: {PEM}")
    import_rows(member, tmp_path / "s.jsonl", session)
    assert PEM_BODY[:19] not in stored()


def test_what_a_sub_agent_was_started_as_is_redacted_whole(member, tmp_path) -> None:
    (tmp_path / "agent-a1.meta.json").write_text(json.dumps({"description": lead_to(190) + SECRET}))
    session = Session(isSidechain=True, agentId="a1")
    session.user("Go")
    import_rows(member, tmp_path / "agent-a1.jsonl", session)
    assert "[BUILD_KEY]" in BackgroundTask.objects.get().title
    assert SECRET[:8] not in stored()
