"""The beats that a demo's background task is told in, each played through the services of tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from config.demo.script import Call, Clock, Line
from config.demo.stage import Stage
from sessions_app.kinds import Evidence, Origin
from tasks import services
from tasks.models import BackgroundTask, TaskStatus, WaitingOn
from tasks.services import ChildSpec, ImportedTask, Source
from workspace.actors import SYSTEM, Actor

__all__ = [
    "Accept",
    "Answer",
    "Beat",
    "Cancel",
    "ChildStory",
    "Complete",
    "Decide",
    "Dismiss",
    "Fail",
    "FanOut",
    "Provision",
    "Retry",
    "SendBack",
    "Start",
    "TaskStory",
    "Wait",
    "Work",
    "import_cut_off_task",
    "tell_task",
]


class Telling:
    """One task while its story is told."""

    def __init__(self, stage: Stage, story: TaskStory, task: BackgroundTask, clock: Clock, key: str) -> None:
        self.stage, self.story, self.clock = stage, story, clock
        self.task: dict[str, Any] = {"tenant_id": stage.tenant_id, "task_id": task.pk}
        self.agent = Actor.agent(stage.profiles[story.profile].name)
        self.player = stage.player(key, story.profile, clock)
        self.facts = stage.facts(story.profile, origin=story.origin, repo=story.repo, branch=story.branch)
        self.turns = self.files = 0

    def work(self, lines: tuple[Line, ...]) -> tuple[str, ...]:
        """Let the agent play these lines; the ids of the tool calls that they leave open."""
        played = self.player.play(lines, self.facts)
        self.turns += played.turns
        self.files += played.files
        services.record_progress(
            **self.task,
            turn_count=self.turns,
            files_touched=self.files,
            delivery=played.delivery,
            now=self.clock.at,
        )
        return played.open_calls

    def as_seen(self) -> dict[str, Any]:
        """The task in the version that stands there: what somebody decides on."""
        rows = BackgroundTask.objects.for_tenant(self.stage.tenant_id)
        return {**self.task, "seen_version": rows.get(pk=self.task["task_id"]).version}

    def person(self, who: str) -> Actor:
        return self.stage.actor(who)


class Beat(Protocol):
    def tell(self, telling: Telling) -> None: ...


@dataclass(frozen=True, slots=True)
class TaskStory:
    """A task from its start, `minutes_ago`, to the status that its beats leave it in.

    `chat` is the key of the chat that started it.
    """

    key: str
    title: str
    prompt: str
    who: str
    minutes_ago: float
    beats: tuple[Beat, ...]
    serves: str = ""
    repo: str = ""
    branch: str = "main"
    origin: str = Origin.WEB.value
    profile: str = "cloud"
    chat: str = ""


def tell_task(stage: Stage, story: TaskStory, source: Source | None) -> BackgroundTask:
    clock = stage.clock(story.minutes_ago)
    task = services.create_task(
        tenant_id=stage.tenant_id,
        placement=stage.place(story.who, story.serves),
        title=story.title,
        prompt=story.prompt,
        actor=stage.actor(story.who),
        profile_id=stage.profiles[story.profile].pk,
        source=source,
        repo=story.repo,
        origin=story.origin,
        now=clock.at,
    )
    telling = Telling(stage, story, task, clock, story.key)
    for beat in story.beats:
        beat.tell(telling)
    return task


@dataclass(frozen=True, slots=True)
class Provision:
    """A worker makes its place ready: a container with the repo in it."""

    substate: str = "Cloning the repository"
    after: float = 0.3

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(minutes=self.after)
        services.start_provisioning(**telling.task, actor=SYSTEM, substate=self.substate, now=now)


@dataclass(frozen=True, slots=True)
class Start:
    """Provisioned, and its agent at work."""

    after: float = 0.4

    def tell(self, telling: Telling) -> None:
        Provision().tell(telling)
        now = telling.clock.after(minutes=self.after)
        services.start(**telling.task, actor=SYSTEM, now=now)


@dataclass(frozen=True, slots=True)
class Work:
    lines: tuple[Line, ...]
    minutes: float = 0

    def tell(self, telling: Telling) -> None:
        telling.clock.after(minutes=self.minutes)
        telling.work(self.lines)


@dataclass(frozen=True, slots=True)
class Wait:
    on: WaitingOn
    reason: str

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(seconds=1)
        services.wait(**telling.task, actor=telling.agent, on=self.on, reason=self.reason, now=now)


@dataclass(frozen=True, slots=True)
class Answer:
    who: str
    text: str
    after: float = 10

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(minutes=self.after)
        services.answer(**telling.task, actor=telling.person(self.who), text=self.text, now=now)


@dataclass(frozen=True, slots=True)
class Decide:
    who: str
    is_approved: bool
    comment: str = ""
    after: float = 5

    def tell(self, telling: Telling) -> None:
        services.decide_approval(
            **telling.as_seen(),
            actor=telling.person(self.who),
            is_approved=self.is_approved,
            comment=self.comment,
            now=telling.clock.after(minutes=self.after),
        )


@dataclass(frozen=True, slots=True)
class Complete:
    result: str
    needs_review: bool = False

    def tell(self, telling: Telling) -> None:
        services.complete(
            **telling.task,
            actor=telling.agent,
            result=self.result,
            needs_review=self.needs_review,
            now=telling.clock.after(seconds=2),
        )


@dataclass(frozen=True, slots=True)
class Accept:
    who: str
    comment: str = ""
    after: float = 20

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(minutes=self.after)
        services.accept(**telling.as_seen(), actor=telling.person(self.who), comment=self.comment, now=now)


@dataclass(frozen=True, slots=True)
class SendBack:
    who: str
    comment: str
    after: float = 20

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(minutes=self.after)
        services.send_back(**telling.as_seen(), actor=telling.person(self.who), comment=self.comment, now=now)


@dataclass(frozen=True, slots=True)
class Dismiss:
    who: str
    comment: str = ""
    after: float = 20

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(minutes=self.after)
        services.dismiss(**telling.task, actor=telling.person(self.who), comment=self.comment, now=now)


@dataclass(frozen=True, slots=True)
class Fail:
    error: str

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(seconds=5)
        services.fail(**telling.task, actor=telling.agent, error=self.error, now=now)


@dataclass(frozen=True, slots=True)
class Cancel:
    who: str
    after: float = 5

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(minutes=self.after)
        services.cancel(**telling.task, actor=telling.person(self.who), now=now)


@dataclass(frozen=True, slots=True)
class Retry:
    who: str
    after: float = 5

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(minutes=self.after)
        services.retry(**telling.task, actor=telling.person(self.who), now=now)


@dataclass(frozen=True, slots=True)
class ChildStory:
    """A sub-agent of a fan-out, from the moment at which its parent begins to wait for it."""

    title: str
    prompt: str
    beats: tuple[Beat, ...]


@dataclass(frozen=True, slots=True)
class FanOut:
    """The task hands its work to sub-agents, each by a tool call, and waits for all of them."""

    children: tuple[ChildStory, ...]

    def tell(self, telling: Telling) -> None:
        calls = tuple(
            Call("Task", {"description": child.title, "prompt": child.prompt}, None)
            for child in self.children
        )
        call_ids = telling.work(calls)
        specs = [
            ChildSpec(title=child.title, prompt=child.prompt, call_id=call_id)
            for child, call_id in zip(self.children, call_ids, strict=True)
        ]
        stage, agent = telling.stage, telling.agent
        now = telling.clock.after(seconds=1)
        made = services.fan_out(**telling.task, actor=agent, children=specs, now=now)
        Wait(WaitingOn.CHILDREN, f"{len(made)} places, one each").tell(telling)
        for number, (child, task) in enumerate(zip(self.children, made, strict=True), start=1):
            clock = Clock(telling.clock.at + timedelta(seconds=number), stage.now)
            below = Telling(stage, telling.story, task, clock, f"{telling.story.key}-{number}")
            for beat in child.beats:
                beat.tell(below)


def import_cut_off_task(stage: Stage) -> None:
    """A sub-agent that ran elsewhere and whose record stops inside its work: nobody knows how it ended."""
    clock = stage.clock(28 * 60)
    started_at = clock.at
    player = stage.player("cut-off", "workstation", clock)
    last_call = Call("Bash", {"command": "pytest tests/orders --durations=50"}, None)
    played = player.play((last_call,), stage.facts("workstation", origin="cli", repo="fernway/shop"))
    services.sync_imported_task(
        tenant_id=stage.tenant_id,
        session_id=None,
        placement=stage.place("teammate", "builds"),
        task=ImportedTask(
            title="Find the slowest fifty order tests",
            prompt="Run the order tests, list the fifty slowest and say what each one waits for.",
            status=TaskStatus.UNKNOWN,
            evidence=(Evidence("Rule", "its record stops inside a tool call", clock.at),),
            changed_at=clock.at,
            started_at=started_at,
            turn_count=played.turns,
            repo="fernway/shop",
            origin=Origin.CLI.value,
            is_folded=False,
        ),
        actor=stage.actor("teammate"),
        delivery=played.delivery,
    )
