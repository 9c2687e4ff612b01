"""Files that a step made and that are kept: text redacted, everything else marked as not scanned."""

from __future__ import annotations

import mimetypes
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction

from agents.folders import is_itself
from audit.entries import EntryKind
from audit.moves import lock_session
from audit.redaction import Redactor, redact_stream
from flows.leases import check_fence
from flows.models import Artifact, FlowRun, StepRun
from flows.moves import step_data, write_line

__all__ = ["ArtifactTooBig", "keep_artifacts"]

MOST_FILES = 200
#: How many files a glob may lead through.
MOST_SEEN = 200_000
#: All files of one attempt together may have so many times what one may have.
MOST_IN_ALL = 10
#: No work of anybody, and never kept by a glob that is wide.
_NEVER = frozenset({".git"})
_BINARY = "application/octet-stream"


class ArtifactTooBig(Exception):
    """A step's files are more than may be kept; names the file and what to raise or narrow."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A file to keep, by its path in the folder."""

    path: str
    size: int


def keep_artifacts(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    step_run_id: uuid.UUID,
    fence: int | None,
    folder: Path,
    patterns: Sequence[str],
    redactor: Redactor,
    now: datetime,
) -> list[Artifact]:
    """Keep what the step's globs name in the run's folder; calling it again adds only what is missing.

    Links, and what lies behind them, are no files of the folder. Raises ArtifactTooBig before anything is
    kept, LeaseLost where the run is not at work under this fence any more. One file is in memory at a time.
    """
    found = list(_find(folder, patterns))
    _check_sizes(found)
    kept = Artifact.objects.for_tenant(tenant_id).filter(step_run_id=step_run_id)
    stored = set(kept.values_list("name", flat=True))
    artifacts: list[Artifact] = []
    for name, one in zip(_names(found, redactor), found, strict=True):
        data = None if name in stored else _read(folder, one.path)
        if data is not None:
            artifact = _make(name, data, redactor)
            artifact.tenant_id, artifact.run_id, artifact.step_run_id = tenant_id, run_id, step_run_id
            _save(artifact, data, fence=fence, now=now)
            artifacts.append(artifact)
    if artifacts:
        _tell(artifacts, step_run_id=step_run_id, fence=fence, now=now)
    return artifacts


def _find(folder: Path, patterns: Sequence[str]) -> Iterator[_Found]:
    """The regular files that the globs name, each once, by path; none through a link."""
    found = {one.path: one for pattern in patterns for one in _glob(folder, pattern)}
    for path in sorted(found):
        yield found[path]


def _glob(folder: Path, pattern: str) -> Iterator[_Found]:
    """One walk through the folders that the glob can lead to, however many `**` it has."""
    path = PurePosixPath(pattern.strip())
    wanted = path.parts
    if not wanted or path.is_absolute():
        raise ArtifactTooBig(
            f"The glob “{pattern}” names no files of the run's folder. Correct it in the flow."
        )
    waiting = [("", _pass_over({0}, wanted))] if is_itself(folder) else []
    seen = 0
    while waiting:
        prefix, places = waiting.pop()
        with suppress(OSError), os.scandir(folder / prefix) as entries:
            for entry in entries:
                seen += 1
                if seen > MOST_SEEN:
                    raise ArtifactTooBig(
                        f"The glob “{pattern}” leads through more than {MOST_SEEN:,} files. "
                        "Narrow it in the flow."
                    )
                inside = f"{prefix}{entry.name}"
                inner = _step(places, entry.name, wanted)
                if entry.is_dir(follow_symlinks=False):
                    if inner and entry.name not in _NEVER:
                        waiting.append((f"{inside}/", inner))
                elif len(wanted) in inner and entry.is_file(follow_symlinks=False):
                    yield _Found(inside, entry.stat(follow_symlinks=False).st_size)


def _step(places: set[int], name: str, wanted: Sequence[str]) -> set[int]:
    """Where in the glob's parts a path may stand that goes on by this name."""
    after: set[int] = set()
    for place in places - {len(wanted)}:
        if wanted[place] == "**":
            after.add(place)
        elif fnmatchcase(name, wanted[place]):
            after.add(place + 1)
    return _pass_over(after, wanted)


def _pass_over(places: set[int], wanted: Sequence[str]) -> set[int]:
    """These places, and those that come of letting each `**` stand for nothing more."""
    for place, part in enumerate(wanted):
        if part == "**" and place in places:
            places.add(place + 1)
    return places


