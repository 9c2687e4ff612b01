"""A real Celery worker on the database of the test run and on real Valkey."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import redis
from django.conf import settings
from django.db import connection

from config.environment import BASE_DIR, read_database_url
from tests.config.processes import eventually

READY_SECONDS = 60
#: What PostgreSQL knows the connections of a worker by.
NAME = "worker under test"


@dataclass
class Worker:
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Kill -9, the process that leads and the one that works, at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=20)


def environment() -> dict[str, str]:
    """That of a process beside the test: its database, its broker."""
    name = quote(str(connection.settings_dict["NAME"]))
    database_url = urlsplit(read_database_url())._replace(path=f"/{name}").geturl()
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings_test",
        "DATABASE_URL": database_url,
        "PGAPPNAME": NAME,
    }


def start_worker(log: Path, *, level: str = "WARNING", queues: str, at_once: int = 1) -> Worker:
    """A worker of these queues that takes so many jobs at once; it is not up yet."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "--quiet", "--skip-checks", "--app", "config.worker"),
                *("worker", "--queues", queues, "--concurrency", str(at_once), "--loglevel", level),
                *("--without-gossip", "--without-mingle", "--hostname", "kept-apart@%h"),
            ],
            cwd=BASE_DIR,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Worker(process)


@contextmanager
def run_worker(log: Path, *, level: str = "WARNING", queues: str = "intake,default") -> Iterator[Worker]:
    """A worker of these queues that takes one job at a time; it is killed when the block ends."""
    signs = [f"heartbeat:worker:{queue}" for queue in queues.split(",")]
    worker = start_worker(log, level=level, queues=queues)
    try:
        eventually(lambda: client().get(signs[0]), seconds=READY_SECONDS)
        yield worker
    finally:
        if worker.process.poll() is None:
            worker.kill()
        client().delete(*signs)


def client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


def forget_jobs() -> None:
    """Leave no job of a test to the next one."""
    patterns = ("intake*", "default*", "runs*", "unacked*")
    names = [name for pattern in patterns for name in client().scan_iter(pattern)]
    if names:
        client().delete(*names)
