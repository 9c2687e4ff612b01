"""Who does something: every service that writes takes an `Actor` and the audit log keeps it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workspace.models import User

__all__ = ["SYSTEM", "Actor", "ActorKind"]


class ActorKind(StrEnum):
    MEMBER = "member"
    AGENT = "agent"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person (`user_id` set), an agent or the system itself, by the name that the record shows."""

    kind: ActorKind
    name: str
    user_id: uuid.UUID | None = None

    @classmethod
    def member(cls, user: User) -> Actor:
        return cls(ActorKind.MEMBER, user.display_name, user.pk)

    @classmethod
    def agent(cls, name: str) -> Actor:
        return cls(ActorKind.AGENT, name)


SYSTEM = Actor(ActorKind.SYSTEM, "system")
