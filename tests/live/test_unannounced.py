"""What a process leaves behind that dies after its commit, and what the clock alone has done, pages find."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from channels.db import database_sync_to_async as in_thread
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from chats import services as chats
from chats.models import Chat, ChatStatus
from tasks import services as tasks
from tasks.models import BackgroundTask
from tests.factories.chats import ChatFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import InitiativeFactory, MembershipFactory, PlanFactory
from tests.live.sockets import Model, Socket, hub, open_socket, sign_in
from workspace.accounts import change_account
from workspace.actors import SYSTEM
from workspace.models import Initiative, Membership, Plan, Tenant, User
from workspace.records import change_record

pytestmark = pytest.mark.usefixtures("quiet_hub")

type Change = Callable[[Membership], object]


def live_chat(member: Membership, **fields: object) -> Chat:
    return ChatFactory(tenant=member.tenant, owner=member.user, responding=True, **fields)


def set_stage(member: Membership) -> None:
    """A chat that works, one that has long ended, a task; an initiative and a plan that they serve."""
    under = {
        "initiative": InitiativeFactory(tenant=member.tenant),
        "plan": PlanFactory(tenant=member.tenant),
    }
    live_chat(member, **under)
    yesterday = timezone.now() - timedelta(days=1)
    ChatFactory(tenant=member.tenant, owner=member.user, ended=True, last_message_at=yesterday, **under)
    ChatFactory(tenant=member.tenant, owner=member.user, last_message_at=minutes_ago(10))
    BackgroundTaskFactory(tenant=member.tenant, owner=member.user, running=True)


def of(session: Chat | BackgroundTask) -> dict[str, object]:
    name = "chat_id" if isinstance(session, Chat) else "task_id"
    return {"tenant_id": session.tenant_id, name: session.pk, "actor": SYSTEM}


def working() -> Chat:
    return Chat.objects.get(status=ChatStatus.RESPONDING)


def ended() -> Chat:
    return Chat.objects.get(status=ChatStatus.ENDED)


CHANGES: dict[str, Change] = {
    "a turn ends": lambda member: chats.finish_turn(**of(working())),
    "a question is asked": lambda member: chats.ask_question(**of(working()), reason="Which branch?"),
    "a chat ends": lambda member: chats.end_chat(**of(working())),
    "a chat is opened again": lambda member: chats.resume_chat(**of(ended())),
    "a live chat is renamed": lambda member: chats.rename_chat(**of(working()), title="Other"),
    "an ended chat is renamed": lambda member: chats.rename_chat(**of(ended()), title="Other"),
    "a task fails": lambda member: tasks.fail(**of(BackgroundTask.objects.get()), error="Error: no"),
    "a chat begins": live_chat,
    "a chat of last week is stored": lambda member: ChatFactory(
        tenant=member.tenant, ended=True, last_message_at=timezone.now() - timedelta(days=7)
    ),
    "an ended chat has another owner": lambda member: Chat.objects.filter(pk=ended().pk).update(
        owner=MembershipFactory(tenant=member.tenant).user
    ),
    "an ended chat serves another initiative": lambda member: Chat.objects.filter(pk=ended().pk).update(
        initiative=InitiativeFactory(tenant=member.tenant)
    ),
    "an ended chat serves no plan any more": lambda member: Chat.objects.filter(pk=ended().pk).update(
        plan=None
    ),
    "a text is replaced by hand": lambda member: Chat.objects.update(title="Replaced", version=F("version")),
}
RENAMES: dict[str, Change] = {
    "an initiative is renamed": lambda member: change_record(
        Initiative.objects.get(), values={"name": "Other"}, actor=SYSTEM
    ),
    "a plan is renamed": lambda member: change_record(
        Plan.objects.get(), values={"name": "Other"}, actor=SYSTEM
    ),
    "a person is renamed": lambda member: change_account(
        user_id=member.user_id, values={"name": "Other"}, actor=SYSTEM
    ),
    "a name is replaced by hand": lambda member: User.objects.update(name="Replaced"),
    "chats are quiet sooner": lambda member: Tenant.objects.update(quiet_after_minutes=5),
}


def die_after(change: Change, member: Membership) -> None:
    """Make the change and commit it, as a process does that is killed before it tells anybody."""
    with transaction.atomic():
        change(member)
        connection.run_on_commit.clear()


def minutes_ago(minutes: float) -> datetime:
    return timezone.now() - timedelta(minutes=minutes)


async def two_pages(member: Membership) -> tuple[Model, Model]:
    """The list as two pages have read it: one that will have a socket, one that has none meanwhile."""
    client = await in_thread(sign_in)(member.user)
    here, away = Model(client, member.tenant), Model(client, member.tenant)
    await here.load()
    await away.load()
    return here, away


async def look() -> None:
    (room,) = hub().rooms.values()
    await hub().look(room)


async def end_fresh(here: Model, away: Model, socket: Socket, *, by_resync: bool = False) -> None:
    """A look finds what makes the one page fresh, and nothing more; the other catches up by itself."""
    assert not await here.is_fresh()
    await look()
    message = await socket.receive()
    assert (message == {"op": "resync"}) is by_resync
    await here.apply(message)
    assert await here.is_fresh()
    await look()
    assert await socket.communicator.receive_nothing(), "nothing has changed since"
    await away.catch_up()
    assert await away.is_fresh()


@pytest.mark.parametrize("change", [*CHANGES, *RENAMES])
async def test_a_change_that_nobody_announced_is_found(member: Membership, change: str):
    await in_thread(set_stage)(member)
    here, away = await two_pages(member)
    async with open_socket(here.client, member.tenant) as socket:
        await in_thread(die_after)({**CHANGES, **RENAMES}[change], member)
        await end_fresh(here, away, socket, by_resync=change in RENAMES)


def quiet_at(member: Membership, at: datetime) -> None:
    live_chat(member, status=ChatStatus.IDLE, last_message_at=at - timedelta(minutes=30))


def silent_at(member: Membership, at: datetime) -> None:
    live_chat(member, lease_holder="worker 1", lease_expires_at=at)


CLOCKS: dict[str, Callable[[Membership, datetime], None]] = {
    "a chat goes quiet": quiet_at,
    "a worker is not heard of": silent_at,
}


@pytest.mark.parametrize("clock", CLOCKS)
async def test_what_the_clock_alone_has_done_is_found(member: Membership, clock: str):
    began = timezone.now()
    here, _ = await two_pages(member)
    async with open_socket(here.client, member.tenant):
        took = timezone.now() - began
    soon = timezone.now() + 3 * took + timedelta(seconds=1)  # the pages have to be read before that
    await in_thread(CLOCKS[clock])(member, soon)
    here, away = await two_pages(member)
    async with open_socket(here.client, member.tenant) as socket:
        assert timezone.now() < soon
        while await here.is_fresh():
            await asyncio.sleep(0.1)
        await end_fresh(here, away, socket)
