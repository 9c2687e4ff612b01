"""What the frame of every page shows of a workspace's sessions: the button of the Command Center."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from sessions_app.center import MOST_NEEDS, needs_of
from workspace.access import Seat

__all__ = ["CenterButton", "center_button"]


@dataclass(frozen=True, slots=True)
class CenterButton:
    """The button, and what its script must know of who presses it; `needs` are keys of sessions."""

    url: str
    sessions_url: str
    user_id: uuid.UUID
    can_run: bool
    can_manage: bool
    needs: tuple[str, ...]

    @property
    def count_label(self) -> str:
        """ "" for nothing; nobody counts beyond `MOST_NEEDS`."""
        if len(self.needs) < MOST_NEEDS:
            return str(len(self.needs) or "")
        return f"{MOST_NEEDS - 1}+"


def center_button(request: HttpRequest) -> dict[str, Any]:
    """Context processor: one query, and only on a page of a workspace that draws the button.

    `error_frame` is what the page of an error stands in: all of a workspace's frame, once somebody is let in.
    """
    seat: Seat | None = getattr(request, "seat", None)
    return {
        "center_button": SimpleLazyObject(partial(_build, seat)) if seat else None,
        "error_frame": "base.html" if seat else "bare.html",
    }


def _build(seat: Seat) -> CenterButton:
    return CenterButton(
        url=reverse("sessions_app:command-center", args=[seat.tenant.slug]),
        sessions_url=reverse("sessions_app:session-list", args=[seat.tenant.slug]),
        user_id=seat.user.pk,
        can_run=seat.can_run,
        can_manage=seat.can_manage,
        needs=tuple(f"{kind}:{session_id}" for kind, session_id in needs_of(seat)),
    )
