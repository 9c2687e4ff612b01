"""Flows and runs in each of their states, for lists and pages; behaviour is tested through the services."""

from __future__ import annotations

from typing import Any

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from flows.models import Flow, FlowRun, FlowStep, RunStatus, StepRun, StepStatus
from flows.services.starting import take_snapshot
from tests.factories.agents import SkillFactory
from tests.factories.workspace import OwnerFactory, TenantFactory

CHANGED = factory.SelfAttribute("changed_at")
STEP_NAMES = ("fetch", "build", "test", "review", "deploy")


class FlowStepFactory(DjangoModelFactory[FlowStep]):
    """A step of `flow`; its skill is a fresh one of the same tenant."""

    tenant = factory.SelfAttribute("flow.tenant")
    position = 1
    name = factory.LazyAttribute(lambda made: STEP_NAMES[(made.position - 1) % len(STEP_NAMES)])
    skill = factory.SubFactory(SkillFactory, tenant=factory.SelfAttribute("..tenant"))
    parameters = factory.LazyFunction(lambda: {"target": "all"})

    class Meta:
        model = FlowStep


class FlowFactory(DjangoModelFactory[Flow]):
    """A flow of three steps, of which the third asks first; `step_count=` makes more or fewer."""

    tenant = factory.SubFactory(TenantFactory)
    name = factory.Sequence(lambda n: f"Flow {n}")

    class Meta:
        model = Flow

    @classmethod
    def _create(cls, model_class: type[Flow], *args: Any, **kwargs: Any) -> Flow:
        step_count = kwargs.pop("step_count", 3)
        flow: Flow = super()._create(model_class, *args, **kwargs)
        skill = SkillFactory(tenant=flow.tenant)
        for position in range(1, step_count + 1):
            asks = {"has_checkpoint": True, "checkpoint_message": "Go on?"} if position == 3 else {}
            FlowStepFactory(flow=flow, position=position, skill=skill, **asks)
        return flow


def ended_early(status: RunStatus, step_status: StepStatus, **fields: Any) -> factory.Trait:
    return factory.Trait(
        status=status,
        step_position=2,
        started_at=CHANGED,
        step_statuses=(StepStatus.COMPLETED, step_status),
        **fields,
    )


class FlowRunFactory(DjangoModelFactory[FlowRun]):
    """A pending run with its steps; each other status is a trait of the same name."""

    tenant = factory.SubFactory(TenantFactory)
    owner = factory.SubFactory(OwnerFactory)
    flow = factory.SubFactory(FlowFactory, tenant=factory.SelfAttribute("..tenant"))
    title = factory.Sequence(lambda n: f"Run {n}")
    changed_at = factory.LazyFunction(timezone.now)
    flow_version = factory.SelfAttribute("flow.version")
    snapshot = factory.LazyAttribute(lambda made: take_snapshot(made.flow))
    status = RunStatus.PENDING
    step_count = factory.LazyAttribute(lambda made: len(made.snapshot["steps"]))

    class Meta:
        model = FlowRun

    class Params:
        pending = factory.Trait(status=RunStatus.PENDING)
        running = ended_early(RunStatus.RUNNING, StepStatus.RUNNING)
        paused = ended_early(
            RunStatus.PAUSED,
            StepStatus.PAUSED,
            waiting_since=CHANGED,
            checkpoint_message="Deploy to production?",
            checkpoint_hash="0" * 64,
        )
        blocked = ended_early(
            RunStatus.BLOCKED, StepStatus.PENDING, error="No runtime is configured", waiting_since=CHANGED
        )
        interrupted = ended_early(
            RunStatus.INTERRUPTED, StepStatus.FAILED, error="The worker was lost", waiting_since=CHANGED
        )
        completed = factory.Trait(
            status=RunStatus.COMPLETED,
            step_position=factory.SelfAttribute("step_count"),
            started_at=CHANGED,
            finished_at=CHANGED,
            step_statuses=(StepStatus.COMPLETED,) * 100,
        )
        failed = ended_early(
            RunStatus.FAILED, StepStatus.FAILED, error="Error: exit code 1", finished_at=CHANGED
        )
        rejected = ended_early(
            RunStatus.REJECTED, StepStatus.CANCELLED, error="Rejected by Ada: not today", finished_at=CHANGED
        )
        cancelled = ended_early(RunStatus.CANCELLED, StepStatus.CANCELLED, finished_at=CHANGED)

    @classmethod
    def _create(cls, model_class: type[FlowRun], *args: Any, **kwargs: Any) -> FlowRun:
        statuses = kwargs.pop("step_statuses", ())
        run: FlowRun = super()._create(model_class, *args, **kwargs)
        ended = run.status in {RunStatus.CANCELLED, RunStatus.REJECTED}
        for step in run.snapshot["steps"]:
            position = step["position"]
            untouched = StepStatus.CANCELLED if ended else StepStatus.PENDING
            status = statuses[position - 1] if position <= len(statuses) else untouched
            StepRunFactory(run=run, position=position, name=step["name"], status=status)
        return run


class StepRunFactory(DjangoModelFactory[StepRun]):
    """One attempt of a step of `run`."""

    tenant = factory.SelfAttribute("run.tenant")
    position = 1
    name = "fetch"
    attempt = 1
    parameters = factory.LazyFunction(lambda: {"target": "all"})

    class Meta:
        model = StepRun