def _check_sizes(found: Sequence[_Found]) -> None:
    most = settings.ARTIFACT_MAX_BYTES
    if len(found) > MOST_FILES:
        raise ArtifactTooBig(
            f"The step's artifacts are {len(found):,} files, and {MOST_FILES} are kept; "
            f"“{found[MOST_FILES].path}” is the first too many. Narrow the globs, or pack the files into one."
        )
    for one in found:
        _check_size(one.path, one.size)
    total = sum(one.size for one in found)
    if total > MOST_IN_ALL * most:
        largest = max(found, key=lambda one: one.size)
        raise ArtifactTooBig(
            f"The step's artifacts have {total:,} bytes together, and {MOST_IN_ALL * most:,} are kept; "
            f"the largest is “{largest.path}”. Narrow the globs, or raise ARTIFACT_MAX_MB."
        )


def _check_size(path: str, size: int) -> None:
    most = settings.ARTIFACT_MAX_BYTES
    if size > most:
        raise ArtifactTooBig(
            f"The artifact “{path}” has {size:,} bytes, and one may have {most:,}. Make it smaller, leave it "
            "out of the step's globs, or raise ARTIFACT_MAX_MB."
        )


def _names(found: Sequence[_Found], redactor: Redactor) -> Iterator[str]:
    """What each file is called where it is kept: its path, redacted; none is called like another."""
    taken: set[str] = set()
    for one in found:
        path = os.fsencode(one.path).decode("utf-8", "replace")
        name = candidate = redactor.redact_text(path).text[-280:]
        number = 1
        while candidate in taken:
            number += 1
            candidate = f"{name} ({number})"
        taken.add(candidate)
        yield candidate


def _read(folder: Path, path: str) -> bytes | None:
    """The file's bytes, None if it is gone. It may have grown since it was looked at."""
    try:
        number = os.open(folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(number, "rb") as file:
        data = file.read(settings.ARTIFACT_MAX_BYTES + 1)
    _check_size(path, len(data))
    return data


def _make(name: str, data: bytes, redactor: Redactor) -> Artifact:
    media_type = (mimetypes.guess_type(name)[0] or "")[:100]
    text = _as_text(data)
    if text is None:
        return Artifact(name=name, content_type=media_type or _BINARY, size_bytes=len(data), is_scanned=False)
    parts = list(redact_stream(redactor, [text]))
    clean = "".join(part.text for part in parts)
    return Artifact(
        name=name,
        content_type=media_type or "text/plain",
        size_bytes=len(clean.encode()),
        text=clean,
        is_scanned=not any(found.is_alert for part in parts for found in part.findings),
    )


def _as_text(data: bytes) -> str | None:
    try:
        return None if b"\0" in data else data.decode()
    except UnicodeDecodeError:
        return None


def _save(artifact: Artifact, data: bytes, *, fence: int | None, now: datetime) -> None:
    """Store the row, and the file of what is no text; where the row cannot be stored the file goes, too."""
    if not artifact.is_scanned and not artifact.text:
        artifact.file.save(f"{artifact.pk}.bin", ContentFile(data), save=False)
    try:
        with transaction.atomic():
            run = lock_session(FlowRun, tenant_id=artifact.tenant_id, session_id=artifact.run_id)
            check_fence(run, fence)
            artifact.created_at = now
            artifact.save(force_insert=True)
    except BaseException:
        if artifact.file:
            artifact.file.delete(save=False)
        raise


@transaction.atomic
def _tell(artifacts: Sequence[Artifact], *, step_run_id: uuid.UUID, fence: int | None, now: datetime) -> None:
    """Say in the run's transcript what was kept."""
    first = artifacts[0]
    run = lock_session(FlowRun, tenant_id=first.tenant_id, session_id=first.run_id)
    check_fence(run, fence)
    step = StepRun.objects.for_tenant(run.tenant_id).get(run=run, pk=step_run_id)
    names = ", ".join(artifact.name for artifact in artifacts[:10])
    more = f" and {len(artifacts) - 10} more" if len(artifacts) > 10 else ""
    write_line(
        run,
        kind=EntryKind.STATUS,
        native_id=f"step:{step.position}:{step.attempt}:artifacts",
        text=f"Kept {names}{more}",
        now=now,
        data=step_data(step, "artifacts_kept", count=len(artifacts)),
        attempt=step.attempt,
    )
