"""Which files below some folders have changed: told by inotify within a moment, and found by looking."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from watchfiles import watch

__all__ = ["Watcher", "scan"]

#: How long changes are gathered, at most, and what pause ends that before: a burst of appends is one change.
GATHER_MS, PAUSE_MS = 200, 50
#: How often the watcher looks whether its folders are still the ones that it watches.
CHECK_MS = 1_000


def scan(
    roots: Iterable[Path], cannot: Callable[[OSError], None] = lambda error: None
) -> Iterator[tuple[Path, os.stat_result]]:
    """The regular files at and below these paths as they are; `cannot` hears what may not be looked at."""

    def hear(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            cannot(error)

    def look(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
        try:
            found = path.stat()
        except OSError as error:
            hear(error)
        else:
            if stat.S_ISREG(found.st_mode):
                yield path, found

    for root in roots:
        yield from look(root)
        for folder, _, names in os.walk(root, onerror=hear):
            for name in names:
                yield from look(Path(folder, name))


class Watcher:
    """Gathers the paths that changed below `roots`, in a thread of its own, until `close`.

    It only says where to look at once. What it cannot see (a folder of another machine, one that was made
    anew a moment ago, when no watches are left) is found by whoever scans from time to time: `is_blind` says
    that there is nothing else. `notice` hears, once and in words, that it came to that.
    """

    def __init__(
        self, roots: Iterable[Path], *, notice: Callable[[str], None], is_blind: bool = False
    ) -> None:
        self._roots = list(roots)
        self._notice = notice
        self._ended = threading.Event()
        self._changed: set[Path] = set()
        self._news = threading.Condition()
        self.is_blind = is_blind
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        if not is_blind:
            self._thread.start()

    def take(self, seconds: float) -> set[Path]:
        """What changed since it was asked last; waits up to `seconds` for the first change."""
        with self._news:
            if not self._changed and seconds > 0:
                self._news.wait(seconds)
            changed, self._changed = self._changed, set()
            return changed

    def close(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._ended.is_set():
            roots = {root: _identity(root) for root in self._roots}
            there = [root for root, identity in roots.items() if identity]
            try:
                self._gather(there, roots)
            except FileNotFoundError:  # gone since it was looked at
                continue
            except Exception as error:  # the library has errors of its own beside those of the system
                self.is_blind = True
                self._notice(f"changes are not told here ({error}): looking for them every second")
                return

    def _gather(self, there: list[Path], roots: dict[Path, tuple[int, int] | None]) -> None:
        """Gather until the watcher ends or a root is another than it was."""
        if not there:
            self._ended.wait(CHECK_MS / 1000)
            return
        for changes in watch(
            *there,
            watch_filter=None,
            debounce=GATHER_MS,
            step=PAUSE_MS,
            stop_event=self._ended,
            rust_timeout=CHECK_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            force_polling=False,
            ignore_permission_denied=True,
        ):
            if changes:
                with self._news:
                    self._changed.update(Path(path) for _, path in changes)
                    self._news.notify_all()
            if any(_identity(root) != identity for root, identity in roots.items()):
                return


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _identity(path: Path) -> tuple[int, int] | None:
    found = _stat(path)
    return (found.st_dev, found.st_ino) if found else None
