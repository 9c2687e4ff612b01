"""Files of other tools become sessions: read once, written a batch a transaction, told in one report."""

from __future__ import annotations

import logging
import traceback
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from intake.readers.base import Problem, Severity
from intake.readers.detect import detect, looks_like_utf16
from intake.readers.side_files import AgentFiles, agent_files
from intake.reading import Reading
from intake.reports import FileOutcome, FileReport
from intake.sources import Source, source_of
from intake.writing import Run, Writer
from workspace.actors import Actor
from workspace.placement import Placement

__all__ = ["DatabaseTroubleError", "FileOutcome", "FileReport", "ImportStopped", "Importer", "Progress"]

logger = logging.getLogger(__name__)

#: Hears of each batch how many bytes of the file at hand are dealt with, in the transaction that stores it.
type Progress = Callable[[int], None]


class DatabaseTroubleError(Exception):
    """The database is away, full or busy, which is not the file's fault: import it again later."""


class ImportStopped(Exception):
    """Raised by whoever hears of the progress: the batch at hand is not kept, and nothing after it."""


class Importer:
    """One run over files. It remembers what sessions told of their sub-agents, whose own files come later."""

    def __init__(
        self,
        *,
        tenant_id: uuid.UUID,
        placement: Placement,
        actor: Actor,
        clock: Callable[[], datetime] = timezone.now,
    ) -> None:
        self.run = Run(tenant_id, placement, actor)
        self.clock = clock
        self.agents = AgentFiles()

    def import_file(self, path: Path, progress: Progress | None = None) -> FileReport:
        """`import_source` of a file on disk."""
        try:
            source = source_of(path)
        except OSError as error:
            return self.unreadable(path, error.strerror or "it could not be read")
        return self.import_source(source, progress)

    def import_source(
        self, source: Source, progress: Progress | None = None, report: FileReport | None = None
    ) -> FileReport:
        """Read one file into its sessions, a batch a transaction; `report` sums up what earlier tries stored.

        Never raises for what stands in the file, only DatabaseTroubleError, and the ImportStopped of
        `progress`. A file that fails is kept up to the batch that failed.
        """
        report = report or FileReport(source.name)
        for _ in self.steps(source, self.begin(source, report), report, progress):
            pass
        return report

    def begin(self, source: Source, report: FileReport) -> Reading | None:
        """A reading of the file from its beginning; None, and the report says why, if it cannot be read."""
        try:
            with source.open() as stream:
                found = detect(stream)
                is_utf16 = found is None and looks_like_utf16(stream)
        except Exception as error:
            self._fail(report, 0, _explain(error))
            return None
        if found is None:
            report.why_ignored = "UTF-16, convert it to UTF-8" if is_utf16 else ""
            return None
        report.format = found.key
        return Reading(source, found, now=self.clock())

    def steps(
        self, source: Source, reading: Reading | None, report: FileReport, progress: Progress | None = None
    ) -> Iterator[int]:
        """Go on with a reading to the end of its source; yields the offset after each batch is committed.

        Raises as `import_source` does. After a failure, which the report tells, the reading is of no use.
        """
        if reading is None:
            return
        report.format = reading.format.key
        line = 0
        try:
            if source.path is not None:
                reading.own_files.update(agent_files(source.path, self.agents))
            writer = Writer(self.run, reading, report, progress)
            for batch in reading.batches(source, now=self.clock()):
                line = batch.line
                for problem in batch.problems:
                    report.add_problem(problem)
                writer.write(batch)
                yield reading.offset
        except ImportStopped:
            raise
        except Exception as error:  # whatever a file holds, the next one is read
            if _is_trouble(error):
                raise DatabaseTroubleError from error
            self._fail(report, line, _explain(error))

    def unreadable(self, path: Path, reason: str) -> FileReport:
        """The report of what could not even be looked at."""
        report = FileReport(str(path))
        self._fail(report, 0, f"it could not be looked at: {reason}")
        return report

    def _fail(self, report: FileReport, line: int, reason: str) -> None:
        report.outcome = FileOutcome.FAILED
        report.add_problem(Problem(Severity.LOST, line, reason))


def _is_trouble(error: Exception) -> bool:
    """Whether it is the database's trouble. Limits of PostgreSQL (class 54) are met by what a file holds."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return not str(getattr(error.__cause__, "sqlstate", None) or "").startswith("54")


def _explain(error: Exception) -> str:
    """Why a file failed. It never quotes the file, and neither does the log: that has not been redacted."""
    if isinstance(error, OSError):
        return f"the file could not be read: {error.strerror}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    logger.error("a file was not imported: %s at %s", type(error).__name__, place)
    return f"nothing was kept from here on: {type(error).__name__} at {place}"
