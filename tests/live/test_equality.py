"""Whatever happens, a page that did what the pushes said is what a page that is read anew would be."""

from __future__ import annotations

import asyncio

import pytest
from channels.db import database_sync_to_async as in_thread
from django.db import transaction

from chats.models import Chat
from chats.services import rename_chat
from sessions_app.live import stream_name, valkey
from tests.factories.chats import ChatFactory
from tests.live.changes import Story
from tests.live.sockets import PATIENCE_SECONDS, Model, follow, open_socket, sign_in
from workspace.actors import SYSTEM
from workspace.models import Membership

EVENTS = 200
END = "The end of it"


@pytest.mark.timeout(400)
async def test_pages_read_at_each_event_of_a_long_run_end_as_a_fresh_page(member: Membership):
    """Subscribe, then read, then drop what the page has already: each read meets a change under way."""
    client = await in_thread(sign_in)(member.user)
    story = await in_thread(Story)(member)
    models: list[Model] = []
    async with open_socket(client, member.tenant) as socket:
        following = asyncio.create_task(follow(socket, models, END))
        for _ in range(EVENTS):
            model = Model(client, member.tenant)
            models.append(model)
            await asyncio.gather(in_thread(story.step, thread_sensitive=False)(), model.load())
        await in_thread(story.finish)(END)
        await following
    fresh = Model(client, member.tenant)
    await fresh.load()
    assert [model.in_order() for model in models] == [fresh.in_order()] * EVENTS


@pytest.mark.parametrize("seed", range(4))
async def test_a_page_whose_socket_drops_again_and_again_ends_as_a_fresh_page(member: Membership, seed: int):
    client = await in_thread(sign_in)(member.user)
    story = await in_thread(Story)(member, seed)
    model = Model(client, member.tenant)
    await model.load()
    for _ in range(8):
        for _ in range(story.rng.randrange(6)):
            await in_thread(story.step)()
        async with open_socket(client, member.tenant) as socket:
            if story.rng.random() < 0.5:
                await in_thread(story.step)()
            await model.catch_up()
            for _ in range(story.rng.randrange(6)):
                await in_thread(story.step)()
            await follow(socket, [model], await in_thread(story.finish)())
        assert await model.is_fresh()


async def test_a_page_whose_rev_the_stream_does_not_hold_any_more_reads_everything_anew(member: Membership):
    client = await in_thread(sign_in)(member.user)
    story = await in_thread(Story)(member)
    model = Model(client, member.tenant)
    await model.load()
    await in_thread(story.step)()
    valkey().xtrim(stream_name(member.tenant.pk), maxlen=1, approximate=False)
    changes = f"/w/{member.tenant.slug}/sessions/changes/"
    for rev in (model.rev, "0-0", "", "9999999999999-0", "x"):
        answer = await in_thread(client.get)(changes, {"since": rev})
        assert answer.json() == {"op": "resync"}, rev


@pytest.mark.usefixtures("quiet_hub")
async def test_a_lost_connection_to_valkey_pauses_and_then_resyncs_every_page(member: Membership):
    client = await in_thread(sign_in)(member.user)
    story = await in_thread(Story)(member)
    model = Model(client, member.tenant)
    async with open_socket(client, member.tenant) as socket:
        await model.load()
        valkey().client_kill_filter(_type="pubsub")
        await in_thread(story.step)()
        assert await socket.receive() == {"op": "pause"}
        message = await socket.receive()
        assert message == {"op": "resync"}
        await model.apply(message)
        await follow(socket, [model], await in_thread(story.finish)())
        assert await model.is_fresh()


async def test_many_changes_at_once_come_in_few_frames_and_each_row_once(member: Membership):
    client = await in_thread(sign_in)(member.user)
    story = await in_thread(Story)(member)
    async with open_socket(client, member.tenant) as socket:
        chat = await in_thread(Chat.objects.first)()
        frames = []

        async def listen() -> None:
            while not any("last" in op["facets"]["title"] for frame in frames for op in frame["ops"]):
                frames.append(await socket.receive())

        listening = asyncio.create_task(listen())

        def rename() -> None:
            with transaction.atomic():
                for title in [*map(str, range(30)), "The last name"]:
                    rename_chat(tenant_id=story.tenant.pk, chat_id=chat.pk, actor=SYSTEM, title=title)

        await in_thread(rename)()
        await listening
        assert all(len(frame["ops"]) == 1 for frame in frames)
        assert len(frames) < 10


@pytest.mark.usefixtures("quiet_hub")
async def test_two_pages_are_sent_the_very_same_text(member: Membership):
    client = await in_thread(sign_in)(member.user)
    story = await in_thread(Story)(member)
    async with open_socket(client, member.tenant) as one, open_socket(client, member.tenant) as other:
        await in_thread(story.finish)()
        texts = [await socket.communicator.receive_from(timeout=PATIENCE_SECONDS) for socket in (one, other)]
        assert texts[0] == texts[1]


@pytest.mark.usefixtures("quiet_hub")
async def test_changes_of_another_workspace_are_not_heard(member: Membership):
    client = await in_thread(sign_in)(member.user)
    other = await in_thread(ChatFactory)()
    elsewhere = await in_thread(lambda: Story(other.owner.memberships.get()))()
    async with open_socket(client, member.tenant) as socket:
        await in_thread(elsewhere.step)()
        assert await socket.communicator.receive_nothing()
