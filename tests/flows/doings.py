"""A runtime whose work is written in the test: what each skill's body stands for, in Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

from django.utils import timezone

from agents.runtimes import Outcome, Performance, Runtime, RuntimeNotThere, Stop, Work
from audit.entries import EntryKind, NewEntry
from audit.imports import Delivery
from flows import services
from flows.design import StepDesign
from flows.engine import advance
from flows.leases import Claim, claim_run
from flows.models import FlowRun
from tests.factories.agents import SkillFactory
from tests.flows.worlds import World, make_design

type Doing = Callable[[Work, Stop], Performance]


def say(work: Work, *texts: str) -> Delivery:
    """Entries as a runtime makes them: their native ids begin with the work's key."""
    entries = [
        NewEntry(kind=EntryKind.TOOL_RESULT, native_id=f"{work.key}:{number}", text=text)
        for number, text in enumerate(texts)
    ]
    return Delivery(entries=entries)


def succeed(work: Work, stop: Stop) -> Performance:
    yield say(work, f"{work.key} at work")
    return Outcome(result={"arguments": dict(work.arguments)})


def fail(work: Work, stop: Stop) -> Performance:
    yield Delivery()
    return Outcome(error=f"{work.key} has failed")


def break_down(work: Work, stop: Stop) -> Performance:
    yield Delivery()
    raise RuntimeError("out of order")


@dataclass
class Scripted:
    """`done` are the works in their order; `missing` is what it says is missing."""

    key: ClassVar[str] = "scripted"
    doings: dict[str, Doing] = field(default_factory=dict)
    missing: str = ""
    done: list[Work] = field(default_factory=list)

    def find_missing(self, work: Work) -> str:
        return self.missing

    def perform(self, work: Work, stop: Stop) -> Performance:
        self.done.append(work)
        return self.doings.get(work.body, succeed)(work, stop)

    def find(self, key: str) -> Runtime:
        if key != "shell":
            raise RuntimeNotThere(f"there is no runtime “{key}” in this installation")
        return self

    @property
    def keys(self) -> list[str]:
        return [work.key for work in self.done]


@dataclass
class Bench:
    """A world whose flow has steps of given bodies, and a runtime that does them."""

    world: World
    runtime: Scripted = field(default_factory=Scripted)

    def start(self, *steps: dict[str, Any], values: dict[str, Any] | None = None, **flow: Any) -> FlowRun:
        """A pending run of a flow of these steps; a step's `body` is that of its skill."""
        world, designs = self.world, []
        for number, step in enumerate(steps, start=1):
            given = {"name": f"s{number}", "body": "true", "runtime": "shell", **step}
            skill = SkillFactory(tenant=world.tenant, body=given.pop("body"), runtime=given.pop("runtime"))
            designs.append(StepDesign(skill_id=skill.pk, **given))
        design = make_design(world.skill, steps=tuple(designs), **{"name": "Bench", "parameters": (), **flow})
        made = services.create_flow(tenant_id=world.tenant.pk, actor=world.actor, design=design)
        return world.start(flow_id=made.pk, parameters=values or {}, now=None)

    def claim(self, run: FlowRun, holder: str = "worker") -> Claim:
        claim = claim_run(run.pk, holder)
        assert claim is not None
        return claim

    def advance(self, run: FlowRun, stop: Stop | None = None) -> FlowRun:
        """Work on a run until it rests, as a worker that nobody disturbs."""
        advance(self.claim(run), stop or Stop(), find_runtime=self.runtime.find)
        return FlowRun.objects.get(pk=run.pk)

    def approve(self, run: FlowRun) -> FlowRun:
        return self.world.decide(services.approve_checkpoint, run, now=None)


def lapse(run: FlowRun) -> None:
    """The lease has run out: the clock of the database cannot be set, so the lease is."""
    FlowRun.objects.filter(pk=run.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
