"""A task that carries another session shows that session's state, whatever comes after what."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import AuditEntry
from tasks import services
from tasks.models import BackgroundTask, TaskStatus, WaitingOn
from tests.factories.chats import ChatFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import MembershipFactory, TenantFactory
from workspace.actors import SYSTEM, Actor
from workspace.placement import Placement

pytestmark = pytest.mark.django_db

STATES: list[dict[str, Any]] = [
    {"status": TaskStatus.QUEUED},
    {"status": TaskStatus.RUNNING},
    {"status": TaskStatus.WAITING, "waiting_on": WaitingOn.APPROVAL, "reason": "Deploy?"},
    {"status": TaskStatus.WAITING, "waiting_on": WaitingOn.INPUT, "reason": "A file is missing."},
    {"status": TaskStatus.WAITING, "waiting_on": WaitingOn.REVIEW, "reason": "Done."},
    {"status": TaskStatus.COMPLETED},
    {"status": TaskStatus.FAILED, "error": "Error: step 2 failed"},
    {"status": TaskStatus.CANCELLED},
]


def make_carrier(**more: Any) -> BackgroundTask:
    tenant = TenantFactory()
    return BackgroundTaskFactory(
        tenant=tenant,
        is_carrier=True,
        source_kind="chat",
        source_id=ChatFactory(tenant=tenant).pk,
        **more,
    )


def mirror(task: BackgroundTask, **state: Any) -> BackgroundTask | None:
    source = {"source_kind": task.source_kind, "source_id": task.source_id}
    return services.mirror_source(tenant_id=task.tenant_id, actor=SYSTEM, **source, **state)


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(STATES, 2)))
def test_every_state_of_a_source_may_follow_every_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    task = make_carrier()
    mirror(task, **before)
    mirror(task, **after)
    task.refresh_from_db()
    assert task.status == after["status"]
    assert (task.waiting_on, task.waiting_reason) == (after.get("waiting_on", ""), after.get("reason", ""))
    assert (task.waiting_since is not None) == (after["status"] == TaskStatus.WAITING)
    assert task.error == after.get("error", "")
    is_over = after["status"] in {TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED}
    assert (task.finished_at is not None) == is_over


def test_the_same_state_again_changes_nothing() -> None:
    task = make_carrier()
    waiting = STATES[2]
    first = mirror(task, **waiting)
    assert first is not None
    again = mirror(task, **waiting, turn_count=0, now=timezone.now() + timedelta(minutes=1))
    assert again is not None
    assert (again.version, again.changed_at, again.waiting_since) == (
        first.version,
        first.changed_at,
        first.waiting_since,
    )
    assert AuditEntry.objects.filter(object_id=task.pk).count() == 1


def test_another_reason_moves_the_version_and_keeps_since_when_it_waits() -> None:
    task = make_carrier()
    first = mirror(task, **STATES[2])
    second = mirror(task, **STATES[2] | {"reason": "Deploy to both?"})
    assert first is not None
    assert second is not None
    assert (second.version, second.waiting_since) == (first.version + 1, first.waiting_since)


def test_turns_alone_are_progress() -> None:
    task = make_carrier(running=True)
    mirror(task, status=TaskStatus.RUNNING, turn_count=4)
    task.refresh_from_db()
    assert (task.turn_count, task.version) == (4, 1)
    assert not AuditEntry.objects.exists()


def test_a_session_that_no_task_carries_mirrors_nothing() -> None:
    chat = ChatFactory()
    BackgroundTaskFactory(tenant=chat.tenant, source_kind="chat", source_id=chat.pk)
    key = {"tenant_id": chat.tenant_id, "source_kind": "chat", "source_id": chat.pk}
    assert services.mirror_source(**key, status=TaskStatus.RUNNING, actor=SYSTEM) is None


def test_another_tenants_carrier_is_not_touched() -> None:
    task = make_carrier()
    stranger = TenantFactory()
    found = services.mirror_source(
        tenant_id=stranger.pk,
        source_kind=task.source_kind,
        source_id=task.source_id,
        status=TaskStatus.RUNNING,
        actor=SYSTEM,
    )
    assert found is None
    task.refresh_from_db()
    assert task.status == TaskStatus.QUEUED


def test_a_carrier_that_ends_counts_on_its_parent() -> None:
    parent = BackgroundTaskFactory(waiting_children=True, child_count=1)
    task = make_carrier()
    BackgroundTask.objects.filter(pk=task.pk).update(parent=parent, tenant=parent.tenant)
    task.refresh_from_db()
    mirror(task, status=TaskStatus.COMPLETED)
    parent.refresh_from_db()
    assert (parent.child_done_count, parent.status) == (1, TaskStatus.RUNNING)


def test_the_review_of_what_a_source_brought_is_the_tasks_own() -> None:
    seat = MembershipFactory()
    chat = ChatFactory(tenant=seat.tenant, owner=seat.user)
    me = Actor.member(seat.user)
    task = services.create_task(
        tenant_id=seat.tenant_id,
        placement=Placement(owner_id=seat.user_id),
        title="Carry it",
        actor=me,
        source=services.Source(kind="chat", id=chat.pk),
        is_carrier=True,
    )
    mirror(task, status=TaskStatus.RUNNING)
    mirror(task, status=TaskStatus.WAITING, waiting_on=WaitingOn.REVIEW, reason="Done.", result="All green.")
    task.refresh_from_db()
    done = services.accept(seen_version=task.version, tenant_id=seat.tenant_id, task_id=task.pk, actor=me)
    assert (done.status, done.result) == (TaskStatus.COMPLETED, "All green.")
