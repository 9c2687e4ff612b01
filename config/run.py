"""``make run``: the whole product in the foreground, until Ctrl-C.

This process only watches: it loads no Django. It holds the data folder, the services and the listening
socket, and everything else is a child that dies with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from config import locks
from config.console import Console
from config.environment import BASE_DIR, RUN_LOCK, read_data_dir, read_int, read_port, read_public_url
from config.parent_death import die_with_parent
from config.probe import probe
from config.process_group import Member, ProcessGroup
from config.services import embedded_services

if TYPE_CHECKING:
    from config.embedded.usage import Services

LOOK_SECONDS = 1.0
PATIENCE_AT_START_SECONDS = 30.0
# A command that only looks whether the folder is claimed holds its lock for an instant.
PATIENCE_WITH_LOOKERS_SECONDS = 0.5
PATIENCE_WITH_SERVICES_SECONDS = 30.0


class RunRefused(Exception):
    """The product cannot start here; the message says why and what to do."""


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.chdir(BASE_DIR)
    console = Console()
    try:
        run(console)
    except KeyboardInterrupt:
        console.say("Stopped")
    except (RunRefused, ImproperlyConfigured) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def run(console: Console) -> None:
    host, port = os.environ.get("HOST") or "127.0.0.1", read_port()
    data_dir = read_data_dir()
    with contextlib.ExitStack() as held:
        lock = claim_folder(data_dir, read_public_url().geturl())
        held.callback(os.close, lock)
        listener = held.enter_context(listen(host, port))
        services = held.enter_context(open_services(console))
        prepared = prepare()
        members = make_members(listener, https=read_public_url().scheme == "https")
        group = ProcessGroup(members, console)
        asyncio.run(supervise(console, group, services, welcome(console, listener, data_dir, prepared)))


def claim_folder(data_dir: Path, url: str) -> int:
    """One `make run` per data folder; the lock ends with the process."""
    path = data_dir / RUN_LOCK
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = locks.open_lock(path)
    except OSError as error:
        raise RunRefused(f"the data folder {data_dir} cannot be used ({error}): set DATA_DIR") from error
    if not locks.take_exclusive(lock, patience_seconds=PATIENCE_WITH_LOOKERS_SECONDS):
        where = path.read_text(encoding="utf-8") or "about to start"
        raise RunRefused(
            f"Sessions already runs in {data_dir} ({where}). "
            "Stop it first, or start another one with its own DATA_DIR and PORT."
        )
    os.truncate(lock, 0)
    os.write(lock, f"process {os.getpid()}, {url}".encode())
    return lock


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that outlives restarts of the web part."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise RunRefused(
            f"cannot listen on {host}:{port} ({error.strerror}): choose another port, "
            f"for example PORT={port % 65_000 + 1} make run"
        ) from error


@contextlib.contextmanager
def open_services(console: Console) -> Iterator[Services | None]:
    """The embedded services, if any is needed; at the end waits until they are stopped."""
    services = embedded_services(notify=console.say)
    if services is None:
        yield None
        return
    from config.embedded.layout import EmbeddedError

    try:
        services.open()
    except EmbeddedError as error:
        raise RunRefused(str(error)) from error
    try:
        yield services
    finally:
        services.close()
        services.wait_until_stopped(PATIENCE_WITH_SERVICES_SECONDS)


def prepare() -> dict[str, object]:
    """Run ``manage.py prepare``; what it printed. Its complaints go to the terminal."""
    parent = os.getpid()
    done = subprocess.run(
        [sys.executable, "manage.py", "prepare"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: die_with_parent(parent, signal.SIGKILL),
        check=False,
    )
    if done.returncode != 0:
        raise RunRefused("the data could not be prepared: see above")
    prepared: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return prepared


def make_members(listener: socket.socket, *, https: bool) -> list[Member]:
    """Web, the worker of the runs, the worker of everything else, and the clock."""
    web = [sys.executable, "-m", "config.web", "--verbosity", "0", "--no-server-name"]
    if https:
        web.append("--proxy-headers")
    # Checks have been run while the data was prepared.
    celery = [sys.executable, "-m", "celery", "--quiet", "--skip-checks"]
    # One installation has few workers: they need not know of one another.
    worker = [*celery, "--app", "config.worker", "worker", "--loglevel", "WARNING"]
    worker += ["--without-gossip", "--without-mingle"]
    runs = ["--hostname", "runs@%h", "--queues", "runs", "--concurrency", read_concurrency("RUN_WORKERS")]
    jobs = ["--hostname", "jobs@%h", "--queues", "intake,default"]
    jobs += ["--concurrency", read_concurrency("JOB_WORKERS")]
    descriptor = listener.fileno()
    return [
        Member("web", [*web, "--fd", str(descriptor), "config.asgi:application"], files=(descriptor,)),
        Member("runs", [*worker, *runs], stop_signal=signal.SIGQUIT),
        Member("jobs", [*worker, *jobs], stop_signal=signal.SIGQUIT),
        Member("beat", [*celery, "--app", "config.celery", "beat", "--loglevel", "WARNING", "--pidfile="]),
    ]


def read_concurrency(name: str) -> str:
    return str(read_int(name, 2, lowest=1, highest=100))


async def supervise(
    console: Console, group: ProcessGroup, services: Services | None, welcome: Coroutine[None, None, None]
) -> None:
    """Returns when a signal came and every member is gone."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, group.stop)
    beside = [asyncio.create_task(welcome)]
    if services is not None:
        beside.append(asyncio.create_task(watch_services(console, services)))
    await group.run()
    for task in beside:
        task.cancel()
    console.say("Stopped")


async def welcome(
    console: Console, listener: socket.socket, data_dir: Path, prepared: dict[str, object]
) -> None:
    """Say where everything is, once everything answers."""
    host, port = listener.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- only compared
    began = time.monotonic()
    is_told = False
    while (failing := await probe(reachable, port)) != []:
        if not is_told and time.monotonic() - began > PATIENCE_AT_START_SECONDS:
            is_told = True
            console.say(f"Still waiting for {', '.join(failing or ['web'])}")
        await asyncio.sleep(0.1)
    console.say(f"Sessions listens on http://{host}:{port}")
    console.say(f"Its data lives in {data_dir}")
    if prepared["is_first_start"]:
        console.say("This was the first start: the workspace demo shows what there is")
    if "url" not in prepared:
        console.say("Nobody can sign in yet: manage.py createsuperuser")
        return
    email = prepared["email"]
    console.say(f"Sign in: {prepared['url']}")
    console.say(f"(for {email}; works once, for 10 minutes; another: manage.py sign_in_link {email})")


async def watch_services(console: Console, services: Services) -> None:
    """Bring back a lost supervisor, and tell when a service ended and came back."""
    from config.embedded.layout import EmbeddedError

    told: dict[str, tuple[int, str]] = {}
    while True:
        try:
            parts = services.keep_up().parts
        except (EmbeddedError, OSError) as error:
            console.say(f"The services cannot be looked after: {error}")
            parts = {}
        for name, part in parts.items():
            if part.restarts and told.get(name) != (part.restarts, part.status):
                told[name] = (part.restarts, part.status)
                console.tell(name, f"{part.last_error.partition(chr(10))[0]}; now {part.status}")
        await asyncio.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
