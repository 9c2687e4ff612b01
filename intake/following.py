"""Keeps importing what changes below some folders, from where each file was left."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from django.db import Error, connection

from intake.importing import DatabaseTroubleError, Importer
from intake.readers.side_files import AgentFiles
from intake.reading import Reading
from intake.reports import FileOutcome, FileReport
from intake.sources import source_of
from intake.watching import Watcher, scan

__all__ = ["Follower"]

#: How often all files are looked at, in seconds: as a safety net, and where changes are not told.
LOOK_EVERY, LOOK_EVERY_BLIND = 5.0, 1.0
#: For how many records in all readers are kept, so that only what was appended is read. A reader holds
#: windows of recent ids, so a file counts with no more records than those.
MOST_KEPT, MOST_OF_ONE = 60_000, 20_000
#: The longest pause between two attempts to reach the database, in seconds.
LONGEST_PAUSE = 30.0

#: How long a file that failed is left alone, at first and at most, in seconds.
FIRST_REST, LONGEST_REST = 10.0, 3600.0

#: How often it is asked whether to stop, in seconds.
ASK_EVERY = 0.2
#: How many files are imported at once, a batch of each in turn, so that none has to wait for a large one.
MOST_AT_ONCE = 4


class Stamp(NamedTuple):
    """What tells whether a file has changed."""

    device: int
    inode: int
    size: int
    changed_ns: int


class _Readings:
    """The readings of the files that grew last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, Reading] = OrderedDict()

    def take(self, path: Path) -> Reading | None:
        return self._kept.pop(path, None)

    def keep(self, path: Path, reading: Reading) -> None:
        self._kept[path] = reading
        while len(self._kept) > 1 and sum(map(_weight, self._kept.values())) > MOST_KEPT:
            self._kept.popitem(last=False)


def _weight(reading: Reading) -> int:
    return min(reading.weight, MOST_OF_ONE) + 100


@dataclass(slots=True)
class _Work:
    """A file that is being imported, one batch a step; `stamp` is from before it was opened."""

    stamp: Stamp
    reading: Reading
    report: FileReport
    steps: Iterator[int]


@dataclass(frozen=True, slots=True)
class _Failure:
    """A file that failed as `stamp` has it, for which reason, and until when it is left alone."""

    stamp: Stamp
    reason: str
    rest: float
    until: float

    def is_of(self, path: Path) -> bool:
        """Whether it is still that file: one that was replaced or cut is another."""
        try:
            now = _stamp(path.stat())
        except OSError:
            return False
        return now[:2] == self.stamp[:2] and now.size >= self.stamp.size


