"""The one subscription of a web process: it stays with Valkey, and says when it had to come back."""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from sessions_app.live import ACCESS_CHANNEL, channel_name

__all__ = ["Subscription"]

logger = logging.getLogger(__name__)

#: A connection that is silent for this long is asked for a sign of life; silent for twice as long it is dead.
SILENCE_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0


class Subscription:
    """Hears the channels of the tenants that were added, and the channel about access.

    `hear(tenant_id, message)` is called for each message, with None for one about access.
    `on_connection(False)` says that messages are being missed, `on_connection(True)` that none is any more.
    """

    def __init__(
        self, hear: Callable[[uuid.UUID | None, str], None], on_connection: Callable[[bool], None]
    ) -> None:
        self._hear, self._on_connection = hear, on_connection
        self._channels: dict[str, uuid.UUID | None] = {ACCESS_CHANNEL: None}
        self._heard: dict[str, asyncio.Event] = {}
        self._unconfirmed: set[str] = set()
        self._pubsub: PubSub | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._is_lost = False
        self.is_up = False

    async def add(self, tenant_id: uuid.UUID) -> None:
        """Returns once the channel is heard, or as soon as the broker is known to be away."""
        channel = channel_name(tenant_id)
        self._channels[channel] = tenant_id
        heard = self._heard[channel] = asyncio.Event()
        if self._is_lost:
            return
        if self._pubsub is not None:
            with suppress(RedisError, OSError):
                await self._pubsub.subscribe(channel)
        await heard.wait()

    def drop(self, tenant_id: uuid.UUID) -> None:
        """Hear this tenant no more."""
        channel = channel_name(tenant_id)
        self._channels.pop(channel, None)
        self._heard.pop(channel, None)
        task = asyncio.create_task(self._unsubscribe(channel))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def keep(self) -> None:
        """Stay subscribed until cancelled; pauses grow while Valkey is away."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                async with self._client() as client, client.pubsub() as pubsub:
                    await self._listen(pubsub)
            except (RedisError, OSError) as error:
                pause = FIRST_PAUSE_SECONDS if self.is_up else min(2 * pause, LONGEST_PAUSE_SECONDS)
                self._lose(error)
            finally:
                self._pubsub, self.is_up = None, False
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the load

    async def _listen(self, pubsub: PubSub) -> None:
        """Subscribe to everything and pass on what comes, until the connection fails."""
        self._unconfirmed = set(self._channels)
        await pubsub.subscribe(*self._channels)
        # From here on, what is added subscribes by itself; what was added while that waited, now.
        self._pubsub = pubsub
        if added := set(self._channels) - self._unconfirmed:
            await pubsub.subscribe(*added)
        is_silent = False
        while True:
            message = await pubsub.get_message(timeout=SILENCE_SECONDS)
            if message is None:
                if is_silent:
                    raise TimeoutError("Valkey gives no sign of life")
                is_silent = True
                await pubsub.ping()
                continue
            is_silent = False
            if message["type"] == "subscribe":
                self._confirm(message["channel"])
            elif message["type"] == "message":
                self._take(message["channel"], message["data"])

    def _confirm(self, channel: str) -> None:
        self._unconfirmed.discard(channel)
        if not self.is_up and not self._unconfirmed:
            self.is_up = True
            if self._is_lost:
                self._is_lost = False
                self._on_connection(True)
        if heard := self._heard.get(channel):
            heard.set()

    def _take(self, channel: str, message: str) -> None:
        if channel not in self._channels:
            return
        try:
            self._hear(self._channels[channel], message)
        except ValueError:
            logger.warning("on %s somebody said what is no change: %.100r", channel, message)

    def _lose(self, error: Exception) -> None:
        if self._is_lost:
            return
        logger.warning("the connection to Valkey is lost: %s", error)
        self._is_lost = True
        for heard in self._heard.values():
            heard.set()
        self._on_connection(False)

    async def _unsubscribe(self, channel: str) -> None:
        if self._pubsub is not None and channel not in self._channels:
            with suppress(RedisError, OSError):
                await self._pubsub.unsubscribe(channel)

    def _client(self) -> Redis:
        return Redis.from_url(
            settings.REDIS_URL,
            decode_responses=True,
            socket_timeout=2 * SILENCE_SECONDS,
            socket_connect_timeout=2,
            # It must not come back by itself: what was said meanwhile would be missed without a word.
            retry=Retry(NoBackoff(), 0),
        )
