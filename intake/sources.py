"""Where the bytes of a session's file come from: the disk, or anything that can be read again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import BinaryIO

from intake.readers.side_files import AgentMeta

__all__ = ["Source", "source_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Bytes that may be a session's file.

    `name` is what reports call it; its stem names a session whose records do not. `written_at` is the time of
    a session whose records have none: the same each time, or reading again would move the row. `open` gives a
    seekable stream that stands at the beginning, which its reader closes; it is called more than once. `path`
    is where to look for the files of sub-agents, None where there is no such place; then `meta` is what the
    small file beside a sub-agent's own says.
    """

    name: str
    written_at: datetime
    open: Callable[[], BinaryIO]
    path: Path | None = None
    meta: AgentMeta | None = None

    @property
    def stem(self) -> str:
        return PurePath(self.name).stem


def source_of(path: Path) -> Source:
    """A file on disk. Raises OSError if it is not there or may not be looked at."""
    written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Source(name=str(path), written_at=written_at, open=lambda: path.open("rb"), path=path)
