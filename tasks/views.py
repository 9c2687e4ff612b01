from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit.pages import Fact, find_session, render_session_page, session_context
from audit.rendering import render_prose
from audit.transcripts import seq_of
from sessions_app.kinds import Action, Moment, SessionKind, SessionRow
from sessions_app.registry import get_kind
from tasks.models import BackgroundTask, TaskStatus, WaitingOn
from tasks.queries import children_of, started_by
from workspace.access import MemberRequest, Seat, for_members

#: The actions that the review's card offers; the others stand in the page's head.
DECISIONS = {"accept", "send_back", "dismiss"}
#: How deep the tree of sub-agents is drawn; deeper ones are reached through their own pages.
MAX_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Node:
    """One line of the tree of sub-agents; `level` counts from 1."""

    level: int
    row: SessionRow


@require_safe
@for_members
def task_detail(request: MemberRequest, task_id: uuid.UUID) -> HttpResponse:
    """A task: its state, prompt, sub-agents and transcript."""
    kind = get_kind("background_task")
    task: BackgroundTask = find_session(kind, request.seat.tenant.pk, task_id)

    def build() -> dict[str, object]:
        slug = request.seat.tenant.slug
        started = started_by(tenant_id=task.tenant_id, kind=kind.key, session_id=task.pk)
        calls = {child.source_call_id: (child.title, kind.url(child, slug)) for child in started}
        context = session_context(request, kind, task, extra_facts=list(_facts(task)), children=calls)
        card = _review(kind, task, context["actions"]) or _asked_by_source(kind, task, context["actions"])
        if card:
            context["actions"] = [a for a in context["actions"] if a not in card["decisions"]]
        return {
            **context,
            "prompt": render_prose(task.prompt, level=3),
            "result": "" if _is_in_review(task) else render_prose(task.result, level=3),
            "sub_step": task.substate,
            "checkpoint": card,
            "children": list(_tree(task, request.seat)) if task.child_count else [],
            "children_summary": f"{task.child_done_count} of {task.child_count} done",
            "related": _related(task, request.seat),
        }

    return render_session_page(request, "tasks/task_detail.html", build)


def _facts(task: BackgroundTask) -> Iterator[Fact]:
    yield Fact("Turns", str(task.turn_count))
    if task.files_touched:
        yield Fact("Files touched", str(task.files_touched))
    if task.started_at and task.finished_at:
        yield Fact("Took", seconds=(task.finished_at - task.started_at).total_seconds())


def _is_in_review(task: BackgroundTask) -> bool:
    return task.status == TaskStatus.WAITING and task.waiting_on == WaitingOn.REVIEW


def _review(kind: SessionKind, task: BackgroundTask, actions: list[Action]) -> dict[str, Any] | None:
    """The result that is to be accepted."""
    if not _is_in_review(task):
        return None
    peek = kind.peek(task)
    return {
        "peek": replace(peek, text=render_prose(peek.text, level=3)),
        "icon": "eye",
        "decisions": [action for action in actions if action.name in DECISIONS],
        "comment_label": "Comment",
        "waiting_text": "Waiting for somebody who may review it.",
    }


def _asked_by_source(kind: SessionKind, task: BackgroundTask, actions: list[Action]) -> dict[str, Any] | None:
    """What the session that this task carries asks, with all that its decision is bound to."""
    if not task.is_carrier or task.waiting_on != WaitingOn.APPROVAL:
        return None
    return {
        "peek": kind.peek(task),
        "icon": "circle-pause",
        "decisions": [
            action for action in actions if action.is_primary or action.wants_comment or action.link
        ],
        "comment_label": "Comment",
        "waiting_text": "Waiting for somebody who may decide.",
    }


def _tree(task: BackgroundTask, seat: Seat, level: int = 1) -> Iterator[Node]:
    """Depth first; one query for each task that has sub-agents of its own."""
    kind, moment = get_kind("background_task"), Moment.of(seat.tenant, timezone.now())
    for child in children_of(task):
        yield Node(level, kind.present(child, moment, seat.tenant.slug))
        if child.child_count and level < MAX_DEPTH:
            yield from _tree(child, seat, level + 1)


def _related(task: BackgroundTask, seat: Seat) -> list[dict[str, str]]:
    """The parent, and the moment of the session that started the task, where they still are."""
    links = []
    if task.parent_id:
        links.append(_link("Part of", "background_task", task.parent_id, seat))
    if task.source_id and (task.source_kind, task.source_id) != ("background_task", task.parent_id):
        words = "Carries" if task.is_carrier else "Started by"
        links.append(_link(words, task.source_kind, task.source_id, seat, task.source_entry_id))
    return [link for link in links if link]


def _link(
    words: str, key: str, session_id: uuid.UUID, seat: Seat, entry_id: uuid.UUID | None = None
) -> dict[str, str] | None:
    kind = get_kind(key)
    found = kind.hydrate(seat.tenant.pk, [session_id]).get(session_id)
    if found is None:
        return None
    seq = seq_of(seat.tenant.pk, entry_id) if entry_id else None
    moment = f"?at={seq}#e-{seq}" if seq else ""
    url = kind.url(found, seat.tenant.slug) + moment
    return {"label": f"{words}: {found.title}", "url": url, "icon": kind.icon}
