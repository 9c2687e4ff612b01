"""A task and its sub-agents: what each end of a child does to the `3 of 5` of its parent."""

from __future__ import annotations

from typing import Any

import pytest

from audit.models import AuditEntry
from sessions_app.kinds import Origin
from tasks import services
from tasks.models import BackgroundTask, TaskStatus, WaitingOn
from tests.factories.agents import ProfileFactory
from tests.factories.chats import ChatFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import InitiativeFactory, TenantFactory
from workspace.actors import SYSTEM, Actor

pytestmark = pytest.mark.django_db


def key_of(task: BackgroundTask) -> dict[str, Any]:
    return {"tenant_id": task.tenant_id, "task_id": task.pk, "actor": SYSTEM}


def fan_out(parent: BackgroundTask, count: int) -> list[BackgroundTask]:
    specs = [services.ChildSpec(title=f"Part {n}", prompt=f"Do part {n}.") for n in range(count)]
    return services.fan_out(**key_of(parent), children=specs)


def start(task: BackgroundTask) -> None:
    services.start_provisioning(**key_of(task))
    services.start(**key_of(task))


def reload(task: BackgroundTask) -> BackgroundTask:
    return BackgroundTask.objects.get(pk=task.pk)


def counts(task: BackgroundTask) -> tuple[int, int]:
    task = reload(task)
    return task.child_done_count, task.child_count


def test_children_are_queued_and_folded_under_their_parent_and_serve_what_it_serves() -> None:
    tenant = TenantFactory()
    parent = BackgroundTaskFactory(
        running=True,
        tenant=tenant,
        initiative=InitiativeFactory(tenant=tenant),
        profile=ProfileFactory(tenant=tenant),
        repo="acme/api",
    )
    other = ProfileFactory(tenant=tenant)
    specs = [
        services.ChildSpec(title="One", prompt="Do one.", call_id="call-7"),
        services.ChildSpec(title="Two", prompt="Do two.", profile_id=other.pk),
    ]
    one, two = (reload(child) for child in services.fan_out(**key_of(parent), children=specs))
    for child in (one, two):
        assert (child.status, child.is_folded, child.origin) == ("queued", True, Origin.AGENT)
        assert (child.parent, child.owner, child.repo) == (parent, parent.owner, "acme/api")
        assert (child.initiative, child.source_kind, child.source_id) == (
            parent.initiative,
            "background_task",
            parent.pk,
        )
        assert AuditEntry.objects.get(object_id=child.pk).action == "create"
    assert (one.prompt, one.profile, one.source_call_id) == ("Do one.", parent.profile, "call-7")
    assert two.profile == other
    assert counts(parent) == (0, 2)


def test_a_profile_of_another_tenant_starts_no_child_at_all() -> None:
    parent = BackgroundTaskFactory(running=True)
    specs = [
        services.ChildSpec(title="One", prompt=""),
        services.ChildSpec(title="Two", prompt="", profile_id=ProfileFactory().pk),
    ]
    with pytest.raises(ProfileFactory._meta.model.DoesNotExist):
        services.fan_out(**key_of(parent), children=specs)
    assert counts(parent) == (0, 0)
    assert not BackgroundTask.objects.filter(parent=parent).exists()
    assert reload(parent).version == 1


def test_each_end_counts_once_and_the_last_lets_the_parent_go_on() -> None:
    parent = BackgroundTaskFactory(running=True)
    first, second, third, fourth = fan_out(parent, 4)
    services.wait(**key_of(parent), on=WaitingOn.CHILDREN, reason="Its parts are at work.")
    start(first)
    services.complete(**key_of(first))
    assert counts(parent) == (1, 4)
    services.fail(**key_of(second), error="Error: no")
    services.cancel(**key_of(third))
    assert counts(parent) == (3, 4)
    assert reload(parent).state == "waiting/children"
    start(fourth)
    services.complete(**key_of(fourth), needs_review=True)
    assert counts(parent) == (3, 4)
    services.dismiss(**key_of(fourth) | {"actor": Actor.member(parent.owner)})
    parent = reload(parent)
    assert (parent.state, parent.child_done_count, parent.waiting_reason) == ("running", 4, "")
    last = AuditEntry.objects.filter(object_id=parent.pk).latest("pk")
    assert (last.action, last.actor_kind) == ("resume", "system")


def test_what_is_over_is_not_counted_again() -> None:
    parent = BackgroundTaskFactory(running=True)
    (child,) = fan_out(parent, 1)
    services.cancel(**key_of(child))
    services.dismiss(**key_of(child))
    assert counts(parent) == (1, 1)


def test_a_child_that_is_retried_counts_as_open_again() -> None:
    parent = BackgroundTaskFactory(running=True)
    child, _ = fan_out(parent, 2)
    services.cancel(**key_of(child))
    services.retry(**key_of(child))
    assert counts(parent) == (0, 2)


def test_a_child_of_unknown_end_keeps_its_parent_waiting_until_somebody_dismisses_it() -> None:
    parent = BackgroundTaskFactory(running=True)
    (child,) = fan_out(parent, 1)
    services.wait(**key_of(parent), on=WaitingOn.CHILDREN, reason="")
    start(child)
    services.mark_unknown(**key_of(child), rule="Its record stops inside its work.")
    assert (counts(parent), reload(parent).state) == ((0, 1), "waiting/children")
    services.dismiss(**key_of(child))
    assert reload(parent).state == "running"


def test_waiting_for_children_that_have_all_ended_goes_on_at_once() -> None:
    parent = BackgroundTaskFactory(running=True)
    (child,) = fan_out(parent, 1)
    services.cancel(**key_of(child))
    task = services.wait(**key_of(parent), on=WaitingOn.CHILDREN, reason="")
    assert (task.state, reload(parent).state) == ("running", "running")


def test_an_end_of_a_child_leaves_the_status_of_a_parent_that_does_other_things() -> None:
    parent = BackgroundTaskFactory(running=True)
    (child,) = fan_out(parent, 1)
    services.wait(**key_of(parent), on=WaitingOn.INPUT, reason="Which?")
    version = reload(parent).version
    services.cancel(**key_of(child))
    assert (counts(parent), reload(parent).state) == ((1, 1), "waiting/input")
    assert reload(parent).version == version


def test_cancelling_a_parent_cancels_all_live_tasks_below_it_and_no_others() -> None:
    parent = BackgroundTaskFactory(running=True)
    done, live = fan_out(parent, 2)
    start(done)
    services.complete(**key_of(done))
    start(live)
    (grandchild,) = fan_out(live, 1)
    carrier = BackgroundTaskFactory(
        running=True,
        parent=parent,
        tenant=parent.tenant,
        is_carrier=True,
        source_kind="chat",
        source_id=ChatFactory(tenant=parent.tenant).pk,
    )
    services.cancel(**key_of(parent))
    expected = {
        parent: TaskStatus.CANCELLED,
        live: TaskStatus.CANCELLED,
        grandchild: TaskStatus.CANCELLED,
        done: TaskStatus.COMPLETED,
        carrier: TaskStatus.RUNNING,
    }
    assert {task: reload(task).status for task in expected} == expected
    assert counts(parent) == (2, 2)
    assert counts(live) == (1, 1)
    assert AuditEntry.objects.filter(action="cancel").count() == 3
