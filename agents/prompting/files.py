"""Files of a working folder for a model: opened so that nothing outside of the folder can be reached.

A path is walked from the folder down, one open descriptor after the other, and no link is followed, so that
it does not matter what changes meanwhile. What goes wrong is a `ToolError`, in words for the model.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

__all__ = ["MAX_FILE_BYTES", "Seen", "ToolError", "read_bytes", "split", "walk", "write_text"]

#: What is larger is not read whole, searched or written.
MAX_FILE_BYTES = 1 << 20
MAX_SEEN = 50_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: O_NONBLOCK: opening a named pipe does not wait for who writes to it.
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class ToolError(Exception):
    """What a tool could not do, in words for the model."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Something in the folder: its path relative to it, and its size; None for a folder or a link."""

    path: str
    size: int | None
    sign: str = ""


def split(path: str) -> tuple[str, ...]:
    """The parts of a relative path. Raises `ToolError` for one that leaves the folder."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise ToolError(f"{path!r} is not inside of the folder: give a path relative to it, without ..")
    return parts


def read_bytes(folder: Path, path: str, limit: int = MAX_FILE_BYTES) -> tuple[bytes, int]:
    """The first `limit` bytes of a file, and its size."""
    with _opened(folder, path, os.O_RDONLY) as descriptor:
        size = os.fstat(descriptor).st_size
        blocks = []
        while limit > 0 and (block := os.read(descriptor, limit)):
            blocks.append(block)
            limit -= len(block)
    return b"".join(blocks), size


def write_text(folder: Path, path: str, text: str) -> tuple[bytes | None, int]:
    """Make this the file's text, and its folders where there are none.

    Returns its content before, None if there was no file, as far as `MAX_FILE_BYTES`; and its size before.
    """
    data = text.encode("utf-8", "replace")
    if len(data) > MAX_FILE_BYTES:
        raise ToolError(f"that is {len(data)} bytes; a file may have {MAX_FILE_BYTES}")
    parts = split(path)
    if ".git" in [part.lower() for part in parts]:
        raise ToolError("what git keeps about the folder is not for writing")
    before: bytes | None = None
    size = 0
    try:
        before, size = read_bytes(folder, path)
    except ToolError:
        if os.path.lexists(folder.joinpath(*parts)):
            raise
    with _opened(folder, path, os.O_WRONLY | os.O_CREAT, makes_folders=True) as descriptor:
        os.ftruncate(descriptor, 0)
        while data:
            data = data[os.write(descriptor, data) :]
    return before, size


@contextmanager
def _opened(folder: Path, path: str, flags: int, *, makes_folders: bool = False) -> Iterator[int]:
    """A regular file of the folder, open."""
    parts = split(path)
    if not parts:
        raise ToolError("that is the folder itself, no file")
    with _explained(path):
        parent = _open_folder(folder, parts[:-1], makes_folders=makes_folders)
        try:
            descriptor = os.open(parts[-1], flags | _FILE, 0o666, dir_fd=parent)
        finally:
            os.close(parent)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ToolError(f"{path} is no regular file")
            yield descriptor
        finally:
            os.close(descriptor)


def _open_folder(folder: Path, parts: tuple[str, ...], *, makes_folders: bool = False) -> int:
    descriptor = os.open(folder, _DIRECTORY & ~os.O_NOFOLLOW)
    for part in parts:
        try:
            if makes_folders:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
            inner = os.open(part, _DIRECTORY, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # A link in the middle of a path is "no directory" to the system, one at its end "too many links".
        if error.errno == errno.ELOOP:
            raise ToolError(f"{path} is a symbolic link, and those are not followed") from error
        if error.errno == errno.ENOTDIR:
            raise ToolError(f"{path} leads through something that is no folder, or a link to one") from error
        raise ToolError(f"{path}: {(error.strerror or 'it cannot be used').lower()}") from error


def walk(folder: Path, path: str = ".", glob: str = "*") -> Iterator[Seen]:
    """Everything below a path whose name or path matches, by name, without what git keeps; links are named.

    Raises `ToolError` for a path that is no folder, and when there is more than anybody can look through.
    """
    parts = split(path)
    with _explained(path):
        top = _open_folder(folder, parts)
    seen = 0
    try:
        for at, folders, names, descriptor in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            folders[:] = sorted(name for name in folders if name != ".git")
            base = PurePosixPath(*parts, at)
            for name in sorted([*folders, *names]):
                seen += 1
                if seen > MAX_SEEN:
                    raise ToolError(f"there are more than {MAX_SEEN} files: look into one of the folders")
                one = str(base / name)
                if fnmatchcase(name, glob) or fnmatchcase(one, glob):
                    yield _look_at(one, name, descriptor)
    finally:
        os.close(top)


def _look_at(path: str, name: str, descriptor: int) -> Seen:
    try:
        found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except OSError:
        return Seen(path, None, " (gone)")
    if stat.S_ISDIR(found.st_mode):
        return Seen(path, None, "/")
    if stat.S_ISREG(found.st_mode):
        return Seen(path, found.st_size)
    return Seen(path, None, "@" if stat.S_ISLNK(found.st_mode) else " (no file)")
