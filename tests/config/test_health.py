"""/healthz: what it says of each part, from the signs of life that workers and beat leave."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings
from django.test import override_settings

from config.health import BEATING_PARTS, HealthApplication, HealthProbe
from config.heartbeat import KEY_PREFIX, Pulse, is_sign_of_the_living, read_place


@pytest.fixture
def valkey() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.delete(*(KEY_PREFIX + part for part in BEATING_PARTS))
    yield client
    client.delete(*(KEY_PREFIX + part for part in BEATING_PARTS))
    client.close()


async def ask(method: str = "GET") -> tuple[int, bytes]:
    sent = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    application = HealthApplication()
    await application({"method": method, "path": "/healthz"}, send)
    await application.close()
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.django_db
class TestHealth:
    async def test_is_200_when_every_part_shows_life(self, valkey: redis.Redis) -> None:
        Pulse(list(BEATING_PARTS)).beat()
        status, body = await ask()
        answer = json.loads(body)
        assert (status, answer["status"], answer["failing"]) == (200, "ok", [])
        assert list(answer["parts"]) == ["web", "postgres", "valkey", *BEATING_PARTS]

    async def test_names_the_parts_that_show_none(self, valkey: redis.Redis) -> None:
        Pulse(["worker:runs", "beat"]).beat()
        status, body = await ask()
        assert status == 503
        assert json.loads(body)["failing"] == ["worker:intake", "worker:default"]

    async def test_names_a_part_whose_process_is_gone_though_its_sign_still_stands(
        self, valkey: redis.Redis
    ) -> None:
        Pulse(list(BEATING_PARTS)).beat()
        ended = subprocess.Popen(["true"])
        ended.wait()
        valkey.set(KEY_PREFIX + "beat", f"{read_place()} {ended.pid}", ex=4)
        status, body = await ask()
        assert (status, json.loads(body)["failing"]) == (503, ["beat"])

    async def test_a_head_request_has_no_body_and_others_are_refused(self, valkey: redis.Redis) -> None:
        assert await ask("HEAD") == (503, b"")
        assert (await ask("POST"))[0] == 405

    async def test_a_database_that_refuses_is_named_with_its_own_words(self) -> None:
        probe = HealthProbe(conninfo="dbname=nowhere host=/nonexistent")
        assert "/nonexistent" in (await probe.look())["postgres"]
        await probe.close()

    async def test_without_valkey_the_others_are_unknown_rather_than_dead(self) -> None:
        probe = HealthProbe(redis_url="unix:///nonexistent/valkey.sock")
        parts = await probe.look()
        await probe.close()
        assert "/nonexistent" in parts["valkey"]
        assert {parts[part] for part in BEATING_PARTS} == {"unknown without valkey"}

    async def test_a_connection_that_the_server_closed_is_no_failure(self, valkey: redis.Redis) -> None:
        probe = HealthProbe()
        await probe.look()
        await probe._database.close()
        assert (await probe.look())["postgres"] == "ok"
        await probe.close()


def test_a_sign_that_was_left_elsewhere_is_taken_at_its_word() -> None:
    assert is_sign_of_the_living(b"another-machine/1 999999999", read_place())


@override_settings(REDIS_URL="unix:///nonexistent/valkey.sock")
def test_a_pulse_without_valkey_raises_nothing() -> None:
    Pulse(["beat"]).beat()
