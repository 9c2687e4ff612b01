"""One open socket: what waits to be sent to it, bounded by what its page has taken in."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from sessions_app.frames import Signal, encode
from workspace.access import Admission

__all__ = ["ACCESS_ENDED", "ACK_EVERY", "Listener"]

#: Close code: the person may not listen (any more). The page does not try again.
ACCESS_ENDED = 4404

#: A page says "ack" after so many messages; servers do not tell how much of what was sent has arrived.
ACK_EVERY = 8
MOST_IN_FLIGHT = 32
MOST_WAITING = 32

RESYNC = encode(Signal(op="resync"))


class Listener:
    """Messages are pushed without waiting. A page that takes none in loses them and reads everything anew."""

    def __init__(self, admission: Admission, send: Callable[[str], Awaitable[None]]) -> None:
        self.admission = admission
        self.close_code: int | None = None
        self._send = send
        self._waiting: deque[str] = deque()
        self._in_flight = 0
        self._wake = asyncio.Event()

    def push(self, message: str) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.clear()
            message = RESYNC
        self._waiting.append(message)
        self._wake.set()

    def acknowledge(self) -> None:
        """The page has taken in `ACK_EVERY` messages."""
        self._in_flight = max(0, self._in_flight - ACK_EVERY)
        self._wake.set()

    def close(self, code: int) -> None:
        self.close_code = code
        self._wake.set()

    async def send_all(self) -> int:
        """Send what is pushed until `close`; returns its code."""
        while self.close_code is None:
            while self._waiting and self._in_flight < MOST_IN_FLIGHT and self.close_code is None:
                self._in_flight += 1
                await self._send(self._waiting.popleft())
            self._wake.clear()
            if self.close_code is None:
                await self._wake.wait()
        return self.close_code
