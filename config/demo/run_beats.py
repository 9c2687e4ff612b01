"""The beats that a demo's run is told in, each played through the services of flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from audit.entries import JSON
from config.demo.script import Clock, Line
from config.demo.stage import Stage
from flows import services
from flows.models import Flow, FlowRun
from sessions_app.kinds import Origin
from workspace.actors import Actor

__all__ = [
    "Ask",
    "Beat",
    "Begin",
    "Block",
    "Cancel",
    "Complete",
    "Decide",
    "Do",
    "Fail",
    "Interrupt",
    "Pass",
    "Resume",
    "Retry",
    "RunStory",
    "Work",
    "tell_run",
]

WORKER = Actor.agent("flow worker")

DECISIONS = {
    "approve": services.approve_checkpoint,
    "skip": services.skip_checkpoint,
    "reject": services.reject_checkpoint,
}


class Telling:
    """One run while its story is told."""

    def __init__(self, stage: Stage, story: RunStory, run: FlowRun, clock: Clock) -> None:
        self.stage, self.clock = stage, clock
        self.run: dict[str, Any] = {"tenant_id": stage.tenant_id, "run_id": run.pk}
        self.player = stage.player(story.key, story.profile, clock)
        self.facts = stage.facts(story.profile, origin=story.origin, repo=story.repo, branch=story.branch)
        self.is_step_open = False

    def work(self, lines: Sequence[Line], arguments: Mapping[str, JSON] | None = None) -> None:
        """The current step at work, started unless an approval has done so."""
        if not self.is_step_open:
            at = self.clock.after(seconds=2)
            services.start_step(**self.run, actor=WORKER, arguments=arguments, now=at)
            self.is_step_open = True
        if lines:
            played = self.player.play(lines, self.facts)
            services.add_entries(**self.run, delivery=played.delivery, now=self.clock.at)


class Beat(Protocol):
    def tell(self, telling: Telling) -> None: ...


@dataclass(frozen=True, slots=True)
class RunStory:
    """A run from its start, `minutes_ago`, to the status that its beats leave it in."""

    key: str
    title: str
    flow: str
    who: str
    minutes_ago: float
    beats: tuple[Beat, ...]
    parameters: Mapping[str, JSON] = field(default_factory=dict)
    serves: str = ""
    repo: str = ""
    branch: str = "main"
    origin: str = Origin.WEB.value
    profile: str = "workstation"


def tell_run(stage: Stage, flow: Flow, story: RunStory) -> FlowRun:
    clock = stage.clock(story.minutes_ago)
    run = services.start_run(
        tenant_id=stage.tenant_id,
        flow_id=flow.pk,
        placement=stage.place(story.who, story.serves),
        actor=stage.actor(story.who),
        parameters=story.parameters,
        title=story.title,
        repo=story.repo,
        origin=story.origin,
        now=clock.at,
    )
    telling = Telling(stage, story, run, clock)
    for beat in story.beats:
        beat.tell(telling)
    return run


@dataclass(frozen=True, slots=True)
class Begin:
    def tell(self, telling: Telling) -> None:
        services.begin_run(**telling.run, actor=WORKER, now=telling.clock.after(seconds=4))


@dataclass(frozen=True, slots=True)
class Work:
    """The current step is at work and stays so."""

    lines: tuple[Line, ...] = ()
    arguments: Mapping[str, JSON] | None = None

    def tell(self, telling: Telling) -> None:
        telling.work(self.lines, self.arguments)


@dataclass(frozen=True, slots=True)
class Do:
    """The current step from its start to its result."""

    result: JSON
    lines: tuple[Line, ...] = ()
    minutes: float = 1

    def tell(self, telling: Telling) -> None:
        telling.work(self.lines)
        now = telling.clock.after(minutes=self.minutes)
        services.finish_step(**telling.run, actor=WORKER, result=self.result, now=now)
        telling.is_step_open = False


@dataclass(frozen=True, slots=True)
class Fail:
    error: str
    lines: tuple[Line, ...] = ()
    minutes: float = 1

    def tell(self, telling: Telling) -> None:
        telling.work(self.lines)
        now = telling.clock.after(minutes=self.minutes)
        services.fail_step(**telling.run, actor=WORKER, error=self.error, now=now)
        telling.is_step_open = False


@dataclass(frozen=True, slots=True)
class Pass:
    reason: str

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(seconds=1)
        services.skip_step(**telling.run, actor=WORKER, reason=self.reason, now=now)


@dataclass(frozen=True, slots=True)
class Ask:
    """The run pauses before its next step."""

    message: str = ""
    arguments: Mapping[str, JSON] | None = None

    def tell(self, telling: Telling) -> None:
        services.pause_at_checkpoint(
            **telling.run,
            actor=WORKER,
            message=self.message,
            arguments=self.arguments,
            now=telling.clock.after(seconds=2),
        )


@dataclass(frozen=True, slots=True)
class Decide:
    decision: str
    who: str
    comment: str = ""
    after: float = 6

    def tell(self, telling: Telling) -> None:
        seen = FlowRun.objects.for_tenant(telling.stage.tenant_id).get(pk=telling.run["run_id"])
        DECISIONS[self.decision](
            **telling.run,
            actor=telling.stage.actor(self.who),
            seen_version=seen.version,
            seen_hash=seen.checkpoint_hash,
            comment=self.comment,
            now=telling.clock.after(minutes=self.after),
        )
        telling.is_step_open = self.decision == "approve"


@dataclass(frozen=True, slots=True)
class Block:
    reason: str
    minutes: float = 1

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(minutes=self.minutes)
        services.block_run(**telling.run, actor=WORKER, reason=self.reason, now=now)
        telling.is_step_open = False


@dataclass(frozen=True, slots=True)
class Interrupt:
    reason: str
    minutes: float = 1

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(minutes=self.minutes)
        services.interrupt_run(**telling.run, actor=WORKER, reason=self.reason, now=now)
        telling.is_step_open = False


@dataclass(frozen=True, slots=True)
class Resume:
    who: str
    after: float = 5

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(minutes=self.after)
        services.resume_run(**telling.run, actor=telling.stage.actor(self.who), now=now)


@dataclass(frozen=True, slots=True)
class Retry:
    who: str
    after: float = 5

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(minutes=self.after)
        services.retry_run(**telling.run, actor=telling.stage.actor(self.who), now=now)


@dataclass(frozen=True, slots=True)
class Cancel:
    who: str
    after: float = 5

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(minutes=self.after)
        services.cancel_run(**telling.run, actor=telling.stage.actor(self.who), now=now)


@dataclass(frozen=True, slots=True)
class Complete:
    def tell(self, telling: Telling) -> None:
        services.complete_run(**telling.run, actor=WORKER, now=telling.clock.after(seconds=1))
