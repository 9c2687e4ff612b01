"""Handing files in as the page does, for tests of what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from django.utils import timezone

from intake.models import StagedFile, Upload
from intake.staging import NewFile, open_upload, stage_whole_file
from tests.intake.claude_records import START
from workspace.actors import Actor
from workspace.models import Membership
from workspace.placement import Placement


def begin(
    member: Membership, contents: Mapping[str, bytes], **placed: object
) -> tuple[Upload, list[StagedFile]]:
    """Room for these files, none of which has come yet."""
    files = [
        NewFile(name=name, size_bytes=len(content), written_at=START) for name, content in contents.items()
    ]
    return open_upload(
        tenant_id=member.tenant_id,
        placement=Placement(owner_id=member.user_id, **placed),  # type: ignore[arg-type]
        files=files,
        actor=Actor.member(member.user),
        now=timezone.now(),
    )


def stage(member: Membership, contents: Mapping[str, bytes]) -> Upload:
    """These files, whole and handed over."""
    upload, rows = begin(member, contents)
    for row, content in zip(rows, contents.values(), strict=True):
        stage_whole_file(row, content)
    return upload


def read_all(*paths: Path, below: Path) -> dict[str, bytes]:
    """Files on disk by their paths below a folder."""
    return {path.relative_to(below).as_posix(): path.read_bytes() for path in paths}
