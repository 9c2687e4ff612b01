"""One hub a web process: a single subscription, every open socket, each changed row rendered once a tenant.

It lives in the event loop of the process from the first socket to the last. `docs/live.md` draws it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError
from django.utils import timezone

from sessions_app.frames import Frame, Op, Signal, encode, make_ops
from sessions_app.hydration import SessionKey
from sessions_app.kinds import Moment
from sessions_app.listeners import ACCESS_ENDED, Listener
from sessions_app.live import read_change
from sessions_app.looking import Look, Seen, look, seen_of
from sessions_app.revs import Changes, announced_since, later
from sessions_app.subscription import Subscription
from workspace.access import Admission, still_admitted
from workspace.models import Tenant

__all__ = ["Hub", "hub_of_loop"]

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.1
#: With the work itself, less than 15 seconds.
LOOK_SECONDS = 14.0
ACCESS_SECONDS = 3.0

#: How far back a look reaches beyond the last one: a write bears a time before its commit.
OVERLAP = timedelta(seconds=60)

#: More changed rows than this in one tick, and pages are told to read everything anew.
MOST_ROWS = 200

RESYNC = encode(Signal(op="resync"))
PAUSE = encode(Signal(op="pause"))
BEAT = encode(Signal(op="beat"))
READY = encode(Signal(op="ready"))


@dataclass(eq=False)
class Room:
    """One tenant's sockets, and which of its rows changed since the last tick.

    `seen` is how the rows stood that the hub looked at or sent, `looked_at` when it last looked; None before
    the first time.
    """

    tenant: Tenant
    listeners: set[Listener] = field(default_factory=set)
    changed: dict[SessionKey, None] = field(default_factory=dict)
    rev: str = ""
    seen: dict[SessionKey, Seen] | None = None
    looked_at: datetime | None = None
    opening: asyncio.Task[None] | None = None
    ticking: asyncio.Task[None] | None = None


class Hub:
    """Takes sockets in with `join`, lets them go with `leave`, and sends them what changes meanwhile."""

    def __init__(self) -> None:
        self.rooms: dict[uuid.UUID, Room] = {}
        self.subscription = self._subscribe()
        self._tasks: list[asyncio.Task[None]] = []
        self._threads: ThreadPoolExecutor | None = None
        self._access_changed = asyncio.Event()

    async def join(self, listener: Listener, tenant: Tenant) -> None:
        """From the "ready" that this sends on, the listener is sent every change of its tenant.

        While the broker is away it is sent "pause" instead, and "resync" when that is over.
        """
        if not self.rooms:
            self._start()
        room = self.rooms.setdefault(tenant.pk, Room(tenant))
        room.listeners.add(listener)
        if room.opening is None:
            room.opening = asyncio.create_task(self._open(room))
        await asyncio.shield(room.opening)
        listener.push(READY if self.subscription.is_up else PAUSE)

    def leave(self, listener: Listener) -> None:
        """Forget the listener. A tenant's last one ends its subscription, the last of all ends the work."""
        room = self.rooms.get(listener.admission.tenant_id)
        if room is None:
            return
        room.listeners.discard(listener)
        if room.listeners:
            return
        del self.rooms[room.tenant.pk]
        for task in (room.opening, room.ticking):
            if task is not None:
                task.cancel()
        if self.rooms:
            self.subscription.drop(room.tenant.pk)
        else:
            self._stop()

    async def look(self, room: Room) -> None:
        """Find changes that nobody announced, and what only the clock has changed, and send them.

        The first look only remembers how things stand.
        """
        now = timezone.now()
        since = (room.looked_at or now) - OVERLAP
        tenant, found, told = await self._in_thread(_look, room.tenant.pk, since, now, room.rev)
        before, room.seen, room.looked_at = room.seen, found.states, now
        room.rev = later(room.rev, told.rev)
        is_outdated = tenant.rows_outdated_at != room.tenant.rows_outdated_at
        room.tenant = tenant
        if before is None:
            return
        if is_outdated or not found.is_whole:
            self._tell(room, RESYNC)
            return
        gone = [key for key, (_, is_live, _) in before.items() if is_live and key not in found.states]
        changed = [key for key, seen in found.states.items() if before.get(key) != seen]
        self._mark(room, [*changed, *gone, *told.keys])

    async def check_access(self) -> None:
        """Close every socket whose person may not listen any more: one query for all of them."""
        everybody: dict[Admission, list[Listener]] = defaultdict(list)
        for room in self.rooms.values():
            for listener in room.listeners:
                everybody[listener.admission].append(listener)
        if not everybody:
            return
        holding = await self._in_thread(still_admitted, list(everybody), timezone.now())
        for admission, listeners in everybody.items():
            if admission not in holding:
                for listener in listeners:
                    listener.close(ACCESS_ENDED)

    # ---- Life

    def _start(self) -> None:
        self.subscription = self._subscribe()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="live-hub")
        self._tasks = [
            asyncio.create_task(work)
            for work in (self.subscription.keep(), self._look_again(), self._check_access_again())
        ]

    def _subscribe(self) -> Subscription:
        return Subscription(self._hear, self._on_connection)

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    async def _in_thread[**P, R](self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """One thread for all that the hub asks of the database: its work never outgrows one connection."""
        run: Any = database_sync_to_async(work, thread_sensitive=False, executor=self._threads)
        result: R = await run(*args, **kwargs)
        return result

    async def _open(self, room: Room) -> None:
        """Subscribe first, then read: what is announced in between is in both."""
        await self.subscription.add(room.tenant.pk)
        try:
            await self.look(room)
        except DatabaseError:
            logger.exception("the first look of a workspace failed")

    # ---- Hearing and telling

    def _hear(self, tenant_id: uuid.UUID | None, message: str) -> None:
        """A message of a tenant's channel, or of the channel about access (None)."""
        if tenant_id is None:
            self._access_changed.set()
            return
        room = self.rooms.get(tenant_id)
        if room is None:
            return
        change = read_change(message)
        room.rev = later(room.rev, change["rev"])
        self._mark(room, [(change["kind"], uuid.UUID(change["id"]))])

    def _mark(self, room: Room, keys: Collection[SessionKey]) -> None:
        room.changed.update(dict.fromkeys(keys))
        if room.changed and (room.ticking is None or room.ticking.done()):
            room.ticking = asyncio.create_task(self._tick(room))

    async def _tick(self, room: Room) -> None:
        """Send what changed, at once, then what has gathered each time that a tick is over."""
        loop = asyncio.get_running_loop()
        while room.changed:
            started = loop.time()
            keys, room.changed = room.changed, {}
            self._tell(room, await self._render(room, keys))
            await asyncio.sleep(TICK_SECONDS - (loop.time() - started))

    async def _render(self, room: Room, keys: Collection[SessionKey]) -> str:
        if len(keys) > MOST_ROWS:
            return RESYNC
        rev = room.rev
        try:
            ops, seen = await self._in_thread(_render, room.tenant, keys)
        except Exception:
            # Whatever it was, the pages must not go on as if nothing had changed.
            logger.exception("changed rows could not be drawn")
            return RESYNC
        if room.seen is not None:
            room.seen |= seen
        return encode(Frame(rev=rev, ops=ops))

    def _tell(self, room: Room, message: str) -> None:
        for listener in room.listeners:
            listener.push(message)

    def _on_connection(self, is_up: bool) -> None:
        """What happened while the broker was away nobody knows: all pages read everything anew."""
        for room in self.rooms.values():
            self._tell(room, RESYNC if is_up else PAUSE)

    # ---- Again and again

    async def _look_again(self) -> None:
        loop = asyncio.get_running_loop()
        looked_at = loop.time()
        while True:
            pause = LOOK_SECONDS * random.uniform(0.8, 1.0)  # noqa: S311 - spreads the load
            await asyncio.sleep(looked_at + pause - loop.time())
            looked_at = loop.time()
            for room in [*self.rooms.values()]:
                try:
                    await self.look(room)
                except DatabaseError:
                    logger.exception("looking for changes failed")
                if self.subscription.is_up:
                    self._tell(room, BEAT)

    async def _check_access_again(self) -> None:
        while True:
            try:
                async with asyncio.timeout(ACCESS_SECONDS):
                    await self._access_changed.wait()
            except TimeoutError:
                pass
            self._access_changed.clear()
            try:
                await self.check_access()
            except DatabaseError:
                logger.exception("looking at who may listen failed")


def _look(tenant_id: uuid.UUID, since: datetime, now: datetime, rev: str) -> tuple[Tenant, Look, Changes]:
    """The rev comes last: a page that was read at a later one knows of all that is found here."""
    tenant = Tenant.objects.get(pk=tenant_id)
    found = look(tenant_id, since, Moment.of(tenant, now))
    return tenant, found, announced_since(tenant_id, rev)


def _render(tenant: Tenant, keys: Collection[SessionKey]) -> tuple[list[Op], dict[SessionKey, Seen]]:
    ops, rows = make_ops(tenant, keys, Moment.of(tenant, timezone.now()))
    return ops, {(row.kind, row.id): seen_of(row) for row in rows}


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub_of_loop() -> Hub:
    """The hub of the running event loop, made when it is first asked for."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
