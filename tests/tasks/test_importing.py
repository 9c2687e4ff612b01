"""Sub-agents that ran elsewhere: their tasks say what their records say, and nothing twice."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import Count

from audit.entries import EntryKind, NewEntry
from audit.imports import Delivery, Synced, SyncOutcome
from audit.models import AuditEntry, TranscriptEntry
from sessions_app.kinds import Evidence
from tasks.importing import fold_imported_task
from tasks.models import BackgroundTask, TaskStatus
from tasks.services import ImportedTask, Source, dismiss, sync_imported_task
from tests.announcements import read_announcements
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import MembershipFactory, TenantFactory
from workspace.actors import Actor
from workspace.models import Membership
from workspace.placement import Placement

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CUT_OFF = (Evidence("Rule", "Its record stops inside its work."), Evidence("Last event", "Bash", AT))
OVER = (Evidence("Rule", "Its result came back."),)
TASK = ImportedTask(
    title="Research the layout",
    status=TaskStatus.UNKNOWN,
    evidence=CUT_OFF,
    changed_at=AT,
    started_at=AT - timedelta(minutes=3),
    prompt="Look at ten sites.",
    source=Source(kind="chat", id=uuid.uuid4(), call_id="toolu_1"),
    turn_count=5,
    repo="acme/site",
)


def entries(count: int) -> list[NewEntry]:
    return [NewEntry(kind=EntryKind.MESSAGE, native_id=f"r{n}", text=f"line {n}") for n in range(count)]


@pytest.fixture
def seat() -> Membership:
    return MembershipFactory()


def sync(seat: Membership, task: ImportedTask, session_id: uuid.UUID | None = None, **more: Any) -> Synced:
    return sync_imported_task(
        tenant_id=seat.tenant_id,
        session_id=session_id,
        placement=Placement(owner_id=seat.user_id),
        task=task,
        actor=Actor.member(seat.user),
        **more,
    )


def row_of(synced: Synced) -> BackgroundTask:
    return BackgroundTask.objects.get(pk=synced.session_id)


def test_a_sub_agent_becomes_a_folded_task_with_the_times_of_its_records(seat: Membership) -> None:
    made = sync(seat, TASK, delivery=Delivery(entries=entries(3), source="claude_code"))
    task = row_of(made)
    assert (made.outcome, made.appended.added) == (SyncOutcome.CREATED, 3)
    assert (task.title, task.status, task.is_folded) == ("Research the layout", "unknown", True)
    assert (task.changed_at, task.started_at, task.finished_at) == (AT, TASK.started_at, None)
    assert (task.source_kind, task.source_id, task.source_call_id) == ("chat", TASK.source.id, "toolu_1")
    assert (task.turn_count, task.repo, task.origin, task.owner) == (5, "acme/site", "agent", seat.user)
    assert task.evidence == [
        {"label": "Rule", "text": "Its record stops inside its work."},
        {"label": "Last event", "text": "Bash", "at": AT.isoformat()},
    ]
    assert TranscriptEntry.objects.filter(transcript__session_id=task.pk).count() == 3
    assert AuditEntry.objects.get(object_id=task.pk).action == "import"


def test_the_same_again_writes_and_announces_nothing(
    seat: Membership, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        made = sync(seat, TASK, delivery=Delivery(entries=entries(3)))
    before = BackgroundTask.objects.values().get()
    with django_capture_on_commit_callbacks(execute=True):
        again = sync(seat, TASK, made.session_id, delivery=Delivery(entries=entries(3)))
    assert (again.outcome, again.appended.added) == (SyncOutcome.UNCHANGED, 0)
    assert BackgroundTask.objects.values().get() == before
    assert AuditEntry.objects.count() == 1
    assert read_announcements(seat.tenant) == [("background_task", str(made.session_id))]


def test_a_record_that_grew_is_progress(seat: Membership, django_capture_on_commit_callbacks: Any) -> None:
    made = sync(seat, TASK, delivery=Delivery(entries=entries(3)))
    later = AT + timedelta(minutes=1)
    grown = replace(
        TASK, changed_at=later, turn_count=6, evidence=(CUT_OFF[0], Evidence("Last event", "Edit", later))
    )
    with django_capture_on_commit_callbacks(execute=True):
        again = sync(seat, grown, made.session_id, delivery=Delivery(entries=entries(4)))
    task = row_of(made)
    assert (again.outcome, again.appended.added) == (SyncOutcome.UPDATED, 1)
    assert (task.turn_count, task.changed_at, task.version) == (6, later, 1)
    assert task.evidence[1]["text"] == "Edit"
    assert AuditEntry.objects.count() == 1
    assert len(read_announcements(seat.tenant)) == 1


def test_new_entries_alone_are_announced(seat: Membership, django_capture_on_commit_callbacks: Any) -> None:
    made = sync(seat, TASK)
    with django_capture_on_commit_callbacks(execute=True):
        again = sync(seat, TASK, made.session_id, delivery=Delivery(entries=entries(1)))
    assert again.outcome is SyncOutcome.UPDATED
    assert len(read_announcements(seat.tenant)) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(TaskStatus.COMPLETED, ""), (TaskStatus.FAILED, "Error: exit code 1")]
)
def test_an_end_that_came_to_light_is_a_move(seat: Membership, status: TaskStatus, error: str) -> None:
    made = sync(seat, TASK)
    over = replace(TASK, status=status, evidence=OVER, error=error, finished_at=AT)
    assert sync(seat, over, made.session_id).outcome is SyncOutcome.UPDATED
    task = row_of(made)
    assert (task.status, task.error, task.finished_at, task.version) == (status, error, AT, 2)
    assert task.evidence == [{"label": "Rule", "text": "Its result came back."}]
    assert AuditEntry.objects.latest("pk").changes["status"] == ["unknown", str(status)]


def test_a_better_title_is_written_down(seat: Membership) -> None:
    made = sync(seat, TASK)
    sync(seat, replace(TASK, title="Survey ten sites"), made.session_id)
    assert row_of(made).version == 1
    assert AuditEntry.objects.latest("pk").changes == {"title": ["Research the layout", "Survey ten sites"]}


def test_what_was_dismissed_here_stays_dismissed(seat: Membership) -> None:
    made = sync(seat, TASK)
    dismiss(tenant_id=seat.tenant_id, task_id=made.session_id, actor=Actor.member(seat.user))
    sync(seat, replace(TASK, status=TaskStatus.COMPLETED, evidence=OVER, turn_count=9), made.session_id)
    task = row_of(made)
    assert (task.status, task.turn_count) == ("dismissed", 9)


@pytest.mark.parametrize("status", sorted(set(TaskStatus) - {"completed", "failed", "cancelled", "unknown"}))
def test_no_record_says_that_a_task_is_live_or_was_decided_about(seat: Membership, status: Any) -> None:
    with pytest.raises(ValueError, match="an import cannot say"):
        sync(seat, replace(TASK, status=TaskStatus(status)))
    assert not BackgroundTask.objects.exists()


def test_a_nested_sub_agent_counts_on_its_parent_without_ageing_it(seat: Membership) -> None:
    parent = sync(seat, replace(TASK, changed_at=AT + timedelta(hours=1)))
    child = sync(seat, TASK, parent_id=parent.session_id)
    sync(seat, replace(TASK, status=TaskStatus.COMPLETED, evidence=OVER), parent_id=parent.session_id)
    assert (row_of(parent).child_done_count, row_of(parent).child_count) == (1, 2)
    sync(seat, replace(TASK, status=TaskStatus.COMPLETED, evidence=OVER), child.session_id)
    sync(seat, replace(TASK, status=TaskStatus.COMPLETED, evidence=OVER), child.session_id)
    task = row_of(parent)
    assert (task.child_done_count, task.child_count) == (2, 2)
    assert (task.status, task.changed_at, task.version) == ("unknown", AT + timedelta(hours=1), 1)
    counted = BackgroundTask.objects.filter(parent=task).aggregate(Count("pk"))["pk__count"]
    assert counted == task.child_count


def test_sessions_and_parents_of_other_tenants_are_not_found(seat: Membership) -> None:
    theirs = BackgroundTaskFactory(unknown=True)
    with pytest.raises(BackgroundTask.DoesNotExist):
        sync(seat, TASK, theirs.pk)
    with pytest.raises(BackgroundTask.DoesNotExist):
        sync(seat, TASK, parent_id=theirs.pk)
    with pytest.raises(Membership.DoesNotExist):
        sync_imported_task(
            tenant_id=TenantFactory().pk,
            session_id=None,
            placement=Placement(owner_id=seat.user_id),
            task=TASK,
            actor=Actor.member(seat.user),
        )
    assert BackgroundTask.objects.count() == 1


def fold(seat: Membership, told: Synced, into: Synced) -> bool:
    return fold_imported_task(
        tenant_id=seat.tenant_id,
        session_id=told.session_id,
        into_id=into.session_id,
        actor=Actor.member(seat.user),
    )


def test_what_only_its_call_told_of_goes_into_the_task_that_it_is(
    seat: Membership, django_capture_on_commit_callbacks: Any
) -> None:
    parent = sync(seat, TASK)
    own = sync(seat, TASK, parent_id=parent.session_id, delivery=Delivery(entries=entries(1)))
    told = sync(seat, replace(TASK, status=TaskStatus.COMPLETED), parent_id=parent.session_id)
    with django_capture_on_commit_callbacks(execute=True):
        assert fold(seat, told, own)
    task = row_of(parent)
    assert (task.child_done_count, task.child_count) == (0, 1)
    assert list(BackgroundTask.objects.order_by("pk")) == [task, row_of(own)]
    entry = AuditEntry.objects.get(action="fold")
    assert (entry.object_id, entry.session_id) == (told.session_id, own.session_id)
    assert entry.changes == {"status": ["completed", None]}
    assert ("background_task", str(told.session_id)) in read_announcements(seat.tenant)


def test_what_has_records_or_sub_agents_or_was_decided_about_stays(seat: Membership) -> None:
    own, has_records, has_child, dismissed = (sync(seat, TASK) for _ in range(4))
    sync(seat, TASK, has_records.session_id, delivery=Delivery(entries=entries(1)))
    sync(seat, TASK, parent_id=has_child.session_id)
    dismiss(tenant_id=seat.tenant_id, task_id=dismissed.session_id, actor=Actor.member(seat.user))
    made_here = Synced(BackgroundTaskFactory(tenant=seat.tenant, unknown=True).pk, own.outcome, own.appended)
    for other in (has_records, has_child, dismissed, made_here):
        assert not fold(seat, other, own)
    assert BackgroundTask.objects.count() == 6


def test_a_task_of_another_tenant_is_not_folded_away(seat: Membership) -> None:
    own, theirs = sync(seat, TASK), sync(MembershipFactory(), TASK)
    for told, into in ((theirs, own), (own, theirs)):
        with pytest.raises(BackgroundTask.DoesNotExist):
            fold(seat, told, into)
    assert BackgroundTask.objects.count() == 2
