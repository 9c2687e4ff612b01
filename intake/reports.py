"""What an import says of each file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from intake.readers.base import Problem, Severity

__all__ = ["FileOutcome", "FileReport"]

#: How many problems of one file a report lists; the rest is counted.
MOST_PROBLEMS = 1_000


class FileOutcome(StrEnum):
    IMPORTED = "imported"
    GROWN = "grown"
    UNCHANGED = "unchanged"
    IGNORED = "ignored"
    FAILED = "failed"


#: The more became of any session of a file, the farther to the right.
_ASCENDING = (FileOutcome.IGNORED, FileOutcome.UNCHANGED, FileOutcome.GROWN, FileOutcome.IMPORTED)


@dataclass(slots=True)
class FileReport:
    """What became of one file. `session` is KIND:ID, "" if it became none; `children` counts sub-agents.

    A file that holds records of several sessions names the others in `other_sessions`. `told_agents` are the
    sub-agents, by session and agent, of whom it told something new: those with a file of their own may say
    more now. It is no part of the JSON. `why_ignored` is said where a person can do something about it.
    """

    path: str
    format: str = ""
    outcome: FileOutcome = FileOutcome.IGNORED
    why_ignored: str = ""
    session: str = ""
    other_sessions: list[str] = field(default_factory=list)
    entries: int = 0
    children: int = 0
    redactions: int = 0
    problems: list[Problem] = field(default_factory=list)
    more_problems: int = 0
    told_agents: set[tuple[str, str]] = field(default_factory=set)

    @property
    def has_lost(self) -> bool:
        """Whether something of a recognised file is not in the result."""
        return self.outcome == FileOutcome.FAILED or any(p.severity == Severity.LOST for p in self.problems)

    def add_outcome(self, outcome: FileOutcome) -> None:
        """What became of one of its sessions. The most that became of any is said of the file."""
        self.outcome = max(self.outcome, outcome, key=_ASCENDING.index)

    def add_problem(self, problem: Problem) -> None:
        if len(self.problems) < MOST_PROBLEMS or problem.severity == Severity.LOST:
            self.problems.append(problem)
        else:
            self.more_problems += 1

    def to_json(self) -> dict[str, Any]:
        told = asdict(self)
        del told["told_agents"]
        return told
