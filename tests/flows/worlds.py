"""What the tests of flows stand on: a workspace, its people, one flow, and runs walked there by services."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agents.models import Skill
from audit.models import AuditEntry, DecisionReceipt, TranscriptEntry
from flows import services
from flows.design import FlowDesign, ParameterDesign, StepDesign
from flows.models import Flow, FlowRun, RunStatus, StepRun
from flows.moves import KIND
from tests.factories.agents import SkillFactory
from tests.factories.workspace import MembershipFactory
from workspace.actors import Actor
from workspace.models import Membership, Tenant
from workspace.placement import Placement

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
WORKER = Actor.agent("worker")


@dataclass
class World:
    """A workspace with an owner, a teammate, an admin and a viewer, and a flow that they run.

    Each call of a service takes place a minute after the one before.
    """

    owner: Membership = field(default_factory=MembershipFactory)
    now: datetime = START

    def __post_init__(self) -> None:
        tenant = self.tenant
        self.teammate: Membership = MembershipFactory(tenant=tenant)
        self.admin: Membership = MembershipFactory(tenant=tenant, admin=True)
        self.viewer: Membership = MembershipFactory(tenant=tenant, viewer=True)
        self.skill: Skill = SkillFactory(tenant=tenant, name="Ship", body="make ship")
        self.flow: Flow = services.create_flow(
            tenant_id=tenant.pk, actor=self.actor, design=make_design(self.skill)
        )

    @property
    def tenant(self) -> Tenant:
        return self.owner.tenant

    @property
    def actor(self) -> Actor:
        return Actor.member(self.owner.user)

    def tick(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now

    def name_approver(self, member: Membership) -> None:
        """Let this member alone decide the checkpoints of runs that start from now on."""
        design = replace(services.read_design(self.flow), approver_ids=frozenset({member.user_id}))
        self.flow = services.update_flow(
            tenant_id=self.tenant.pk, flow_id=self.flow.pk, actor=self.actor, design=design
        )

    def start(self, **given: Any) -> FlowRun:
        given = {
            "flow_id": self.flow.pk,
            "placement": self.place(),
            "actor": self.actor,
            "parameters": {"environment": "staging"},
            "now": self.tick(),
            **given,
        }
        return services.start_run(tenant_id=self.tenant.pk, **given)

    def place(self, **given: Any) -> Placement:
        return Placement(**{"owner_id": self.owner.user_id, **given})

    def call(self, service: Callable[..., Any], run: FlowRun, **given: Any) -> Any:
        given = {"actor": WORKER, "now": self.tick(), **given}
        return service(tenant_id=self.tenant.pk, run_id=run.pk, **given)

    def decide(self, service: Callable[..., Any], run: FlowRun, **given: Any) -> FlowRun:
        version = FlowRun.objects.get(pk=run.pk).version
        decided: FlowRun = self.call(service, run, **{"actor": self.actor, "seen_version": version, **given})
        return decided

    def finish_steps(self, run: FlowRun, count: int) -> None:
        for _ in range(count):
            self.call(services.start_step, run)
            self.call(services.finish_step, run, result={"exit_code": 0})

    def run_that_is(self, status: str) -> FlowRun:
        """A run in this status, led there by legal moves alone."""
        run = self.start()
        if status not in {RunStatus.PENDING, RunStatus.CANCELLED}:
            self.call(services.begin_run, run)
        match status:
            case RunStatus.RUNNING | RunStatus.FAILED | RunStatus.BLOCKED | RunStatus.INTERRUPTED:
                self.call(services.start_step, run)
            case RunStatus.COMPLETED:
                self.finish_steps(run, 3)
                self.call(services.complete_run, run)
            case RunStatus.PAUSED | RunStatus.REJECTED:
                self.finish_steps(run, 2)
                self.call(services.pause_at_checkpoint, run)
            case RunStatus.CANCELLED:
                self.call(services.cancel_run, run, actor=self.actor)
        match status:
            case RunStatus.FAILED:
                self.call(services.fail_step, run, error="Error: exit code 2\nmake: *** [ship] Error 2")
            case RunStatus.BLOCKED:
                self.call(services.block_run, run, reason="DEPLOY_KEY is not set")
            case RunStatus.INTERRUPTED:
                self.call(services.interrupt_run, run, reason="The worker was lost three times")
            case RunStatus.REJECTED:
                self.decide(services.reject_checkpoint, run, comment="Not on a Friday")
        return FlowRun.objects.get(pk=run.pk)


def make_design(skill: Skill, **fields: Any) -> FlowDesign:
    """Three steps, build, test and deploy; a person is asked before the last."""
    step = {"skill_id": skill.pk}
    defaults: dict[str, Any] = {
        "name": "Release",
        "parameters": (
            ParameterDesign(name="environment", required=True),
            ParameterDesign(name="retries", type="number", default=3),
            ParameterDesign(name="dry_run", type="boolean"),
        ),
        "steps": (
            StepDesign(name="build", parameters={"target": "all"}, **step),
            StepDesign(name="test", **step),
            StepDesign(name="deploy", has_checkpoint=True, checkpoint_message="Deploy it?", **step),
        ),
    }
    return FlowDesign(**{**defaults, **fields})


def steps_of(run: FlowRun) -> list[tuple[int, int, str]]:
    """(position, attempt, status) of each step of a run, in order."""
    steps = StepRun.objects.filter(run=run).order_by("position", "attempt")
    return [(step.position, step.attempt, str(step.status)) for step in steps]


def lines_of(run: FlowRun) -> list[TranscriptEntry]:
    return list(TranscriptEntry.objects.filter(transcript__session_id=run.pk).order_by("seq"))


def audit_of(run: FlowRun) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(session_kind=KIND, session_id=run.pk).order_by("created_at", "id"))


def receipts_of(run: FlowRun) -> list[DecisionReceipt]:
    return list(DecisionReceipt.objects.filter(session_kind=KIND, session_id=run.pk).order_by("id"))


def picture_of(run: FlowRun) -> dict[str, Any]:
    """All that a refused move must leave as it was."""
    return {
        "run": FlowRun.objects.values().get(pk=run.pk),
        "steps": list(StepRun.objects.filter(run=run).order_by("position", "attempt").values()),
        "lines": len(lines_of(run)),
        "audit": len(audit_of(run)),
        "receipts": len(receipts_of(run)),
    }
