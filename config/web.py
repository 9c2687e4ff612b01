"""The web part: daphne with its own arguments, and an end that waits for no request.

Asked to stop, daphne cancels what it serves. A request's thread cannot be cancelled: it goes on, and in the
end waits for the loop, which is gone or waits for the thread. What it had not committed is rolled back.
"""

from __future__ import annotations

import os
import sys
import threading

from daphne.cli import CommandLineInterface

# The reactor is chosen by daphne.
from twisted.internet import reactor

__all__ = ["main"]

#: What stops at once has this long to say so, such as a websocket to its client.
GRACE_SECONDS = 2.0


def main(arguments: list[str]) -> None:
    reactor.addSystemEventTrigger("before", "shutdown", end_soon)  # type: ignore[arg-type]
    CommandLineInterface().run(arguments)


def end_soon() -> None:
    """End this process, whatever its threads are at, unless it ends by itself before."""
    deadline = threading.Timer(GRACE_SECONDS, os._exit, [0])
    deadline.daemon = True
    deadline.start()


if __name__ == "__main__":
    main(sys.argv[1:])
