"""Staged files as the page of uploads shows them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from intake.models import FileState, StagedFile
from intake.readers.base import Severity
from intake.reports import FileOutcome
from intake.staging import META_SUFFIX, MOVES
from sessions_app.registry import all_kinds
from workspace.access import Seat

__all__ = ["FileRow", "SessionLink", "present_files"]

#: How many problems a row of the list shows; the file's own page shows all that are kept.
FIRST_PROBLEMS = 3

STATES: dict[str, tuple[str, str, str]] = {
    FileState.RECEIVING: ("Not whole yet", "neutral", "circle-dashed"),
    FileState.WAITING: ("Waiting", "active", "hourglass"),
    FileState.IMPORTING: ("Importing", "active", "loader-circle"),
    FileState.DEAD: ("Set aside", "problem", "circle-x"),
}
OUTCOMES: dict[str, tuple[str, str, str]] = {
    FileOutcome.IMPORTED: ("Imported", "success", "circle-check"),
    FileOutcome.GROWN: ("Grown", "success", "circle-check"),
    FileOutcome.UNCHANGED: ("Unchanged", "neutral", "circle-minus"),
    FileOutcome.IGNORED: ("Ignored", "neutral", "circle-slash"),
}


@dataclass(frozen=True, slots=True)
class SessionLink:
    title: str
    url: str
    icon: str


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file: where it stands, what became of it, and what the member may do about it."""

    id: uuid.UUID
    name: str
    label: str
    tone: str
    icon: str
    size_bytes: int
    progress_bytes: int | None
    detail: str
    owner_name: str
    changed_at: datetime
    sessions: tuple[SessionLink, ...]
    problems: tuple[dict[str, Any], ...]
    more_problems: int
    can_retry: bool
    can_delete: bool

    @property
    def first_problems(self) -> tuple[dict[str, Any], ...]:
        return self.problems[:FIRST_PROBLEMS]

    @property
    def hidden_problems(self) -> int:
        return max(0, len(self.problems) - FIRST_PROBLEMS) + self.more_problems


def present_files(files: Sequence[StagedFile], seat: Seat) -> list[FileRow]:
    """The rows of files whose `upload.owner` is in memory; costs a query for each kind of session."""
    links = _session_links(files, seat)
    return [_present(file, seat, links) for file in files]


def _present(file: StagedFile, seat: Seat, links: dict[str, SessionLink]) -> FileRow:
    report = _report(file)
    label, tone, icon = OUTCOMES[report["outcome"]] if report else STATES[file.state]
    problems = tuple(report.get("problems", ()))
    if any(problem["severity"] == Severity.LOST for problem in problems):
        tone, icon = "attention", "triangle-alert"
    moves = MOVES[file.state] if may_manage(file, seat) else ()
    is_moving = file.state in (FileState.RECEIVING, FileState.IMPORTING)
    return FileRow(
        id=file.pk,
        name=file.name,
        label=label,
        tone=tone,
        icon=icon,
        size_bytes=file.size_bytes,
        progress_bytes=file.progress_bytes if is_moving and file.size_bytes else None,
        detail=_detail(file, report),
        owner_name=file.upload.owner.display_name,
        changed_at=file.changed_at,
        sessions=tuple(links[key] for key in _session_keys(report) if key in links),
        problems=problems,
        more_problems=report.get("more_problems", 0),
        can_retry="retry" in moves,
        can_delete="delete" in moves,
    )


def _report(file: StagedFile) -> dict[str, Any]:
    """What became of the file, empty until that is known."""
    return file.report or {} if file.state == FileState.DONE else {}


def may_manage(file: StagedFile, seat: Seat) -> bool:
    return seat.can_run and (seat.owns(file.upload.owner_id) or seat.can_manage)


def _detail(file: StagedFile, report: dict[str, Any]) -> str:
    if not report:
        tried = f"tried {file.tries} of 3 times: {file.reason}" if file.reason else ""
        return file.reason if file.state == FileState.DEAD else tried
    if report["outcome"] == FileOutcome.IGNORED:
        if report.get("why_ignored"):
            return str(report["why_ignored"])
        is_beside = file.name.endswith(META_SUFFIX)
        return "read with its sub-agent's file" if is_beside else "no session of a format that is known"
    entries, children = report["entries"], report["children"]
    words = [f"{entries:,} new {'entry' if entries == 1 else 'entries'}"] if entries else []
    words += [f"{children:,} {'sub-agent' if children == 1 else 'sub-agents'}"] if children else []
    words += [f"{report['redactions']:,} redacted"] if report["redactions"] else []
    return ", ".join(words)


def _session_keys(report: dict[str, Any]) -> list[str]:
    """KIND:ID of each session that a file became."""
    return [key for key in (report.get("session", ""), *report.get("other_sessions", ())) if key]


def _session_links(files: Iterable[StagedFile], seat: Seat) -> dict[str, SessionLink]:
    wanted: defaultdict[str, list[uuid.UUID]] = defaultdict(list)
    for file in files:
        for key in _session_keys(_report(file)):
            kind_key, _, session_id = key.partition(":")
            wanted[kind_key].append(uuid.UUID(session_id))
    links: dict[str, SessionLink] = {}
    for kind in all_kinds():
        if kind.key in wanted:
            for obj_id, obj in kind.hydrate(seat.tenant.pk, wanted[kind.key]).items():
                url = kind.url(obj, seat.tenant.slug)
                links[f"{kind.key}:{obj_id}"] = SessionLink(obj.title, url, kind.icon)
    return links
