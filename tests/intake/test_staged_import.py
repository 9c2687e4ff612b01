"""What a worker makes of staged files: once each, three tries, and no trace of what could not be imported."""

from __future__ import annotations

import os
import uuid
from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone

from audit.models import AuditEntry, TranscriptEntry
from chats.models import Chat
from intake import staging
from intake.files import find_files
from intake.importing import Importer
from intake.models import FileState, StagedFile, StagedPart, Upload
from intake.staged_import import BACKOFF, LEASE, MAX_TRIES, import_staged
from intake.staging import retry_file
from intake.sweeping import resend_staged
from tasks.models import BackgroundTask
from tests.factories.workspace import InitiativeFactory, MembershipFactory, PlanFactory
from tests.intake.claude_records import FIXTURES, OWN_AGENT_FILE, PRESENT_DAY
from tests.intake.staged_files import begin, read_all, stage
from workspace.actors import Actor
from workspace.models import Membership
from workspace.placement import Placement

pytestmark = pytest.mark.django_db

TEXT = PRESENT_DAY.read_bytes()


@pytest.fixture
def member() -> Membership:
    return MembershipFactory(tenant__slug="acme")


@pytest.fixture
def sent(monkeypatch) -> list[tuple[str, list[str]]]:
    """The jobs that were sent to the broker, which stands outside."""
    jobs: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args, **options: jobs.append((name, args)))
    return jobs


def work(upload: Upload) -> int:
    return import_staged(tenant_id=upload.tenant_id, upload_id=upload.pk)


def pass_time(upload: Upload, span: timedelta) -> None:
    """As if this much more time had gone by: the database's clock cannot be set."""
    for row in StagedFile.objects.filter(upload=upload, not_before__isnull=False):
        StagedFile.objects.filter(pk=row.pk).update(not_before=row.not_before - span)
    for one in Upload.objects.filter(pk=upload.pk, lease_expires_at__isnull=False):
        Upload.objects.filter(pk=one.pk).update(lease_expires_at=one.lease_expires_at - span)


def spoil(upload: Upload) -> None:
    """What was sealed belongs to nothing any more."""
    StagedPart.objects.filter(file__upload=upload).update(sealed=os.urandom(100))


def test_a_staged_file_becomes_the_rows_that_the_file_itself_becomes(member):
    upload = stage(member, {PRESENT_DAY.name: TEXT})
    assert work(upload) == 1
    file = StagedFile.objects.get()
    assert (file.state, file.progress_bytes) == (FileState.DONE, len(TEXT))
    assert file.report["outcome"] == "imported"
    chat = Chat.objects.get()
    assert (chat.title, chat.owner_id) == ("Round prices half up", member.user_id)
    assert file.report["session"] == f"chat:{chat.pk}"
    assert not StagedPart.objects.exists()
    upload.refresh_from_db()
    assert (upload.claim, upload.lease_expires_at) == (None, None)


def test_files_of_one_upload_become_what_they_become_on_disk(member):
    """A session, its sub-agent's file and what tells how that was started, in the worst order."""
    meta = OWN_AGENT_FILE.with_suffix(".meta.json")
    files = read_all(meta, OWN_AGENT_FILE, PRESENT_DAY, below=FIXTURES)
    assert work(stage(member, files)) == 3
    assert not StagedPart.objects.exists()
    other = MembershipFactory()
    importer = Importer(
        tenant_id=other.tenant_id,
        placement=Placement(owner_id=other.user_id),
        actor=Actor.member(other.user),
    )
    for path in find_files([PRESENT_DAY]):
        importer.import_file(path)
    for table, names in {
        Chat: ("title", "status", "message_count", "changed_at"),
        BackgroundTask: ("title", "status", "turn_count", "is_folded", "source_call_id"),
        TranscriptEntry: ("native_id", "text"),
    }.items():
        staged, on_disk = (
            sorted(table.objects.for_tenant(one.tenant_id).values_list(*names)) for one in (member, other)
        )
        assert staged == on_disk != []


