"""Telling the whole demo, once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from chats.states import KIND as CHAT
from config.demo.chat_beats import ChatStory, tell_chat
from config.demo.ended_chats import ENDED_CHATS
from config.demo.ended_runs import ENDED_RUNS
from config.demo.ended_tasks import ENDED_TASKS
from config.demo.flow_designs import make_flows
from config.demo.open_chats import OPEN_CHATS
from config.demo.open_runs import OPEN_RUNS
from config.demo.open_tasks import OPEN_TASKS
from config.demo.repository import unpack_repository
from config.demo.run_beats import RunStory, tell_run
from config.demo.stage import OWNER, SLUG, Stage, set_stage
from config.demo.task_beats import TaskStory, import_cut_off_task, tell_task
from sessions_app.registry import all_kinds
from tasks.services import Source
from workspace.models import Tenant

__all__ = ["LoadedDemo", "load_demo"]

logger = logging.getLogger(__name__)

#: The key of the lock that lets one load at a time look and then make.
LOCK = 0x5E55_DE30

type Story = ChatStory | RunStory | TaskStory


@dataclass(frozen=True, slots=True)
class LoadedDemo:
    """`is_new` is False when the workspace was there already; `sessions` counts what it holds, by kind."""

    workspace: str
    owner: str
    is_new: bool
    sessions: dict[str, int]


def load_demo(now: datetime | None = None) -> LoadedDemo:
    """Make the demo's workspace with all its work, or leave the one that is there as it is.

    The repository that its runs work on is made as well, or once more where it has gone.
    """
    try:
        unpack_repository()
    except OSError as error:
        logger.warning("the demo's repository could not be made, its runs will wait for it: %s", error)
    return _load(now)


@transaction.atomic
def _load(now: datetime | None) -> LoadedDemo:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    is_new = not Tenant.objects.filter(slug=SLUG).exists()
    if is_new:
        _tell_all(set_stage(now or timezone.now()))
    tenant = Tenant.objects.get(slug=SLUG)
    return LoadedDemo(
        workspace=SLUG,
        owner=OWNER,
        is_new=is_new,
        sessions=_count_sessions(tenant),
    )


def _count_sessions(tenant: Tenant) -> dict[str, int]:
    counts = {
        kind.key: kind.model._default_manager.filter(tenant_id=tenant.pk).count() for kind in all_kinds()
    }
    return {kind: count for kind, count in counts.items() if count}


def _tell_all(stage: Stage) -> None:
    """The oldest story first, as it would have come about."""
    flows = make_flows(stage)
    chats: dict[str, Source] = {}
    import_cut_off_task(stage)
    stories: list[Story] = [*OPEN_CHATS, *ENDED_CHATS, *OPEN_RUNS, *ENDED_RUNS, *OPEN_TASKS, *ENDED_TASKS]
    for story in sorted(stories, key=lambda story: -story.minutes_ago):
        match story:
            case ChatStory():
                chats[story.key] = Source(kind=CHAT, id=tell_chat(stage, story).pk)
            case RunStory():
                tell_run(stage, flows[story.flow], story)
            case TaskStory():
                tell_task(stage, story, chats.get(story.chat))
