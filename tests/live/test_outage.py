"""Valkey goes away under load and comes back, with what it held or without it: pages end equal."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from channels.db import database_sync_to_async as in_thread

from chats.services import rename_chat
from config.embedded.binaries import find_valkey_server
from sessions_app import live
from tests.config.processes import eventually
from tests.factories.chats import ChatFactory
from tests.live.changes import Story
from tests.live.sockets import Model, Socket, follow, open_socket, sign_in
from workspace.actors import SYSTEM
from workspace.models import Membership

AWAY_SECONDS = 10
SECONDS_BETWEEN_CHANGES = 0.05


class Valkey:
    """A server of the test's own, whose data outlives it unless it is thrown away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/valkey.sock"

    def start(self) -> None:
        options = {"port": "0", "unixsocket": "valkey.sock", "appendonly": "yes", "dir": str(self.folder)}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen(
            [str(find_valkey_server()), *words], cwd=self.folder, stdout=subprocess.DEVNULL
        )
        eventually(self._answers)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(timeout=20)

    def forget(self) -> None:
        for path in (self.folder / "appendonlydir").iterdir():
            path.unlink()

    def _answers(self) -> bool:
        try:
            return bool(redis.Redis.from_url(self.url).ping())
        except redis.ConnectionError:
            return False


@pytest.fixture
def valkey(tmp_path_factory: pytest.TempPathFactory, settings: Any) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("v"))
    settings.REDIS_URL = server.url
    forget_clients()
    yield server
    server.stop()
    forget_clients()


def forget_clients() -> None:
    """Each was made for the server that the settings named then."""
    live.valkey.cache_clear()
    live._script.cache_clear()


@pytest.mark.parametrize("keeps_its_data", [True, False])
async def test_valkey_stops_for_ten_seconds_under_load_and_all_pages_end_equal(
    member: Membership, valkey: Valkey, keeps_its_data: bool
):
    """One page stays connected, the socket of the other is lost with Valkey, and a third had none at all."""
    client = await in_thread(sign_in)(member.user)
    story = await in_thread(Story)(member)
    stays, drops, away = pages = [Model(client, member.tenant) for _ in range(3)]
    for page in pages:
        await page.load()
    async with open_socket(client, member.tenant) as socket:
        async with open_socket(client, member.tenant) as other:
            title = await in_thread(story.finish)()
            await follow(socket, [stays], title)
            await follow(other, [drops], title)
            await asyncio.to_thread(valkey.stop)
        assert (await socket.receive())["op"] == "pause"
        back_at = time.monotonic() + AWAY_SECONDS
        while time.monotonic() < back_at:
            await in_thread(story.step)()
            await asyncio.sleep(SECONDS_BETWEEN_CHANGES)
        assert not await stays.is_fresh()
        if not keeps_its_data:
            valkey.forget()
        await asyncio.to_thread(valkey.start)
        await drops.catch_up()
        await away.catch_up()
        await stays.apply(await resync_of(socket))
        assert [await page.is_fresh() for page in pages] == [True] * 3
        async with open_socket(client, member.tenant) as other:
            await drops.catch_up()
            title = await in_thread(story.finish)()
            await follow(socket, [stays], title)
            await follow(other, [drops], title)
        await away.catch_up()
        assert [await page.is_fresh() for page in pages] == [True] * 3


@pytest.mark.parametrize("is_empty", [True, False])
async def test_a_page_of_a_stream_that_is_lost_with_all_that_came_after_catches_up(
    member: Membership, valkey: Valkey, is_empty: bool
):
    """Also one that was read when nothing had ever been announced."""
    client = await in_thread(sign_in)(member.user)
    chat = await in_thread(ChatFactory)(tenant=member.tenant, owner=member.user)
    of_chat = {"tenant_id": chat.tenant_id, "chat_id": chat.pk, "actor": SYSTEM}
    if not is_empty:
        await in_thread(rename_chat)(**of_chat, title="Told before")
    model = Model(client, member.tenant)
    await model.load()
    assert model.rev
    await in_thread(rename_chat)(**of_chat, title="Told after")
    await asyncio.to_thread(valkey.stop)
    valkey.forget()
    await asyncio.to_thread(valkey.start)
    assert not await model.is_fresh()
    await model.catch_up()
    assert await model.is_fresh()


async def resync_of(socket: Socket) -> dict[str, Any]:
    """What a socket is told once Valkey is back; what the hub has found by looking may come before."""
    while (message := await socket.receive()).get("op") != "resync":
        continue
    return message


async def test_a_page_that_opens_while_valkey_is_away_is_told_so_and_later_resyncs(
    member: Membership, valkey: Valkey
):
    client = await in_thread(sign_in)(member.user)
    story = await in_thread(Story)(member)
    model = Model(client, member.tenant)
    await asyncio.to_thread(valkey.stop)
    async with open_socket(client, member.tenant, first={"op": "pause"}) as socket:
        await model.load()
        assert model.rev == ""
        await in_thread(story.step)()
        await asyncio.to_thread(valkey.start)
        await model.apply(await resync_of(socket))
        assert await model.is_fresh()