def test_what_stands_beside_a_sub_agent_waits_for_its_file(member):
    meta = OWN_AGENT_FILE.with_suffix(".meta.json")
    contents = read_all(meta, OWN_AGENT_FILE, below=FIXTURES)
    upload, rows = begin(member, contents)
    beside, agent = zip(rows, contents.values(), strict=True)
    staging.stage_whole_file(*beside)
    assert work(upload) == 0
    staging.stage_whole_file(*agent)
    assert work(upload) == 2
    assert BackgroundTask.objects.get().title == "Find callers of price"


def test_the_placement_of_an_upload_is_that_of_its_sessions(member):
    initiative = InitiativeFactory(tenant=member.tenant)
    plan = PlanFactory(tenant=member.tenant)
    upload, [file] = begin(member, {PRESENT_DAY.name: TEXT}, initiative_id=initiative.pk, plan_id=plan.pk)
    staging.stage_whole_file(file, TEXT)
    work(upload)
    chat = Chat.objects.get()
    assert (chat.initiative_id, chat.plan_id) == (initiative.pk, plan.pk)


def test_handing_in_the_same_file_again_adds_nothing(member):
    work(stage(member, {PRESENT_DAY.name: TEXT}))
    entries = TranscriptEntry.objects.count()
    work(stage(member, {PRESENT_DAY.name: TEXT}))
    assert [file.report["outcome"] for file in StagedFile.objects.order_by("pk")] == ["imported", "unchanged"]
    assert TranscriptEntry.objects.count() == entries


def test_two_workers_do_not_take_the_same_upload(member):
    upload = stage(member, {PRESENT_DAY.name: TEXT})
    Upload.objects.update(claim=uuid.uuid4(), lease_expires_at=timezone.now() + LEASE)
    assert work(upload) == 0
    pass_time(upload, LEASE + timedelta(seconds=1))
    assert work(upload) == 1


def test_a_worker_whose_lease_has_lapsed_keeps_and_says_nothing_any_more(member, monkeypatch):
    """Another one takes the upload over while the first is at it."""
    upload = stage(member, {PRESENT_DAY.name: TEXT})
    real = staging.open_part

    def lose_the_claim(part):
        Upload.objects.update(claim=uuid.uuid4())
        return real(part)

    monkeypatch.setattr("intake.sealed_stream.open_part", lose_the_claim)
    assert work(upload) == 0
    assert StagedFile.objects.get().state == FileState.IMPORTING
    assert StagedPart.objects.exists()
    assert not Chat.objects.exists()


def test_a_file_that_fails_three_times_is_set_aside_with_its_reason(member, sent):
    upload = stage(member, {"spoilt.jsonl": TEXT})
    spoil(upload)
    for number in range(MAX_TRIES):
        assert work(upload) == 1
        assert work(upload) == 0, "the next try waits"
        file = StagedFile.objects.get()
        assert file.tries == number + 1
        if number < MAX_TRIES - 1:
            assert file.state == FileState.WAITING
            wait = file.not_before - timezone.now()
            assert BACKOFF[number] - timedelta(seconds=20) < wait <= BACKOFF[number]
            pass_time(upload, BACKOFF[number])
    assert file.state == FileState.DEAD
    assert "does not belong to this tenant and name" in file.reason
    assert AuditEntry.objects.filter(action="set_aside", object_id=file.pk).exists()
    assert not Chat.objects.exists()


def test_a_failing_import_says_where_and_never_what(member, monkeypatch):
    def explode(**_kwargs):
        raise RuntimeError(f"cannot store {TEXT[:200]!r}")

    monkeypatch.setattr("intake.writing.sync_imported_chat", explode)
    work(stage(member, {PRESENT_DAY.name: TEXT}))
    file = StagedFile.objects.get()
    assert file.state == FileState.WAITING
    assert "RuntimeError at test_staged_import.py" in file.reason
    assert "half up" not in file.reason


def test_one_bad_file_does_not_hold_up_the_others(member):
    upload = stage(member, {"a.jsonl": TEXT, PRESENT_DAY.name: TEXT})
    StagedPart.objects.filter(file__name="a.jsonl").update(sealed=os.urandom(100))
    assert work(upload) == 2
    assert dict(StagedFile.objects.values_list("name", "state")) == {
        "a.jsonl": FileState.WAITING,
        PRESENT_DAY.name: FileState.DONE,
    }


