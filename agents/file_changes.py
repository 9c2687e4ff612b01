"""What a piece of work changed in its folder: files before and after, told by a look at each of them.

Beside the folder lies what its texts were, so that nothing has to be read but what has changed. In a worktree
git has what was checked out.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.utils import timezone

from agents.folders import is_itself, run_worktree_git
from audit.entries import JSON, EntryKind, NewEntry

__all__ = ["MOST_EDITS", "FileChange", "FolderWatch", "TooManyFilesError", "make_edit"]

#: Larger texts, and all of them together beyond a total, are told without what stands in them.
MAX_TEXT_BYTES = 256 << 10
MAX_STORE_BYTES = 64 << 20
MAX_TOLD_BYTES = 16 << 20
MAX_FILES = 50_000
MOST_EDITS = 500
#: What tools keep for themselves.
IGNORED = frozenset(
    {".git", ".venv", "node_modules", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox"}
)

#: Time of change, size, inode, and whether it is a link.
type Look = tuple[int, int, int, bool]


class TooManyFilesError(Exception):
    """The folder has more files than are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One file that came, went, moved (from `moved_from`) or changed. A size is None where there was none.

    `before` and `after` are None where they are no text, too long, or not known; "" where there was no file.
    """

    path: str
    size_before: int | None
    size_after: int | None
    before: str | None
    after: str | None
    moved_from: str = ""
    is_link: bool = False

    @property
    def verb(self) -> str:
        if self.moved_from:
            return "moved"
        if self.size_before is None:
            return "created"
        return "deleted" if self.size_after is None else "changed"


class FolderWatch:
    """Looks at a folder before work (`begin`) and after it (`changes`). `store` is a folder beside it.

    Both looks cost a `stat` of each file; read is only what changed since the last look of any watch.
    """

    def __init__(self, folder: Path, store: Path) -> None:
        self._folder = folder
        self._store = _Store(store)
        self._before: dict[str, Look] = {}

    def begin(self) -> None:
        """Learn what is there. Raises TooManyFilesError."""
        self._before = look_at(self._folder)
        unknown = [path for path, look in self._before.items() if not self._store.knows(path, look)]
        self._store.forget(self._store.paths() - self._before.keys())
        if unknown:
            blobs = _checked_out(self._folder)
            for path in unknown:
                self._store.learn(path, self._before[path], self._folder, blobs.get(path, ""))
        self._store.save()

    def changes(self) -> Iterator[FileChange]:
        """What is different now, by path; what was told is known from then on. Raises TooManyFilesError."""
        after = look_at(self._folder)
        gone = {path: look for path, look in self._before.items() if path not in after}
        moved = {look: path for path, look in gone.items()}
        told = 0
        sources: dict[str, str] = {}
        for path in after.keys() - self._before.keys():
            if after[path] in moved:
                sources[path] = moved.pop(after[path])
        for path in sorted((gone.keys() - set(sources.values())) | after.keys()):
            if self._before.get(path) == after.get(path):
                continue
            has_room = told < MAX_TOLD_BYTES
            change = self._compare(path, after.get(path), sources.get(path, ""), is_told=has_room)
            if change is not None:
                told += len(change.before or "") + len(change.after or "")
                yield change
        self._store.forget(set(gone))
        self._store.save()

    def _compare(self, path: str, after: Look | None, moved_from: str, *, is_told: bool) -> FileChange | None:
        before = self._before.get(moved_from or path)
        text_before = "" if before is None else self._store.read(moved_from or path, self._folder)
        text_after = "" if after is None else _read_text(self._folder / path)
        if after is not None:
            self._store.keep(path, after, text_after)
        is_same = before is not None and after is not None and text_before == text_after is not None
        if is_same and not moved_from:
            return None
        return FileChange(
            path=path,
            size_before=None if before is None else before[1],
            size_after=None if after is None else after[1],
            before=text_before if is_told else None,
            after=text_after if is_told else None,
            moved_from=moved_from,
            is_link=(after or before or (0, 0, 0, False))[3],
        )


def look_at(folder: Path) -> dict[str, Look]:
    """Each file of a folder, by its path in it. Links are looked at, never followed, the folder too."""
    found: dict[str, Look] = {}
    waiting = [("", str(folder))] if is_itself(folder) else []
    while waiting:
        prefix, place = waiting.pop()
        with suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                if entry.name in IGNORED:
                    continue
                path = f"{prefix}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((f"{path}/", entry.path))
                elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
                    seen = entry.stat(follow_symlinks=False)
                    found[path] = (seen.st_mtime_ns, seen.st_size, seen.st_ino, entry.is_symlink())
                    if len(found) > MAX_FILES:
                        raise TooManyFilesError
    return found


def make_edit(change: FileChange, native_id: str) -> NewEntry:
    """The transcript's entry of a change."""
    is_partial = change.before is None or change.after is None
    data: dict[str, JSON] = {"change": change.verb}
    data |= {
        name: size
        for name, size in (("size_before", change.size_before), ("size_after", change.size_after))
        if size is not None
    }
    return NewEntry(
        kind=EntryKind.FILE_EDIT,
        native_id=native_id,
        occurred_at=timezone.now(),
        path=change.path,
        before=change.before,
        after=change.after,
        is_partial=is_partial,
        text=_note(change, is_partial=is_partial),
        data=data,
    )


