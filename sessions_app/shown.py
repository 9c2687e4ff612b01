"""What a kind shows of a session beside its row: why its status is so, what may be done, what it asks.

The apps that own work import these from `sessions_app.kinds`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Action", "Evidence", "Part", "Peek", "read_evidence", "write_evidence"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One line of why a status is what it is: "Rule": "paused at a checkpoint"."""

    label: str
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """What a member may do to a session now. The same name is posted back and authorised again.

    `confirm` is asked before it is done; `wants_comment`: a field for text, called `comment_label`. `link` is
    the address of a page where it is done: such an action is offered as a link and not posted.
    """

    name: str
    label: str
    is_primary: bool = False
    is_danger: bool = False
    wants_comment: bool = False
    confirm: str = ""
    comment_label: str = "Comment"
    link: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of what a decision is bound to; `is_open`: shown unfolded."""

    label: str
    text: str
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Peek:
    """What a session asks or said last: enough to answer it without opening its page.

    `content_hash` names what is shown where a decision is bound to it; a decision posts it back.
    """

    title: str
    text: str = ""
    at: datetime | None = None
    parts: tuple[Part, ...] = ()
    content_hash: str = ""


def write_evidence(evidence: Iterable[Evidence]) -> list[dict[str, str]]:
    """Evidence as `SessionModel.evidence` stores it."""
    return [
        {"label": item.label, "text": item.text, **({"at": item.at.isoformat()} if item.at else {})}
        for item in evidence
    ]


def read_evidence(stored: list[dict[str, str]]) -> Iterable[Evidence]:
    """Stored evidence back as `Evidence`; see `SessionModel.evidence`."""
    for item in stored:
        at = item.get("at")
        yield Evidence(item["label"], item["text"], datetime.fromisoformat(at) if at else None)