def test_a_file_that_loses_its_worker_three_times_is_set_aside_unread(member):
    upload = stage(member, {PRESENT_DAY.name: TEXT})
    StagedFile.objects.update(state=FileState.IMPORTING, tries=MAX_TRIES)
    assert work(upload) == 0
    file = StagedFile.objects.get()
    assert (file.state, file.reason) == (FileState.DEAD, "the worker was lost in each of 3 tries")


def test_what_was_set_aside_is_imported_once_the_cause_is_gone(member):
    upload = stage(member, {PRESENT_DAY.name: TEXT})
    StagedFile.objects.update(state=FileState.DEAD, tries=MAX_TRIES, reason="why")
    assert work(upload) == 0
    file = StagedFile.objects.get()
    retry_file(tenant_id=file.tenant_id, file_id=file.pk, actor=Actor.member(member.user))
    assert work(upload) == 1
    assert Chat.objects.count() == 1


def test_an_owner_who_has_left_is_named_as_the_reason(member):
    upload = stage(member, {PRESENT_DAY.name: TEXT})
    member.delete()
    work(upload)
    assert "its owner, initiative or plan is gone" in StagedFile.objects.get().reason


def test_the_message_to_a_worker_holds_ids_alone(member, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        upload = stage(member, {PRESENT_DAY.name: TEXT})
    assert sent == [("intake.jobs.import_upload", [str(member.tenant_id), str(upload.pk)])]


def test_no_message_is_sent_while_a_worker_is_at_the_upload(member, sent, django_capture_on_commit_callbacks):
    _, [file] = begin(member, {PRESENT_DAY.name: TEXT})
    Upload.objects.update(claim=uuid.uuid4(), lease_expires_at=timezone.now() + LEASE)
    with django_capture_on_commit_callbacks(execute=True):
        staging.stage_whole_file(file, TEXT)
    assert sent == []


def test_without_a_broker_the_file_waits_for_the_sweep(
    member, sent, monkeypatch, django_capture_on_commit_callbacks
):
    def refuse(*_args, **_kwargs):
        raise ConnectionRefusedError

    with monkeypatch.context() as patch:
        patch.setattr(current_app, "send_task", refuse)
        with django_capture_on_commit_callbacks(execute=True):
            stage(member, {PRESENT_DAY.name: TEXT})
    assert resend_staged() == 1
    assert len(sent) == 1
    assert resend_staged() == 0, "it is in the queue now"


def test_the_sweep_sends_what_lost_its_worker_or_whose_wait_is_over(member, sent):
    upload = stage(member, {PRESENT_DAY.name: TEXT})
    lapsed = timezone.now() - timedelta(seconds=1)
    Upload.objects.update(claim=uuid.uuid4(), lease_expires_at=lapsed, sent_at=timezone.now())
    StagedFile.objects.update(state=FileState.IMPORTING, tries=1)
    assert (resend_staged(), resend_staged()) == (1, 0)
    Upload.objects.update(sent_at=None)
    later = timezone.now() + timedelta(minutes=1)
    StagedFile.objects.update(state=FileState.WAITING, not_before=later)
    assert resend_staged() == 0
    pass_time(upload, timedelta(minutes=2))
    assert resend_staged() == 1


def test_the_sweep_leaves_alone_what_is_held_and_what_is_over(member, sent):
    stage(member, {PRESENT_DAY.name: TEXT})
    Upload.objects.update(claim=uuid.uuid4(), lease_expires_at=timezone.now() + LEASE)
    assert resend_staged() == 0
    Upload.objects.update(claim=None, lease_expires_at=None)
    for state in (FileState.RECEIVING, FileState.DONE, FileState.DEAD):
        StagedFile.objects.update(state=state)
        assert resend_staged() == 0


def test_a_message_that_has_expired_is_sent_anew(member, sent):
    stage(member, {PRESENT_DAY.name: TEXT})
    Upload.objects.update(sent_at=timezone.now() - staging.SENT_FOR)
    assert resend_staged() == 1
