"""Valkey goes away under load and comes back, with what it held or without it: pages end equal."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from channels.db import database_sync_to_async as in_thread

from config.embedded.binaries import find_valkey_server
from sessions_app import live
from tests.config.processes import eventually
from tests.live.changes import Story
from tests.live.sockets import Model, open_socket, sign_in
from workspace.models import Membership

CHANGES_WHILE_AWAY = 15


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
async def test_valkey_stops_under_load_and_pages_end_equal(
    member: Membership, valkey: Valkey, keeps_its_data: bool
):
    client = await in_thread(sign_in)(member.user)
    story = await in_thread(Story)(member)
    away = Model(client, member.tenant)
    await away.load()
    model = Model(client, member.tenant)
    async with open_socket(client, member.tenant) as socket:
        await model.load()
        await model.apply(await change(story, socket))
        await asyncio.to_thread(valkey.stop)
        assert (await socket.receive())["op"] == "pause"
        for _ in range(CHANGES_WHILE_AWAY):
            await in_thread(story.step)()
        assert not await model.is_fresh()
        if not keeps_its_data:
            valkey.forget()
        await asyncio.to_thread(valkey.start)
        message = await socket.receive()
        assert message == {"op": "resync"}
        await model.apply(message)
        await model.apply(await change(story, socket))
        assert await model.is_fresh()
    if not keeps_its_data:
        await away.catch_up()
        assert await away.is_fresh(), "its rev is of another stream"


async def change(story: Story, socket: Any) -> dict[str, Any]:
    """One more change, and the frame that tells of it."""
    await in_thread(story.finish)()
    return await socket.receive()


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
        while (message := await socket.receive()) == {"op": "pause"}:
            continue
        assert message == {"op": "resync"}
        await model.apply(message)
        assert await model.is_fresh()