def _note(change: FileChange, *, is_partial: bool) -> str:
    parts = [f"moved from {change.moved_from}"] if change.moved_from else []
    if change.verb in ("created", "deleted"):
        parts.append(change.verb)
    if change.is_link:
        parts.append("a link")
    elif is_partial:
        sizes = [f"{size:,}" for size in (change.size_before, change.size_after) if size is not None]
        parts.append(f"{' → '.join(sizes)} bytes, not shown")
    return ", ".join(parts)


class _Store:
    """What the files of a folder looked like and held when they were last seen."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index = _read_index(folder / "index.json")
        self._size = sum(look[1] for look, kept in self._index.values() if kept == "copy")
        self._is_changed = False

    def paths(self) -> set[str]:
        return set(self._index)

    def knows(self, path: str, look: Look) -> bool:
        return path in self._index and self._index[path][0] == look

    def learn(self, path: str, look: Look, folder: Path, blob: str) -> None:
        """Take in a file as it is; git has its text if `blob` names it there."""
        if blob:
            self._set(path, look, blob)
        else:
            self.keep(path, look, None if look[3] else _read_text(folder / path))

    def keep(self, path: str, look: Look, text: str | None) -> None:
        """Take in a file with its text, None if that is not to be had."""
        self._set(path, look, "")
        if text is not None and self._size + look[1] <= MAX_STORE_BYTES:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _copy_of(self._folder, path).write_bytes(text.encode())
            self._set(path, look, "copy")

    def read(self, path: str, folder: Path) -> str | None:
        """The text that the file held when it was last seen; None if nobody kept it."""
        look, kept = self._index.get(path, ((0, 0, 0, False), ""))
        if kept == "copy":
            with suppress(OSError):
                return _copy_of(self._folder, path).read_bytes().decode()
        elif kept and look[1] <= MAX_TEXT_BYTES:
            done = run_worktree_git(folder, "cat-file", "blob", kept)
            if done is not None and done.returncode == 0 and len(done.stdout) == look[1]:
                return _decode(done.stdout)
        return None

    def forget(self, paths: set[str]) -> None:
        for path in paths & self._index.keys():
            self._drop(path)

    def save(self) -> None:
        if self._is_changed:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = self._folder / "index.new"
            new.write_text(json.dumps(self._index), encoding="utf-8")
            os.replace(new, self._folder / "index.json")
            self._is_changed = False

    def _set(self, path: str, look: Look, kept: str) -> None:
        self._drop(path)
        self._index[path] = (look, kept)
        self._size += look[1] if kept == "copy" else 0

    def _drop(self, path: str) -> None:
        self._is_changed = True
        look, kept = self._index.pop(path, ((0, 0, 0, False), ""))
        if kept == "copy":
            self._size -= look[1]
            _copy_of(self._folder, path).unlink(missing_ok=True)


def _copy_of(store: Path, path: str) -> Path:
    return store / hashlib.sha256(os.fsencode(path)).hexdigest()[:32]


def _read_index(path: Path) -> dict[str, tuple[Look, str]]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {name: (tuple(look), kept) for name, (look, kept) in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _checked_out(folder: Path) -> Mapping[str, str]:
    """The blob of each file of a worktree that is as git checked it out."""
    listed = run_worktree_git(folder, "ls-files", "--stage", "-z")
    # What is a repository of its own inside is not looked into: git would go by the settings that are there.
    changed = run_worktree_git(folder, "diff-files", "--name-only", "--ignore-submodules=all", "-z")
    if listed is None or changed is None or listed.returncode or changed.returncode:
        return {}
    dirty = set(changed.stdout.split(b"\0"))
    found: dict[str, str] = {}
    for line in listed.stdout.split(b"\0"):
        about, _, path = line.partition(b"\t")
        if path and path not in dirty and about.startswith(b"100"):
            found[os.fsdecode(path)] = about.split()[1].decode()
    return found


def _read_text(path: Path) -> str | None:
    """The file's text; None if it is none, too long, or no file."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(number, "rb") as file:
        seen = os.fstat(number)
        if not stat.S_ISREG(seen.st_mode) or seen.st_size > MAX_TEXT_BYTES:
            return None
        return _decode(file.read(MAX_TEXT_BYTES + 1))


def _decode(data: bytes) -> str | None:
    if b"\0" in data or len(data) > MAX_TEXT_BYTES:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
