"""Which files an import looks at, and in which order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from intake.readers.side_files import agent_files

__all__ = ["find_files"]


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files at and below these paths, each once: sessions before the sub-agents that they started.

    A session's file brings those of its sub-agents along. Links to folders are not followed. Raises
    FileNotFoundError naming a path that is not there.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(str(path))
        for file in _walk(path):
            found[file.resolve()] = None
    for file in list(found):
        if file.suffix == ".jsonl":
            found |= dict.fromkeys(agent.resolve() for agent in agent_files(file).values())
    return sorted(found, key=lambda file: (file.name.startswith("agent-"), file))


def _walk(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(names) if Path(folder, name).is_file())