class Follower:
    """Imports what is there, then whatever changes, until `stop` says so.

    `tell` hears the report of each file that brought something or failed, `notice` what else a person should
    know. Of a file that is not growing only its stamp is kept. One that fails is told of once and tried again
    after a rest that grows, or when it was replaced. `stop` is asked several times a second.
    """

    def __init__(
        self,
        importer: Importer,
        roots: Iterable[Path],
        *,
        tell: Callable[[FileReport], None],
        notice: Callable[[str], None],
        stop: Callable[[], bool],
        is_blind: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._importer, self._tell, self._notice, self._stop = importer, tell, notice, stop
        self._roots = [root.resolve() for root in roots]
        self._is_blind = is_blind
        self._stamps: dict[Path, Stamp] = {}
        self._readings = _Readings()
        #: What changed since the start, with whether it is to be imported though its bytes are the same.
        self._changed: dict[Path, bool] = {}
        self._backlog: dict[Path, Stamp] = {}
        self._works: OrderedDict[Path, _Work] = OrderedDict()
        self._failures: dict[Path, _Failure] = {}
        self._unreadable: set[str] = set()
        self._pause = 0.0

    def run(self) -> None:
        watcher = Watcher(self._roots, notice=self._notice, is_blind=self._is_blind)
        try:
            self._backlog = self._look()
            looked_at = time.monotonic()
            while not self._stop():
                is_busy = self._waiting() or self._backlog or self._works
                for path in watcher.take(0 if is_busy else ASK_EVERY):
                    self._hear(path)
                if time.monotonic() - looked_at >= (LOOK_EVERY_BLIND if watcher.is_blind else LOOK_EVERY):
                    self._changed = dict.fromkeys(self._look(), False) | self._changed
                    looked_at = time.monotonic()
                self._advance()
        finally:
            watcher.close()

    def _look(self) -> dict[Path, Stamp]:
        """The files that are not as they were when they were seen last; what is to be read first at the end.

        That is the session that changed last, and each session before its sub-agents.
        """
        unreadable: dict[str, str] = {}

        def note(error: OSError) -> None:
            unreadable[str(error.filename)] = error.strerror or "it could not be read"

        there = {path: _stamp(found) for path, found in scan(self._roots, note)}
        for name in sorted(unreadable.keys() - self._unreadable):
            self._tell(self._importer.unreadable(Path(name), unreadable[name]))
        self._unreadable = set(unreadable)
        self._stamps = {path: stamp for path, stamp in self._stamps.items() if path in there}
        self._failures = {path: failure for path, failure in self._failures.items() if path in there}
        seen = self._backlog | self._stamps
        changed = {path: stamp for path, stamp in there.items() if seen.get(path) != stamp}
        newest: dict[Path, int] = {}
        for path, stamp in changed.items():
            newest[_family(path)] = max(newest.get(_family(path), 0), stamp.changed_ns)
        order = sorted(changed, key=lambda path: (newest[_family(path)], not _is_agents(path)))
        return {path: changed[path] for path in order}

    def _hear(self, path: Path) -> None:
        """Something happened at a path: to a file, to a folder that may have files by now, or it is gone.

        It may be told through a link to a folder, which is not followed.
        """
        folder = path if path.is_dir() else path.parent
        if folder.resolve() != folder:
            return
        for file, found in scan([path]):
            if self._stamps.get(file) != _stamp(found):
                self._changed.setdefault(file, False)

    def _advance(self) -> None:
        """Take up one more file, those that changed now before those of the time before, and do one batch."""
        if len(self._works) < MOST_AT_ONCE:
            self._take_up()
        if not self._works:
            return
        path, work = next(iter(self._works.items()))
        self._works.move_to_end(path)
        try:
            is_done = next(work.steps, None) is None
        except DatabaseTroubleError:
            del self._works[path]
            self._changed[path] = True
            self._wait_for_database()
            return
        if self._pause:
            self._notice("the database is back")
            self._pause = 0.0
        if is_done:
            del self._works[path]
            self._finish(path, work)

    def _waiting(self) -> list[Path]:
        """What changed and may be begun."""
        return [path for path in self._changed if path not in self._works and not self._rests(path)]

    def _rests(self, path: Path) -> bool:
        failure = self._failures.get(path)
        return failure is not None and self._clock() < failure.until and failure.is_of(path)

    def _take_up(self) -> None:
        if waiting := self._waiting():
            path = min(waiting, key=_is_agents)
            self._begin(path, anyway=self._changed.pop(path))
        elif self._backlog and not self._works:
            self._begin(self._backlog.popitem()[0], anyway=False)

    def _begin(self, path: Path, *, anyway: bool) -> None:
        """Go on in a file, or begin it; one that is as it was read is passed over unless `anyway`."""
        report, stamp = FileReport(str(path)), None
        try:
            source, stamp = source_of(path), _stamp(path.stat())
            if stamp == self._stamps.get(path) and not anyway:
                return
            if _is_agents(path) and path not in self._stamps:
                self._importer.agents = AgentFiles()  # it remembers folders as they were
            reading = self._readings.take(path)
            with source.open() as stream:
                if reading is not None and not reading.goes_on_in(stream):
                    reading = None
        except FileNotFoundError:
            self._stamps.pop(path, None)
            return
        except OSError as error:
            if stamp is not None:
                self._stamps[path] = stamp
            self._tell(self._importer.unreadable(path, error.strerror or "it could not be read"))
            return
        reading = reading or self._importer.begin(source, report)
        if reading is None:
            self._conclude(path, stamp, report)
        else:
            self._works[path] = _Work(stamp, reading, report, self._importer.steps(source, reading, report))

    def _finish(self, path: Path, work: _Work) -> None:
        if work.report.outcome != FileOutcome.FAILED:
            self._readings.keep(path, work.reading)
        for agent_file in self._files_of(path, work.report):
            self._changed[agent_file] = True
        self._conclude(path, work.stamp, work.report)

    def _conclude(self, path: Path, stamp: Stamp, report: FileReport) -> None:
        """Tell what became of it, but not again why it fails."""
        self._stamps[path] = stamp
        before = self._failures.pop(path, None)
        if report.outcome != FileOutcome.FAILED:
            self._tell_if_news(report)
            return
        rest = min(before.rest * 2, LONGEST_REST) if before else FIRST_REST
        reason = report.problems[-1].reason
        self._failures[path] = _Failure(stamp, reason, rest, self._clock() + rest)
        self._changed[path] = True
        if before is None or before.reason != reason:
            self._tell(report)

    def _files_of(self, path: Path, report: FileReport) -> Iterator[Path]:
        """The files of the sub-agents of which a session just told something: their rows may say more now."""
        own = self._importer.agents.of(path)
        for _, agent_id in report.told_agents:
            file = own.get(agent_id) or path.with_name(f"agent-{agent_id}.jsonl")
            if file in self._stamps and file not in self._works:
                yield file

    def _tell_if_news(self, report: FileReport) -> None:
        is_news = report.outcome in (FileOutcome.IMPORTED, FileOutcome.GROWN)
        if is_news or report.problems or report.why_ignored:
            self._tell(report)

    def _wait_for_database(self) -> None:
        """Pause, longer each time, until the database can be asked again. What changes meanwhile is kept."""
        self._pause = min(self._pause * 2 or 1.0, LONGEST_PAUSE)
        while True:
            self._notice(f"the database cannot be written to: trying again in {self._pause:.0f} s")
            until = time.monotonic() + self._pause
            while time.monotonic() < until:
                if self._stop():
                    return
                time.sleep(ASK_EVERY)
            try:
                connection.close()
                connection.ensure_connection()
            except Error:
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
            else:
                return


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _is_agents(path: Path) -> bool:
    """Whether it is a file of a sub-agent by its name, which is read after its session's."""
    return path.name.startswith("agent-")


def _family(path: Path) -> Path:
    """What a session's file and those of its sub-agents, in its folder, have in common."""
    for folder in path.parents:
        if folder.name == "subagents":
            return folder.parent
    return path.with_suffix("")
