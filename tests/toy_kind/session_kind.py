"""What the lens knows of toys."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Q

from sessions_app.kinds import Action, Moment, Progress, SessionKind, StatusInfo, Tone
from sessions_app.registry import register
from tests.toy_kind.models import LIVE, Toy
from workspace.actors import Actor
from workspace.models import Membership


class ToyKind(SessionKind):
    key = "toy"
    label = "Toy"
    label_plural = "Toys"
    icon = "rotate-ccw"
    model = Toy
    page = "toy-page"
    statuses = {
        "wound_up": StatusInfo("Wound up", Tone.ACTIVE, "clock"),
        "spinning": StatusInfo("Spinning", Tone.ACTIVE, "loader", is_working=True),
        "stuck": StatusInfo("Stuck", Tone.ATTENTION, "octagon-alert"),
        "stopped": StatusInfo("Stopped", Tone.SUCCESS, "check"),
        "broken": StatusInfo("Broken", Tone.PROBLEM, "x"),
        "lost": StatusInfo("Lost", Tone.NEUTRAL, "circle-question-mark"),
    }

    def live_q(self, moment: Moment) -> Q:
        return LIVE

    def rest_qs(self, moment: Moment) -> tuple[Q, ...]:
        return (~LIVE,)

    def is_live(self, obj: Any, moment: Moment) -> bool:
        return obj.status in {"wound_up", "spinning", "stuck"}

    def progress(self, obj: Any) -> Progress:
        return Progress(f"{obj.turn_count} turns")

    def actions(self, obj: Any, member: Membership) -> list[Action]:
        return []

    def perform(
        self,
        name: str,
        *,
        session_id: uuid.UUID,
        actor: Actor,
        tenant_id: uuid.UUID,
        version: int,
        comment: str,
        content_hash: str = "",
    ) -> str:
        raise NotImplementedError("toys are only looked at")

    def url(self, obj: Any, tenant_slug: str) -> str:
        return f"/w/{tenant_slug}/toys/{obj.pk}/"


register(ToyKind())
