"""The beats that a demo's chat is told in, each played through the services of chats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from chats import services
from chats.models import Chat, ChatMode
from config.demo.script import Clock, Line
from config.demo.stage import Stage
from sessions_app.kinds import Origin
from workspace.actors import Actor

__all__ = [
    "Ask",
    "Beat",
    "ChatStory",
    "Decide",
    "End",
    "FailTurn",
    "Finish",
    "Message",
    "Reply",
    "Request",
    "Turn",
    "tell_chat",
]


class Telling:
    """One chat while its story is told."""

    def __init__(self, stage: Stage, story: ChatStory, chat: Chat, clock: Clock) -> None:
        self.stage, self.story, self.clock = stage, story, clock
        self.chat: dict[str, Any] = {"tenant_id": stage.tenant_id, "chat_id": chat.pk}
        self.agent = Actor.agent(stage.profiles[story.profile].name)
        self.person = stage.actor(story.who)
        self.player = stage.player(story.key, story.profile, clock)
        self.facts = stage.facts(story.profile, origin=story.origin, repo=story.repo, branch=story.branch)


class Beat(Protocol):
    def tell(self, telling: Telling) -> None: ...


@dataclass(frozen=True, slots=True)
class ChatStory:
    """A chat from its start, `minutes_ago`, to the status that its beats leave it in."""

    key: str
    title: str
    who: str
    minutes_ago: float
    beats: tuple[Beat, ...]
    serves: str = ""
    repo: str = ""
    branch: str = "main"
    mode: ChatMode = ChatMode.CHAT
    origin: str = Origin.WEB.value
    profile: str = "workstation"


def tell_chat(stage: Stage, story: ChatStory) -> Chat:
    clock = stage.clock(story.minutes_ago)
    chat = services.create_chat(
        tenant_id=stage.tenant_id,
        placement=stage.place(story.who, story.serves),
        title=story.title,
        actor=stage.actor(story.who),
        mode=story.mode,
        profile_id=stage.profiles[story.profile].pk,
        repo=story.repo,
        origin=story.origin,
        now=clock.at,
    )
    telling = Telling(stage, story, chat, clock)
    for beat in story.beats:
        beat.tell(telling)
    return chat


@dataclass(frozen=True, slots=True)
class Message:
    """What the person writes, `after` minutes of reading and thinking."""

    text: str
    after: float = 1

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(minutes=self.after)
        services.post_message(**telling.chat, actor=telling.person, text=self.text, now=now)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the agent says and does; its turn goes on."""

    lines: tuple[Line, ...]

    def tell(self, telling: Telling) -> None:
        played = telling.player.play(self.lines, telling.facts)
        services.record_activity(
            **telling.chat,
            at=telling.clock.at,
            delivery=played.delivery,
            messages=played.messages,
            turns=played.turns,
        )


@dataclass(frozen=True, slots=True)
class Finish:
    def tell(self, telling: Telling) -> None:
        services.finish_turn(**telling.chat, actor=telling.agent, now=telling.clock.after(seconds=1))


@dataclass(frozen=True, slots=True)
class Turn:
    """A message and the whole answer to it."""

    text: str
    lines: tuple[Line, ...]
    after: float = 1

    def tell(self, telling: Telling) -> None:
        for beat in (Message(self.text, self.after), Reply(self.lines), Finish()):
            beat.tell(telling)


@dataclass(frozen=True, slots=True)
class Ask:
    """The agent asks outright and cannot go on without an answer."""

    question: str

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(seconds=1)
        services.ask_question(**telling.chat, actor=telling.agent, reason=self.question, now=now)


@dataclass(frozen=True, slots=True)
class Request:
    """The agent wants to do something that a person must allow."""

    what: str

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(seconds=1)
        services.request_approval(**telling.chat, actor=telling.agent, reason=self.what, now=now)


@dataclass(frozen=True, slots=True)
class Decide:
    is_approved: bool
    comment: str = ""
    after: float = 2

    def tell(self, telling: Telling) -> None:
        services.decide_approval(
            **telling.chat,
            seen_version=Chat.objects.for_tenant(telling.stage.tenant_id)
            .get(pk=telling.chat["chat_id"])
            .version,
            actor=telling.person,
            is_approved=self.is_approved,
            comment=self.comment,
            now=telling.clock.after(minutes=self.after),
        )


@dataclass(frozen=True, slots=True)
class FailTurn:
    error: str

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(seconds=30)
        services.fail_turn(**telling.chat, actor=telling.agent, error=self.error, now=now)


@dataclass(frozen=True, slots=True)
class End:
    after: float = 5

    def tell(self, telling: Telling) -> None:
        now = telling.clock.after(minutes=self.after)
        services.end_chat(**telling.chat, actor=telling.person, now=now)
