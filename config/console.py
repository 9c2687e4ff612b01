"""Lines of many processes on one terminal, each behind the name of the part that said it."""

from __future__ import annotations

import asyncio
import os
import sys

NAME_WIDTH = 9
COLOURS = {"web": 36, "runs": 32, "jobs": 33, "beat": 35, "postgres": 34, "valkey": 31}
# A line is cut only by its end, or by a part that never ends one.
LONGEST_LINE_BYTES = 65_536


class Console:
    """Writes whole lines. Colours only where somebody looks."""

    def __init__(self) -> None:
        self._has_colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def say(self, line: str) -> None:
        """A line of our own."""
        self._write(line)

    def tell(self, name: str, line: str) -> None:
        """A line of a part."""
        label = f"{name:<{NAME_WIDTH}}|"
        if self._has_colours:
            label = f"\x1b[{COLOURS.get(name, 37)}m{label}\x1b[0m"
        self._write(f"{label} {line}")

    async def follow(self, name: str, stream: asyncio.StreamReader) -> None:
        """Every line of the stream, until it ends."""
        pending = b""
        while chunk := await stream.read(LONGEST_LINE_BYTES):
            *lines, pending = (pending + chunk).split(b"\n")
            if len(pending) > LONGEST_LINE_BYTES:
                lines, pending = [*lines, pending], b""
            for line in lines:
                self._pass_on(name, line)
        self._pass_on(name, pending)

    def _pass_on(self, name: str, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if text:
            self.tell(name, text)

    def _write(self, line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:
            # Nobody reads any more (a closed pager): that is no reason to stop. Later lines go nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
