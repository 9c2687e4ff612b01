"""Random changes of chats and tasks, through the services that make them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from chats import services as chats
from chats.models import Chat
from sessions_app.kinds import IllegalMove
from tasks import services as tasks
from tasks.creating import ChildSpec
from tasks.models import BackgroundTask, WaitingOn
from workspace.actors import SYSTEM
from workspace.models import Membership
from workspace.placement import Placement

type Change = Callable[..., Any]

CHAT_MOVES: Mapping[str, tuple[Change, dict[str, Any]]] = {
    "write": (chats.post_message, {"text": "Go on."}),
    "finish": (chats.finish_turn, {}),
    "ask": (chats.ask_question, {"reason": "Which branch?"}),
    "fail": (chats.fail_turn, {"error": "Error: no answer"}),
    "end": (chats.end_chat, {}),
    "resume": (chats.resume_chat, {}),
}
TASK_MOVES: Mapping[str, tuple[Change, dict[str, Any]]] = {
    "start": (tasks.start, {}),
    "wait": (tasks.wait, {"on": WaitingOn.INPUT, "reason": "Which one?"}),
    "resume": (tasks.resume, {}),
    "complete": (tasks.complete, {"result": "Done."}),
    "fail": (tasks.fail, {"error": "Error: exit code 1"}),
    "cancel": (tasks.cancel, {}),
    "fan out": (tasks.fan_out, {"children": [ChildSpec(title="Part", prompt="Do a part.")]}),
}


class Story:
    """A workspace whose sessions begin, go on and end by chance; the same seed tells the same story."""

    def __init__(self, member: Membership, seed: int = 0) -> None:
        self.tenant, self.placement = member.tenant, Placement(owner_id=member.user_id)
        self.rng = random.Random(seed)
        self.clock = timezone.now() - timedelta(minutes=15)
        for _ in range(5):
            self._create()

    def step(self) -> None:
        """One change. A move that the session's state does not have is none: another one is tried."""
        while True:
            try:
                self.rng.choice([self._create, self._rename, *([self._move] * 30)])()
            except IllegalMove:
                continue
            return

    def finish(self, title: str = "") -> str:
        """A last change, by whose title a page knows that it has heard of all the others."""
        title = title or f"The end {self.rng.random()}"
        self._chat(title)
        return title

    def _now(self) -> datetime:
        self.clock = min(self.clock + timedelta(seconds=self.rng.uniform(0.1, 5)), timezone.now())
        return self.clock

    def _create(self) -> None:
        title = f"Look at number {self.rng.randrange(1000)}"
        self._chat(title) if self.rng.random() < 0.5 else self._task(title)

    def _chat(self, title: str) -> None:
        owner = {"tenant_id": self.tenant.pk, "placement": self.placement, "actor": SYSTEM}
        chats.create_chat(**owner, title=title, now=self._now())

    def _task(self, title: str) -> None:
        owner = {"tenant_id": self.tenant.pk, "placement": self.placement, "actor": SYSTEM}
        tasks.create_task(**owner, title=title, prompt="Look.", now=self._now())

    def _move(self) -> None:
        model, moves, name = self.rng.choice(
            [(Chat, CHAT_MOVES, "chat_id"), (BackgroundTask, TASK_MOVES, "task_id")]
        )
        rows = model._default_manager.filter(tenant=self.tenant).order_by("pk")
        ids = list(rows.values_list("pk", flat=True))
        if not ids:
            self._create()
            return
        move, options = moves[self.rng.choice(sorted(moves))]
        move(
            tenant_id=self.tenant.pk, actor=SYSTEM, now=self._now(), **{name: self.rng.choice(ids)}, **options
        )

    def _rename(self) -> None:
        """Moves neither time nor version."""
        ids = list(Chat.objects.filter(tenant=self.tenant).order_by("pk").values_list("pk", flat=True))
        if ids:
            title = f"Renamed {self.rng.randrange(1000)}"
            chats.rename_chat(
                tenant_id=self.tenant.pk, chat_id=self.rng.choice(ids), actor=SYSTEM, title=title
            )
