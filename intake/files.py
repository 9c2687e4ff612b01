"""Which files an import looks at, in which order, and what it could not look at."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from intake.readers.side_files import AgentFiles

__all__ = ["Found", "find_files", "folders_of_agents", "look_for_files"]


@dataclass(slots=True)
class Found:
    """The files to read, in their order, and the paths that could not be looked at, each with the reason."""

    files: list[Path] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)


def look_for_files(paths: Iterable[Path]) -> Found:
    """The files at and below these paths, each once: sessions before the sub-agents that they started.

    A session's file brings those of its sub-agents along. Links to folders are not followed. Only regular
    files are found and opened: a pipe or a device that is named is unreadable, one inside a folder is passed
    over. Raises FileNotFoundError naming a path that is not there. Each folder is listed once, and each
    file of a sub-agent is opened once.
    """
    walk = _Walk()
    found: dict[Path, None] = {}
    for path in paths:
        found |= dict.fromkeys(file.resolve() for file in walk.files_at(path))
    agents = AgentFiles()
    for file in list(found):
        if file.suffix == ".jsonl":
            found |= dict.fromkeys(agent.resolve() for agent in agents.of(file).values())
    files = sorted(found, key=lambda file: (file.name.startswith("agent-"), file))
    # A file that is read anyway is reported by whoever reads it.
    unreadable = {path: reason for path, reason in walk.unreadable + agents.unreadable if path not in found}
    return Found(files, sorted(unreadable.items()))


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files of `look_for_files` alone."""
    return look_for_files(paths).files


def folders_of_agents() -> list[Path]:
    """Where the agents of the person who runs this keep their sessions, there or not."""
    claude = os.environ.get("CLAUDE_CONFIG_DIR") or "~/.claude"
    codex = os.environ.get("CODEX_HOME") or "~/.codex"
    return [Path(claude).expanduser() / "projects", Path(codex).expanduser() / "sessions"]


class _Walk:
    """Walks folders and notes what it may not look at."""

    def __init__(self) -> None:
        self.unreadable: list[tuple[Path, str]] = []

    def files_at(self, path: Path) -> Iterator[Path]:
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            raise FileNotFoundError(str(path)) from None
        except OSError as error:
            self._note(error, path)
            return
        if stat.S_ISDIR(mode):
            yield from self._below(path)
        elif stat.S_ISREG(mode):
            yield path
        else:
            self.unreadable.append((path, "neither a file nor a folder"))

    def _below(self, top: Path) -> Iterator[Path]:
        for folder, folders, names in os.walk(top, onerror=lambda error: self._note(error, top)):
            folders.sort()
            yield from (path for name in sorted(names) if self._is_file(path := Path(folder, name)))

    def _is_file(self, path: Path) -> bool:
        try:
            return stat.S_ISREG(path.stat().st_mode)
        except FileNotFoundError:  # a link that leads nowhere, or gone since it was listed
            return False
        except OSError as error:
            self._note(error, path)
            return False

    def _note(self, error: OSError, path: Path) -> None:
        where = Path(error.filename) if isinstance(error.filename, str) else path
        self.unreadable.append((where, error.strerror or "it could not be read"))
