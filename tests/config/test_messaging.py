"""Celery and Channels over the very server that REDIS_URL names."""

from __future__ import annotations

import asyncio

import pytest
from channels_redis.core import RedisChannelLayer
from django.conf import settings
from kombu import Connection

from config.celery import app


def test_a_message_travels_through_the_broker() -> None:
    with Connection(settings.CELERY_BROKER_URL) as connection:
        queue = connection.SimpleQueue("tests-config-messaging")
        queue.clear()
        queue.put({"number": 7})
        message = queue.get(timeout=5)
        message.ack()
        queue.close()
    assert message.payload == {"number": 7}


def test_jobs_go_to_the_queue_of_their_app() -> None:
    def queue_of(name: str) -> str:
        return app.amqp.router.route({}, name)["queue"].name

    assert queue_of("flows.jobs.advance") == "runs"
    assert queue_of("chats.jobs.answer") == "runs"
    assert queue_of("intake.jobs.read") == "intake"
    assert queue_of("sessions_app.jobs.sweep") == "default"


def test_every_entry_of_beat_expires_before_its_next_run() -> None:
    for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
        expires_seconds = entry["options"]["expires"]
        period = entry["schedule"]
        if isinstance(period, (int, float)):
            assert expires_seconds <= period, name


@pytest.mark.asyncio
async def test_a_channel_that_was_silent_for_longer_than_redis_waits_still_receives() -> None:
    """redis-py gives up on a socket after 5 s; a page that is open and quiet must outlive that."""
    layer = RedisChannelLayer(**settings.CHANNEL_LAYERS["default"]["CONFIG"])
    channel = await layer.new_channel()
    receiving = asyncio.create_task(layer.receive(channel))
    done, _ = await asyncio.wait({receiving}, timeout=7)
    assert not done
    await layer.send(channel, {"type": "hello"})
    assert await asyncio.wait_for(receiving, 5) == {"type": "hello"}
    await layer.flush()
    await layer.close_pools()
