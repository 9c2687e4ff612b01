"""Where the embedded services keep what is theirs and where they answer; nothing here starts anything."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

PartName = Literal["postgres", "valkey"]
PART_NAMES: tuple[PartName, ...] = ("postgres", "valkey")

POSTGRES_PORT = 5432
DATABASE_NAME = "sessions"
DATABASE_USER = "postgres"

# sun_path holds 108 bytes with its closing zero. Commas and percent signs would be read as something
# else by libpq and by the URLs of Celery and Channels, so a folder with odd characters is avoided too.
LONGEST_SOCKET_PATH = 107
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")


class EmbeddedError(Exception):
    """An embedded service cannot be had; the message tells the operator why and what to do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """All paths of one data folder. Two processes that name the same folder get the same answers."""

    data_dir: Path

    @property
    def run_dir(self) -> Path:
        """Locks, state and (when the path is short enough) sockets; mode 0700."""
        return self.data_dir / "run"

    @property
    def logs_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def postgres_dir(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def valkey_dir(self) -> Path:
        return self.data_dir / "valkey"

    @property
    def owner_lock(self) -> Path:
        """Held exclusively by the one supervisor of this folder for as long as it lives."""
        return self.run_dir / "supervisor.lock"

    @property
    def state_file(self) -> Path:
        return self.run_dir / "state.json"

    def users_lock(self, part: PartName) -> Path:
        """Held shared by every process that needs this part."""
        return self.run_dir / f"{part}.users"

    @property
    def sockets_dir(self) -> Path:
        """``run_dir``, or a private folder with a short path when that one cannot carry a socket."""
        if fits_sockets(self.run_dir):
            return self.run_dir
        recorded = self.run_dir / "sockets"
        if recorded.is_file():
            return Path(recorded.read_text(encoding="utf-8"))
        name = f"sessions-{os.getuid()}-{hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]}"
        runtime_dir = os.environ.get("XDG_RUNTIME_DIR", "")
        if runtime_dir and os.access(runtime_dir, os.W_OK) and fits_sockets(Path(runtime_dir, name)):
            return Path(runtime_dir, name)
        return Path(tempfile.gettempdir(), name)

    @property
    def postgres_socket(self) -> Path:
        return self.sockets_dir / f".s.PGSQL.{POSTGRES_PORT}"

    @property
    def valkey_socket(self) -> Path:
        return self.sockets_dir / "valkey.sock"

    @property
    def database_url(self) -> str:
        folder = quote(str(self.sockets_dir), safe="/")
        return f"postgres://{DATABASE_USER}@/{DATABASE_NAME}?host={folder}"

    @property
    def redis_url(self) -> str:
        return f"unix://{quote(str(self.valkey_socket), safe='/')}?db=0"

    def make_folders(self) -> None:
        """Create what is missing. An existing data folder keeps its mode; what we add in it is private."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.run_dir, self.logs_dir):
            folder.mkdir(mode=0o700, exist_ok=True)
        sockets_dir = self.sockets_dir
        if sockets_dir == self.run_dir:
            return
        sockets_dir.mkdir(mode=0o700, exist_ok=True)
        # The temporary folder is shared with others: never answer inside a folder that one of them made.
        found = sockets_dir.lstat()
        if found.st_uid != os.getuid() or found.st_mode != stat.S_IFDIR | 0o700:
            raise EmbeddedError(f"{sockets_dir} is not our private folder: remove it, or shorten DATA_DIR")
        # Another process may have another XDG_RUNTIME_DIR and must still find the sockets.
        (self.run_dir / "sockets").write_text(str(sockets_dir), encoding="utf-8")

    def leave_sockets(self) -> None:
        """Remove the folder that was made outside the data folder, once nothing answers there."""
        if self.sockets_dir != self.run_dir:
            with contextlib.suppress(OSError):
                self.sockets_dir.rmdir()


def fits_sockets(folder: Path) -> bool:
    longest = folder / f".s.PGSQL.{POSTGRES_PORT}"
    return len(os.fsencode(longest)) <= LONGEST_SOCKET_PATH and bool(PLAIN_PATH.fullmatch(str(folder)))
