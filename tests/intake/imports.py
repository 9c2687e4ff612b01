"""Importing from tests: whose rows they become, and session files to hand in."""

from __future__ import annotations

from pathlib import Path

from intake.files import find_files
from intake.importing import Importer
from intake.reports import FileReport
from tests.intake.claude_records import Session
from tests.intake.codex_records import Rollout
from workspace.actors import Actor
from workspace.models import Membership
from workspace.placement import Placement


def importer(member: Membership) -> Importer:
    return Importer(
        tenant_id=member.tenant_id,
        placement=Placement(owner_id=member.user_id),
        actor=Actor.member(member.user),
    )


def run(member: Membership, *paths: Path) -> list[FileReport]:
    made = importer(member)
    return [made.import_file(path) for path in find_files(paths)]


def write(path: Path, session: Session | Rollout) -> Path:
    path.write_bytes(session.data)
    return path


def talk(turns: int, **envelope: object) -> Session:
    session = Session(**envelope)
    for turn in range(turns):
        session.user(f"Question {turn}")
        session.answer(f"Answer {turn}", stop="end_turn")
    return session
