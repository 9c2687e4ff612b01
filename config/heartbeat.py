"""Signs of life: each worker and beat renew a short-lived key in Valkey, and /healthz reads them.

A key is renewed from the very loop that does the work, so a process that hangs goes silent too. It holds the
number of its process, so that on the same machine a death is known at once.
"""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from typing import Any

import redis
from celery import bootsteps
from celery.beat import PersistentScheduler, SchedulingError
from django.conf import settings

PERIOD_SECONDS = 1.0
LIFETIME_SECONDS = 4
PATIENCE_SECONDS = 2.0
KEY_PREFIX = "heartbeat:"
# Where process numbers mean the same: this boot of this machine, this process namespace.
PLACE_FILE = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE_FILE = Path("/proc/self/ns/pid")

logger = logging.getLogger(__name__)


def read_place() -> str:
    """Equal for two processes exactly if each can look the other up by its number."""
    try:
        return f"{PLACE_FILE.read_text(encoding='ascii').strip()}/{NAMESPACE_FILE.stat().st_ino}"
    except OSError:
        return socket.gethostname()


def is_sign_of_the_living(sign: bytes, place: str) -> bool:
    """Whether a key still speaks of a live process; one that runs elsewhere is taken at its word."""
    written_at, _, number = sign.decode(errors="replace").rpartition(" ")
    if written_at != place or not number.isdigit():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Pulse:
    """Renews the keys of some parts. Never raises: without Valkey there is nobody to tell."""

    def __init__(self, parts: list[str]) -> None:
        self._keys = [KEY_PREFIX + part for part in parts]
        self._sign = f"{read_place()} {os.getpid()}"
        self._client: redis.Redis = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE_SECONDS)

    def beat(self) -> None:
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for key in self._keys:
                    pipeline.set(key, self._sign, ex=LIFETIME_SECONDS)
                pipeline.execute()
        except redis.RedisError as error:
            logger.debug("no sign of life could be left: %s", error)

    def close(self) -> None:
        self._client.close()


class WorkerHeartbeat(bootsteps.StartStopStep):  # type: ignore[misc]
    """Beats for every queue that the worker consumes, for as long as it is connected and consuming."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._pulse: Pulse | None = None
        self._timer_entry: Any = None

    def start(self, consumer: Any) -> None:
        self._pulse = Pulse([f"worker:{queue}" for queue in consumer.app.amqp.queues.consume_from])
        self._pulse.beat()
        # The consumer clears its timer when it loses the broker, and starts its steps again afterwards.
        self._timer_entry = consumer.timer.call_repeatedly(PERIOD_SECONDS, self._pulse.beat)

    def stop(self, consumer: Any) -> None:
        if self._timer_entry is not None:
            self._timer_entry.cancel()
            self._timer_entry = None
        if self._pulse is not None:
            self._pulse.close()
            self._pulse = None


class HeartbeatScheduler(PersistentScheduler):  # type: ignore[misc]
    """Beat's own scheduler, which beats whenever it looks at what is due."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._pulse = Pulse(["beat"])
        super().__init__(*args, **kwargs)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send what is due. What cannot be sent because the broker is away is said in one line."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            logger.error("%s was not sent", entry.name, exc_info=error.__context__)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        self._pulse.beat()
        next_in_seconds: float = super().tick(*args, **kwargs)
        return min(next_in_seconds, PERIOD_SECONDS)
