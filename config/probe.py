"""Asking a running product how it is, over HTTP."""

from __future__ import annotations

import asyncio
import json

HEALTH_PATH = "/healthz"
PATIENCE_SECONDS = 5.0


async def probe(host: str, port: int) -> list[str] | None:
    """The parts that /healthz names as failing, so [] when all are up; None while the web is silent."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET {HEALTH_PATH} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
        failing: list[str] = json.loads(answer.partition(b"\r\n\r\n")[2])["failing"]
    except (OSError, TimeoutError, ValueError, KeyError, TypeError):
        return None
    return failing
