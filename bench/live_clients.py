"""Many sockets in one process: when was each version of each row first seen by each of them?

Reads `{"host", "port", "path", "headers", "clients"}` from its input, says "ready" once all are open, and
after a line on its input prints one JSON document and ends.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from collections import Counter
from typing import Any

ACK_EVERY = 8
MASKED_ACK = bytes([0x81, 0x83, 0, 0, 0, 0]) + b"ack"


class Seen:
    """Times of arrival by version, of all clients; a text is parsed once, as all are sent the same."""

    def __init__(self) -> None:
        self.arrivals: dict[str, list[float]] = {}
        self.signals: Counter[str] = Counter()
        self.last: tuple[bytes, list[str]] = (b"", [])

    def take(self, body: bytes) -> None:
        now = time.time()
        if body != self.last[0]:
            message = json.loads(body)
            self.last = (body, [op["key"] for op in message.get("ops", ())])
            self.signals[message.get("op", "frame")] += 1
        for key in self.last[1]:
            self.arrivals.setdefault(key, []).append(now)


async def open_socket(about: dict[str, Any]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(about["host"], about["port"])
    lines = [
        f"GET {about['path']} HTTP/1.1",
        *(f"{name}: {value}" for name, value in about["headers"].items()),
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
    ]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in answer.split(b"\r\n")[0], answer
    assert json.loads(await read_message(reader, writer))["op"] == "ready"
    return reader, writer


async def read_message(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The next text that the server sends; a ping is answered."""
    while True:
        first, size = await reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2))
        elif size == 127:
            size = int.from_bytes(await reader.readexactly(8))
        body = await reader.readexactly(size)
        if first & 0xF == 9:
            writer.write(bytes([0x8A, 0x80 | size, 0, 0, 0, 0]) + body)
        elif first & 0xF == 1:
            return body


async def listen(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    received = 1
    while True:
        seen.take(await read_message(reader, writer))
        received += 1
        if received % ACK_EVERY == 0:
            writer.write(MASKED_ACK)


async def main() -> None:
    about = json.loads(sys.stdin.readline())
    seen = Seen()
    sockets: list[Any] = []
    while len(sockets) < about["clients"]:
        few = min(20, about["clients"] - len(sockets))
        sockets += await asyncio.gather(*(open_socket(about) for _ in range(few)))
    tasks = [asyncio.create_task(listen(seen, *each)) for each in sockets]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    alive = sum(not task.done() for task in tasks)
    print(json.dumps({"arrivals": seen.arrivals, "signals": seen.signals, "alive": alive}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
