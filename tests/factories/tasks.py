"""Background tasks in each of their states."""

from __future__ import annotations

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from sessions_app.kinds import Origin
from tasks.models import BackgroundTask, TaskStatus, WaitingOn
from tests.factories.workspace import OwnerFactory, TenantFactory

NOW = factory.LazyFunction(timezone.now)
CHANGED = factory.SelfAttribute("changed_at")


def waiting(on: WaitingOn, reason: str) -> factory.Trait:
    return factory.Trait(
        status=TaskStatus.WAITING,
        waiting_on=on,
        waiting_reason=reason,
        waiting_since=CHANGED,
        started_at=CHANGED,
    )


class BackgroundTaskFactory(DjangoModelFactory[BackgroundTask]):
    """A queued task; the other states are traits."""

    tenant = factory.SubFactory(TenantFactory)
    owner = factory.SubFactory(OwnerFactory)
    title = factory.Sequence(lambda n: f"Task {n}")
    prompt = "Look into it."
    status = TaskStatus.QUEUED
    changed_at = NOW

    class Meta:
        model = BackgroundTask

    class Params:
        queued = factory.Trait(status=TaskStatus.QUEUED)
        provisioning = factory.Trait(status=TaskStatus.PROVISIONING, substate="Building the sandbox")
        running = factory.Trait(status=TaskStatus.RUNNING, started_at=CHANGED)
        waiting_input = waiting(WaitingOn.INPUT, "Which branch?")
        waiting_review = waiting(WaitingOn.REVIEW, "The work is done.")
        waiting_approval = waiting(WaitingOn.APPROVAL, "Run the migration?")
        waiting_children = waiting(WaitingOn.CHILDREN, "Its sub-agents are at work.")
        completed = factory.Trait(status=TaskStatus.COMPLETED, started_at=CHANGED, finished_at=CHANGED)
        failed = factory.Trait(
            status=TaskStatus.FAILED, error="Error: exit code 1", started_at=CHANGED, finished_at=CHANGED
        )
        cancelled = factory.Trait(status=TaskStatus.CANCELLED, finished_at=CHANGED)
        dismissed = factory.Trait(status=TaskStatus.DISMISSED, finished_at=CHANGED)
        unknown = factory.Trait(
            status=TaskStatus.UNKNOWN,
            started_at=CHANGED,
            origin=Origin.AGENT,
            evidence=[{"label": "Rule", "text": "its record stops inside its work"}],
        )


class ChildTaskFactory(BackgroundTaskFactory):
    """A sub-agent of `parent`, folded under it; the counts on the parent are the services' work."""

    class Meta:
        model = BackgroundTask

    parent = factory.SubFactory(BackgroundTaskFactory, waiting_children=True)
    tenant = factory.SelfAttribute("parent.tenant")
    owner = factory.SelfAttribute("parent.owner")
    origin = Origin.AGENT
    is_folded = True
