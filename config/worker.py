"""The Celery application as a worker needs it: with signs of life, memory to share, and one way to stop."""

from __future__ import annotations

import gc
import os
import signal
import warnings
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import redis
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from celery.signals import celeryd_after_setup, worker_process_init, worker_ready
from kombu.transport.redis import Channel

from agents.shutdown import begin_shutdown
from config.celery import app
from config.heartbeat import WorkerHeartbeat
from config.parent_death import die_with_parent

__all__ = ["app"]

# That a worker of root may do harm is known to whoever started us as root.
warnings.filterwarnings("ignore", category=SecurityWarning)

#: This module is loaded before there are children.
WORKER_PID = os.getpid()

# When the broker is lost, Kombu hands messages of jobs at work back through the connection that it has just
# dropped, and fails with an AttributeError: the worker would take nothing more and end with its longest job.
# Nothing is lost without that: the database knows what there is to do, and the clock finds it there.
Channel.do_restore = False
_find_parameters = Channel._connparams


def _find_parameters_if_connected(channel: Any, asynchronous: bool = False) -> Any:
    """What has been taken by a connection that is lost since cannot be acknowledged: an outage, no fault."""
    if channel.connection is None:
        raise redis.ConnectionError("the connection that a message came by is gone")
    return _find_parameters(channel, asynchronous=asynchronous)  # type: ignore[no-untyped-call]


Channel._connparams = _find_parameters_if_connected  # type: ignore[method-assign]

app.steps["consumer"].add(WorkerHeartbeat)


@celeryd_after_setup.connect  # type: ignore[untyped-decorator]
def share_memory_with_children(**_kwargs: Any) -> None:
    """What is loaded by now is never garbage: a collection in a child would copy the pages that it marks."""
    gc.collect()
    gc.freeze()


@worker_ready.connect  # type: ignore[untyped-decorator]
def keep_quiet_about_what_is_decided(**_kwargs: Any) -> None:
    """What becomes of a running job when the broker is lost is in the settings. Celery resets it earlier."""
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)


@worker_ready.connect  # type: ignore[untyped-decorator]
def leave_the_terminal_to_the_group(**_kwargs: Any) -> None:
    """Under `make run` a Ctrl-C reaches every process; the one that leads them says how to stop."""
    if os.environ.get("STARTED_BY_RUN"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@worker_ready.connect  # type: ignore[untyped-decorator]
def tell_work_of_shutdown(**_kwargs: Any) -> None:
    """What is at work hears at once that the worker is to end: Celery's own word comes after its wait."""
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
        handle = signal.getsignal(number)
        if callable(handle):
            signal.signal(number, partial(_tell_and_handle, handle))


def _tell_and_handle(
    handle: Callable[[int, FrameType | None], Any], number: int, frame: FrameType | None
) -> None:
    begin_shutdown()
    handle(number, frame)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def end_with_the_parent(**_kwargs: Any) -> None:
    """Nobody could tell a child of a killed worker to end: it would go on unseen, or wait for ever."""
    die_with_parent(WORKER_PID, signal.SIGKILL)
