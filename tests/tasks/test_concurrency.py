"""Two connections at once: one decision, exact counts, no deadlock. Announcements come after the commit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from audit.models import AuditEntry, DecisionReceipt
from sessions_app.kinds import IllegalMove, StaleVersion
from tasks import services
from tasks.models import BackgroundTask, WaitingOn
from tests.announcements import read_announcements
from tests.factories.tasks import BackgroundTaskFactory, ChildTaskFactory
from workspace.actors import SYSTEM, Actor

pytestmark = pytest.mark.django_db(transaction=True)


def run_together(*calls: Callable[[], Any]) -> list[Any]:
    """Each call on a thread and connection of its own, let go at the same instant; results or errors."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            gate.wait(timeout=10)
            return call()
        except (IllegalMove, StaleVersion) as refused:
            return refused
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(timeout=30) for future in [pool.submit(run, call) for call in calls]]


def key_of(task: BackgroundTask, actor: Actor = SYSTEM) -> dict[str, Any]:
    return {"tenant_id": task.tenant_id, "task_id": task.pk, "actor": actor}


def test_two_people_at_once_decide_once() -> None:
    task = BackgroundTaskFactory(waiting_review=True)
    key = key_of(task, Actor.member(task.owner)) | {"seen_version": task.version}
    results = run_together(
        lambda: services.accept(**key), lambda: services.send_back(**key, comment="Shorter.")
    )
    assert sum(isinstance(result, StaleVersion) for result in results) == 1
    assert DecisionReceipt.objects.count() == 1
    assert AuditEntry.objects.count() == 1


def test_siblings_that_end_at_once_are_both_counted_and_let_their_parent_go_on() -> None:
    parent = BackgroundTaskFactory(waiting_children=True, child_count=2)
    one, two = (ChildTaskFactory(running=True, parent=parent) for _ in range(2))
    run_together(
        lambda: services.complete(**key_of(one)), lambda: services.fail(**key_of(two), error="Error: no")
    )
    parent.refresh_from_db()
    assert (parent.child_done_count, parent.state) == (2, "running")


def test_a_parent_that_is_cancelled_while_its_children_end_waits_for_nobody() -> None:
    for _ in range(5):
        parent = BackgroundTaskFactory(running=True, child_count=3)
        children = [ChildTaskFactory(running=True, parent=parent) for _ in range(3)]
        run_together(
            lambda parent=parent: services.cancel(**key_of(parent)),
            *(lambda child=child: services.complete(**key_of(child)) for child in children),
        )
        parent.refresh_from_db()
        assert (parent.status, parent.child_done_count) == ("cancelled", 3)


def test_a_parent_that_begins_to_wait_while_its_last_child_ends_goes_on() -> None:
    for _ in range(5):
        parent = BackgroundTaskFactory(running=True, child_count=1)
        child = ChildTaskFactory(running=True, parent=parent)
        run_together(
            lambda parent=parent: services.wait(**key_of(parent), on=WaitingOn.CHILDREN, reason=""),
            lambda child=child: services.complete(**key_of(child)),
        )
        parent.refresh_from_db()
        assert (parent.state, parent.child_done_count) == ("running", 1)


def test_a_change_is_announced_once_it_is_committed() -> None:
    task = BackgroundTaskFactory()
    with transaction.atomic():
        services.start_provisioning(**key_of(task))
        assert read_announcements(task.tenant) == []
    assert read_announcements(task.tenant) == [("background_task", str(task.pk))]


def test_a_change_that_is_rolled_back_is_announced_to_nobody() -> None:
    task = BackgroundTaskFactory()

    def give_up() -> None:
        with transaction.atomic():
            services.start_provisioning(**key_of(task))
            raise RuntimeError("the caller gives up")

    with pytest.raises(RuntimeError, match="gives up"):
        give_up()
    with pytest.raises(IllegalMove):
        services.start(**key_of(task))
    assert read_announcements(task.tenant) == []
    assert not AuditEntry.objects.exists()


def test_the_end_of_a_child_announces_its_parent_too() -> None:
    parent = BackgroundTaskFactory(waiting_children=True, child_count=1)
    child = ChildTaskFactory(running=True, parent=parent)
    services.complete(**key_of(child))
    told = read_announcements(parent.tenant)
    assert set(told) == {("background_task", str(child.pk)), ("background_task", str(parent.pk))}
