"""Valkey in the foreground: a socket, an append-only file, nothing on the network."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from config.embedded.binaries import find_valkey_server
from config.embedded.identity import Identity, as_oneself
from config.embedded.layout import EmbeddedError, Layout, PartName
from config.embedded.process import read_command_line, wait_until_gone

DATABASES = 64


class Valkey:
    """The part that the supervisor runs. ``durable=False`` leaves the append-only file away."""

    name: PartName = "valkey"
    death_signal = signal.SIGTERM
    stop_steps = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))

    def __init__(self, layout: Layout, *, durable: bool = True) -> None:
        self.layout = layout
        self.durable = durable
        self.folder = layout.valkey_dir
        self.log = layout.logs_dir / "valkey.log"
        self.socket = layout.valkey_socket
        self.identity: Identity = as_oneself()

    def prepare(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.clear_leftover()

    def command(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes" if self.durable else "no",
            "save": "",
            "daemonize": "no",
            "databases": str(DATABASES),
        }
        return [
            str(find_valkey_server()),
            *(word for name, value in settings.items() for word in (f"--{name}", value)),
        ]

    def enter(self) -> None:
        self.identity.enter()

    def is_ready(self) -> bool:
        return ask(self.socket, "PING") == "+PONG"

    def clear_leftover(self) -> None:
        """End the server of a killed supervisor, after making sure that it is one of this folder.

        Its append-only file holds all it knew, so ending it loses nothing.
        """
        answer = ask(self.socket, "INFO", "server")
        if answer is None:
            self.socket.unlink(missing_ok=True)
            return
        pid = read_pid(answer)
        if not answers_for(self.socket, self.folder) or pid is None:
            raise EmbeddedError(
                f"a server that is not ours answers on {self.socket}: stop it, or choose another DATA_DIR"
            )
        for number, patience_seconds in self.stop_steps:
            if read_command_line(pid) is not None:
                os.kill(pid, number)
                wait_until_gone(pid, patience_seconds)


def ask(path: Path, *words: str) -> str | None:
    """One command, one answer of up to 64 KB, in the server's own words; None when nobody answers."""
    request = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(path))
            client.sendall(request.encode())
            return client.recv(65_536).decode(errors="replace").strip()
        except OSError:
            return None


def read_pid(info: str) -> int | None:
    for line in info.splitlines():
        key, _, value = line.partition(":")
        if key == "process_id" and value.isdigit():
            return int(value)
    return None


def answers_for(path: Path, folder: Path) -> bool:
    """Whether the server keeps its data in that folder."""
    answer = ask(path, "CONFIG", "GET", "dir")
    return answer is not None and str(folder) in answer.splitlines()
