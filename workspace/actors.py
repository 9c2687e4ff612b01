"""Who does something: every service that writes takes an `Actor` and the audit log keeps it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workspace.models import User

__all__ = ["MAX_NAME", "SYSTEM", "Actor", "ActorKind"]

#: What the record has room for.
MAX_NAME = 200


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
    def by_token(cls, user: User, *, name: str, prefix: str) -> Actor:
        """A member by one of their tokens: by its beginning too, as names come twice."""
        token = f" (token “{name}” {prefix})"
        return cls(ActorKind.MEMBER, f"{cut(user.display_name, MAX_NAME - len(token))}{token}", user.pk)

    @classmethod
    def agent(cls, name: str) -> Actor:
        return cls(ActorKind.AGENT, name)


def cut(name: str, most: int) -> str:
    """The name, or its beginning and a sign that there is more."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


SYSTEM = Actor(ActorKind.SYSTEM, "system")
