"""What a worker does about messages that it has taken when the broker is lost."""

from __future__ import annotations

import uuid

from django.conf import settings
from kombu import Connection

import config.worker  # noqa: F401 - as a worker starts


def test_a_lost_broker_is_left_in_peace_with_jobs_at_work():
    """Handing them back needs the connection that is gone: it raised, and the worker took nothing more."""
    with Connection(settings.CELERY_BROKER_URL) as connection:
        queue = connection.SimpleQueue(f"test-{uuid.uuid4()}", serializer="json")
        queue.put({"id": "1"})
        message = queue.get(timeout=5)
        channel = message.channel
        assert channel.qos._delivered
        transport = channel.connection
        transport.client = None
        channel._disconnect_pools()
        channel._pool = channel._async_pool = None
        channel.qos.restore_unacked_once()
        transport.client = connection
        message.ack()
        queue.queue.delete()
