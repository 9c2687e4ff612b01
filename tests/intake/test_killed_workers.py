"""Kill -9 of a real worker, at several points of an import: nothing is lost and nothing is doubled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit.models import MessageUsage, RawRecord, TranscriptEntry
from chats.models import Chat
from intake.importing import Importer
from intake.models import FileState, ImportedSession, StagedFile, StagedPart, Upload
from intake.staged_import import LEASE
from intake.sweeping import resend_staged
from tests.config.processes import eventually
from tests.factories.workspace import MembershipFactory
from tests.intake.claude_records import Session
from tests.intake.staged_files import stage
from tests.intake.workers import forget_jobs, run_worker
from workspace.actors import Actor
from workspace.models import Membership
from workspace.placement import Placement

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

NAME = "5e55107a-0000-4000-8000-000000000001.jsonl"
TABLES = (Chat, TranscriptEntry, RawRecord, MessageUsage, ImportedSession)


@pytest.fixture(autouse=True)
def no_jobs_left() -> Iterator[None]:
    forget_jobs()
    yield
    forget_jobs()


@pytest.fixture
def member() -> Membership:
    return MembershipFactory()


def long_session() -> bytes:
    """Some batches of records, so that a worker is at it for a while."""
    session = Session()
    for number in range(1500):
        session.user(f"Question {number}: " + "why " * 40)
        session.answer(f"Answer {number}: " + "because " * 40, mid=f"msg_{number}", stop="end_turn")
    return "".join(json.dumps(row) + "\n" for row in session.rows).encode()


def counts(member: Membership) -> dict[str, int]:
    return {table.__name__: table.objects.for_tenant(member.tenant_id).count() for table in TABLES}


def undisturbed(content: bytes, path: Path) -> dict[str, int]:
    """What the same file becomes where nobody is killed."""
    other = MembershipFactory()
    path.write_bytes(content)
    placement = Placement(owner_id=other.user_id)
    importer = Importer(tenant_id=other.tenant_id, placement=placement, actor=Actor.member(other.user))
    importer.import_file(path)
    return counts(other)


def lapse() -> None:
    """The lease has run out: the clock of the database cannot be set, so the lease is."""
    Upload.objects.filter(claim__isnull=False).update(lease_expires_at=timezone.now() - LEASE)


def has_begun(tries: int, share: float = 0.0) -> bool:
    """Whether this try has begun and has read as much of the file."""
    begun = StagedFile.objects.filter(state=FileState.IMPORTING, tries=tries)
    return begun.filter(progress_bytes__gte=F("size_bytes") * share).exists()


def told() -> tuple[str, int]:
    """What a person reads of the file."""
    report = StagedFile.objects.get().report
    return report["outcome"], report["entries"]


@pytest.mark.parametrize("points", [(0.0, 0.1), (0.4, 0.7)], ids=["early", "late"])
def test_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(member, tmp_path, points):
    content = long_session()
    stage(member, {NAME: content})
    for number, point in enumerate(points):
        with run_worker(tmp_path / "worker.log") as worker:
            eventually(lambda tries=number + 1, point=point: has_begun(tries, point), seconds=60)
            worker.kill()
        file = StagedFile.objects.get()
        assert (file.state, file.tries) == (FileState.IMPORTING, number + 1)
        assert StagedPart.objects.exists()
        lapse()
        assert resend_staged() == 1
    with run_worker(tmp_path / "worker.log"):
        eventually(lambda: StagedFile.objects.filter(state=FileState.DONE).exists(), seconds=100)
    assert not StagedPart.objects.exists()
    assert counts(member) == undisturbed(content, tmp_path / NAME)
    texts = TranscriptEntry.objects.for_tenant(member.tenant_id).values_list("native_id", flat=True)
    assert len(texts) == len(set(texts)) == 3000
    assert told() == ("imported", 3000)


def test_a_worker_that_is_killed_when_all_is_stored_leaves_what_it_did_in_the_report(member, tmp_path):
    stage(member, {NAME: long_session()})
    with run_worker(tmp_path / "worker.log") as worker, transaction.atomic():
        list(StagedPart.objects.select_for_update())  # it cannot say that it is done
        eventually(lambda: has_begun(1, 1.0), seconds=60)
        worker.kill()
    assert counts(member)["TranscriptEntry"] == 3000
    lapse()
    assert resend_staged() == 1
    with run_worker(tmp_path / "worker.log"):
        eventually(lambda: StagedFile.objects.filter(state=FileState.DONE).exists(), seconds=60)
    assert told() == ("imported", 3000)


def test_a_job_that_nobody_has_taken_outlives_the_broker(member, tmp_path):
    """All of Valkey is gone before a worker comes: the sweep finds what waits in the database."""
    stage(member, {NAME: long_session()[:20_000]})
    forget_jobs()
    Upload.objects.update(sent_at=None)
    assert resend_staged() == 1
    with run_worker(tmp_path / "worker.log"):
        eventually(lambda: StagedFile.objects.filter(state=FileState.DONE).exists(), seconds=60)
    assert counts(member)["Chat"] == 1


def test_a_file_that_kills_every_worker_is_set_aside(member, tmp_path):
    stage(member, {NAME: long_session()})
    for number in range(3):
        with run_worker(tmp_path / "worker.log") as worker:
            eventually(lambda tries=number + 1: has_begun(tries), seconds=60)
            worker.kill()
        lapse()
        assert resend_staged() == 1
    with run_worker(tmp_path / "worker.log"):
        eventually(lambda: StagedFile.objects.filter(state=FileState.DEAD).exists(), seconds=60)
    assert StagedFile.objects.get().reason == "the worker was lost in each of 3 tries"
    assert StagedPart.objects.exists()
