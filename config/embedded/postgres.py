"""PostgreSQL 18 in the foreground over a folder of ours."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from config.embedded.binaries import find_postgres_dir
from config.embedded.identity import Identity, choose_identity, give_folder
from config.embedded.layout import (
    DATABASE_NAME,
    DATABASE_USER,
    POSTGRES_PORT,
    EmbeddedError,
    Layout,
    PartName,
)
from config.embedded.process import PLAIN_ENVIRONMENT, read_command_line, wait_until_gone
from config.parent_death import die_with_parent

MAJOR_VERSION = "18"
PATIENCE_WITH_LEFTOVER_SECONDS = 20.0

# Fit for one web process, a handful of workers and two test runners on a small machine.
SETTINGS = {
    "listen_addresses": "",
    "port": str(POSTGRES_PORT),
    "unix_socket_permissions": "0700",
    "cluster_name": "sessions",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
    # No replica hangs on the embedded server: less to write, fewer processes.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "max_worker_processes": "4",
    "io_workers": "1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}
# For data that nobody will miss.
THROWAWAY_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """The part that the supervisor runs. ``durable=False`` gives up safety against a loss of power.

    Without an ``identity`` the first one that works here is chosen when it is needed.
    """

    name: PartName = "postgres"
    death_signal = signal.SIGINT
    # fast shutdown, immediate shutdown, none at all
    stop_steps = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))

    def __init__(self, layout: Layout, *, durable: bool = True, identity: Identity | None = None) -> None:
        self.layout = layout
        self.durable = durable
        self.folder = layout.postgres_dir
        self.log = layout.logs_dir / "postgres.log"
        self._identity = identity
        self._binaries: Path | None = None

    @property
    def binaries(self) -> Path:
        if self._binaries is None:
            self._binaries = find_postgres_dir()
        return self._binaries

    @property
    def identity(self) -> Identity:
        if self._identity is None:
            self._identity = choose_identity([self.binaries / "postgres", self.layout.run_dir])
        return self._identity

    def prepare(self) -> None:
        """Make the folder startable. Raises EmbeddedError when only the operator can."""
        if not (self.folder / "PG_VERSION").exists():
            self.create_cluster()
        refuse_other_version(self.folder)
        give_folder(self.folder, self.identity)
        self.clear_leftover()

    def command(self) -> list[str]:
        settings = SETTINGS | ({} if self.durable else THROWAWAY_SETTINGS)
        settings["unix_socket_directories"] = f'"{self.layout.sockets_dir}"'
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self.binaries / "postgres"), "-D", str(self.folder), *options]

    def enter(self) -> None:
        self.identity.enter()

    def is_ready(self) -> bool:
        """The server itself writes its condition into its pid file, as its own control tool reads it."""
        lines = read_pid_file(self.folder)
        return len(lines) >= 8 and lines[7].strip() == "ready" and accepts(self.layout.postgres_socket)

    def create_cluster(self) -> None:
        """Build the cluster aside and move it into place: a start killed half way leaves no half cluster."""
        if self.folder.exists() and any(self.folder.iterdir()):
            raise EmbeddedError(f"{self.folder} is not empty but holds no PostgreSQL data: move it away")
        fresh = self.folder.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        give_folder(fresh, self.identity)
        # The builtin collation sorts the same on every C library; the C library's own character classes
        # are still what trigram search reads, hence UTF-8 there too.
        locale = ["--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        owner = [f"--username={DATABASE_USER}", "--auth=trust"]
        self.run_tool("initdb", "-D", fresh, *owner, "--encoding=UTF8", *locale, "--no-instructions")
        create = f"CREATE DATABASE {DATABASE_NAME}\n"
        self.run_tool("postgres", "--single", "-D", fresh, "postgres", stdin=create)
        if self.folder.exists():
            self.folder.rmdir()
        fresh.rename(self.folder)

    def run_tool(self, tool: str, *arguments: str | Path, stdin: str = "") -> None:
        supervisor = os.getpid()

        def prepare() -> None:
            self.enter()
            die_with_parent(supervisor, signal.SIGKILL)

        done = subprocess.run(
            [self.binaries / tool, *arguments],
            cwd=self.layout.data_dir,
            env=PLAIN_ENVIRONMENT,
            input=stdin,
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=prepare,
            check=False,
        )
        if done.returncode != 0:
            raise EmbeddedError(f"{tool} failed in {self.layout.data_dir}: {done.stdout.strip()[-800:]}")

    def clear_leftover(self) -> None:
        """A server of a killed supervisor is ending, or its pid file names a stranger: see to both.

        We hold the folder's owner lock, so no server but a leftover can be at work in it.
        """
        for number, patience_seconds in ((None, PATIENCE_WITH_LEFTOVER_SECONDS), *self.stop_steps):
            pid = self.leftover_pid()
            if pid is None:
                break
            if number is not None:
                os.kill(pid, number)
            wait_until_gone(pid, patience_seconds)
        if self.leftover_pid() is not None:
            raise EmbeddedError(
                f"a PostgreSQL that we did not start will not leave {self.folder}: see {self.log}"
            )
        self.disarm_pid_file()
        socket_lock = Path(f"{self.layout.postgres_socket}.lock")
        socket_lock.unlink(missing_ok=True)

    def disarm_pid_file(self) -> None:
        """The number of a dead server may be some other program's by now, and the new server would give way.

        The file itself stays: by it the new server finds out whether processes of the old one still live.
        It takes the number of its own parent for a leftover.
        """
        lines = read_pid_file(self.folder)
        if lines:
            path = self.folder / "postmaster.pid"
            path.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n", encoding="utf-8")

    def leftover_pid(self) -> int | None:
        """The live server that the pid file names, if it is one of this folder."""
        lines = read_pid_file(self.folder)
        if not lines or not lines[0].strip().isdigit():
            return None
        pid = int(lines[0])
        command_line = read_command_line(pid)
        if command_line is None:
            return None
        if command_line == "":
            # The system does not tell whose it is: ours if somebody answers.
            return pid if accepts(self.layout.postgres_socket) else None
        return pid if str(self.folder) in command_line else None


def refuse_other_version(folder: Path) -> None:
    found = (folder / "PG_VERSION").read_text(encoding="ascii").strip()
    if found != MAJOR_VERSION:
        raise EmbeddedError(
            f"{folder} was written by PostgreSQL {found}, this version of Sessions brings {MAJOR_VERSION}. "
            f"Dump the data with the version that wrote it (pg_dumpall), move the folder away, start once, "
            f"and load the dump; or set DATABASE_URL to a PostgreSQL {found} server."
        )


def read_pid_file(folder: Path) -> list[str]:
    try:
        return (folder / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def accepts(path: Path) -> bool:
    """Whether somebody listens on the socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True
