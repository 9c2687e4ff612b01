"""Commands of a shell, in a folder and a group of processes of their own: see `docs/runtimes.md`."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import batched, islice
from pathlib import Path
from typing import ClassVar

from django.utils import timezone

from agents.commands import Command
from agents.file_changes import MAX_FILES, MOST_EDITS, FolderWatch, TooManyFilesError, make_edit
from agents.folders import git_places, side_folder
from agents.output import Output
from agents.results import clear_result, read_result
from agents.runtimes.protocol import Outcome, Performance, Runtime, Stop, StopReason, Work
from agents.sandbox import Sandbox, choose_sandbox, find_missing_sandbox
from audit.entries import JSON, EntryKind, NewEntry, RunFacts
from audit.imports import Delivery
from audit.redaction import Piece

__all__ = ["RUNTIME", "ShellRuntime"]

#: What a command may print where its profile has no limit.
DEFAULT_OUTPUT_BYTES = 16 << 20
_CHUNK_SECONDS = 0.3
_CHUNK = 32 << 10
_TICK_SECONDS = 0.25
#: A command that ends within this time is told in one piece.
_FIRST_SECONDS = 0.05
#: Folders beside the working folder that a command may write to.
_SIDE = ("home", "tmp", "results")
_EDITS_AT_ONCE = 25
_NO_NAME = re.compile(r"[^A-Z0-9_]")


class ShellRuntime:
    """Runs the body with bash (sh where there is none), which ends at the first command that fails."""

    key: ClassVar[str] = "shell"

    def find_missing(self, work: Work) -> str:
        """Nothing but the sandbox, if the profile names one."""
        return find_missing_sandbox(work.sandbox)

    def perform(self, work: Work, stop: Stop) -> Performance:
        """Deliver the call and the output as they come, then how it ended; a short command in one piece.

        Ends with the command's error, or with what it wrote to `$RESULT_FILE`, or with its exit code and the
        end of its output. After a stop that somebody else has written down nothing more is delivered.
        """
        run = _Run(work, stop, choose_sandbox(work.sandbox))
        run.begin()
        try:
            command = run.start()
        except (OSError, ValueError) as error:
            return Outcome(error=_cannot_start(error), last=run.hand_over())
        with command:
            yield from run.deliver_output(command)
            run.end(command)
        if stop.reason in (StopReason.CANCELLED, StopReason.LEASE_LOST):
            return Outcome(error=f"The command was stopped: {stop.reason}.")
        yield from run.deliver_edits()
        outcome = run.outcome(command.exit_code)
        run.tell_end(command.exit_code, outcome)
        return replace(outcome, last=run.hand_over())


RUNTIME: Runtime = ShellRuntime()


@dataclass(slots=True)
class _Run:
    """One command on its way: what it printed, which limit it met, and the entries made of it."""

    work: Work
    stop: Stop
    sandbox: Sandbox
    output: Output = field(init=False)
    watch: FolderWatch = field(init=False)
    is_watched: bool = True
    printed: int = 0
    chunks: int = 0
    limit: str = ""
    began: float = field(default_factory=time.monotonic)
    waiting: list[NewEntry] = field(default_factory=list)
    facts: RunFacts | None = None

    def __post_init__(self) -> None:
        self.output = Output(self.work.redactor)
        self.watch = FolderWatch(self.work.folder, self.side / "seen")

    @property
    def side(self) -> Path:
        return side_folder(self.work.folder)

    @property
    def result_file(self) -> Path:
        return self.side / "results" / f"{re.sub(r'[^A-Za-z0-9]', '-', self.work.key)}.json"

    def begin(self) -> None:
        arguments: dict[str, JSON] = {"command": self.work.body}
        if self.work.arguments:
            arguments["parameters"] = [*sorted(map(parameter_name, self.work.arguments))]
        if self.work.environment:
            arguments["secrets"] = [*sorted(self.work.environment)]
        call = self._entry(EntryKind.TOOL_CALL, "call", arguments=arguments)
        self.waiting.append(call)
        self.facts = RunFacts(
            runtime=ShellRuntime.key,
            sandbox=self.sandbox.name,
            profile=self.work.profile,
            cwd=str(self.work.folder),
        )

    def hand_over(self) -> Delivery:
        """All that waits to be delivered."""
        entries, self.waiting = self.waiting, []
        facts, self.facts = self.facts, None
        return Delivery(entries=entries, facts=facts)

    def start(self) -> Command:
        for name in _SIDE:
            (self.side / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        clear_result(self.result_file)
        try:
            self.watch.begin()
        except TooManyFilesError:
            self.is_watched = False
        shell = shutil.which("bash", path="/bin:/usr/bin:/usr/local/bin")
        flags = ["-euo", "pipefail"] if shell else ["-eu"]
        argv = [shell or "/bin/sh", *flags, "-c", self.work.body]
        writable = [self.side / name for name in _SIDE]
        of_git, readable = git_places(self.work.folder) if self.sandbox.name != "none" else ([], [])
        writable += of_git
        return Command(
            self.sandbox.wrap(argv, folder=self.work.folder, writable=writable, readable=readable),
            folder=self.work.folder,
            environment=self._environment(),
            memory_bytes=self.work.limits.memory_bytes,
        )

    def deliver_output(self, command: Command) -> Iterator[Delivery]:
        """What comes until the command has ended: the first soon, then in pieces of some size."""
        last_piece = time.monotonic() - _CHUNK_SECONDS + _FIRST_SECONDS
        last_data = 0.0
        waiting = 0
        while not command.has_ended():
            data = command.read(_FIRST_SECONDS if self.waiting else _TICK_SECONDS)
            now = time.monotonic()
            if data:
                last_data = now
                waiting += len(data)
                self._take_in(data)
            self._watch(command)
            is_due = now - last_piece >= _CHUNK_SECONDS or waiting >= _CHUNK
            is_quiet = now - last_data >= _CHUNK_SECONDS
            if is_due and (piece := self.output.take(is_quiet=is_quiet)) is not None:
                last_piece, waiting = now, 0
                self.tell(piece)
            if is_due and self.waiting:
                yield self.hand_over()

    def end(self, command: Command) -> None:
        """The rest of the output of a command that has ended, and of what it left behind."""
        self._take_in(command.drain())
        command.close()
        is_written_down = self.stop.reason in (StopReason.CANCELLED, StopReason.LEASE_LOST)
        piece = None if is_written_down else self.output.finish()
        if piece is not None:
            self.tell(piece)

    def tell(self, piece: Piece) -> None:
        self.chunks += 1
        part = f"out:{self.chunks}"
        self.waiting.append(self._entry(EntryKind.TOOL_RESULT, part, text=piece.text, is_partial=True))

    def deliver_edits(self) -> Iterator[Delivery]:
        """What waits, then what it changed in its folder, a few files at once; of too many, how many more."""
        problem, more = "", 0
        try:
            changes = self.watch.changes() if self.is_watched else iter(())
            number = 0
            for some in batched(islice(changes, MOST_EDITS), _EDITS_AT_ONCE):
                names = (f"{self.work.key}:edit:{number + at}" for at in range(1, len(some) + 1))
                self.waiting.extend(map(make_edit, some, names))
                number += len(some)
                yield self.hand_over()
            more = sum(1 for _ in changes)
        except TooManyFilesError:
            self.is_watched = False
        except OSError as error:
            problem = f"What it changed is not known: {error}."
        if more:
            problem = f"It changed {more:,} more files, which are not shown."
        elif not self.is_watched:
            problem = f"What it changed is not shown: its folder has more than {MAX_FILES:,} files."
        if problem:
            self.waiting.append(self._entry(EntryKind.SYSTEM, "edits", text=problem))
            yield self.hand_over()

    def outcome(self, exit_code: int) -> Outcome:
        """How it ended, from its exit code, the limits and what it wrote."""
        if self.stop.reason is not None:
            return Outcome(error=f"The command was stopped: {self.stop.reason}.")
        if self.limit:
            return Outcome(error=self.limit)
        if exit_code:
            return Outcome(error=self._explain(exit_code))
        try:
            result = read_result(self.result_file)
        except ValueError as error:
            return Outcome(error=f"The command ended well, but {error}")
        return Outcome(result={"exit_code": 0, "output": self.output.tail} if result is None else result[0])

    def tell_end(self, exit_code: int, outcome: Outcome) -> None:
        data: dict[str, JSON] = {
            "event": "command_ended",
            "exit_code": exit_code,
            "sandbox": self.sandbox.name,
            "printed_bytes": self.printed,
        }
        seconds = time.monotonic() - self.began
        ended = self._entry(
            EntryKind.TOOL_RESULT,
            "end",
            text=outcome.error,
            is_error=not outcome.is_ok,
            duration_ms=round(seconds * 1000),
            data=data,
        )
        self.waiting.append(ended)

    def _take_in(self, data: bytes) -> None:
        """Keep what it printed, up to the limit."""
        most = self.work.limits.output_bytes
        most = DEFAULT_OUTPUT_BYTES if most is None else most
        room = max(most - self.printed, 0)
        self.printed += len(data)
        self.output.feed(data[:room])
        if len(data) > room and not self.limit:
            self.limit = (
                f"The command printed more than {most >> 10:,} KB and was stopped; the rest is lost. "
                "Let it print less, or raise the output limit of its profile."
            )

    def _watch(self, command: Command) -> None:
        """Ask the command to end where somebody or a limit says so."""
        seconds = self.work.limits.seconds
        if seconds is not None and time.monotonic() - self.began > seconds and not self.limit:
            self.limit = (
                f"The command ran for more than {seconds:g} seconds and was stopped. Raise the limit "
                "of minutes of its profile or of its flow."
            )
        if self.limit or self.stop.is_set():
            command.stop()

    def _explain(self, exit_code: int) -> str:
        how = f"exit code {exit_code}" if exit_code > 0 else f"signal {-exit_code}"
        line = next((line.strip() for line in reversed(self.output.tail.splitlines()) if line.strip()), "")
        memory = self.work.limits.memory_bytes
        hint = (
            f"\nEach of its processes may use {memory >> 20:,} MB; if it ran out of that, raise the memory "
            "limit of its profile."
            if memory is not None
            else ""
        )
        return f"The command ended with {how}{f': {line[:300]}' if line else '.'}{hint}"

    def _environment(self) -> Mapping[str, str]:
        """All that a command sees of where it runs; nothing of our own environment but the PATH."""
        parameters = {parameter_name(name): _as_text(value) for name, value in self.work.arguments.items()}
        return {
            **parameters,
            **self.work.environment,
            "PATH": _path(),
            "HOME": str(self.side / "home"),
            "TMPDIR": str(self.side / "tmp"),
            "LANG": "C.UTF-8",
            "RESULT_FILE": str(self.result_file),
        }

    def _entry(
        self,
        kind: EntryKind,
        part: str,
        *,
        text: str = "",
        arguments: JSON = None,
        is_partial: bool = False,
        is_error: bool = False,
        duration_ms: int | None = None,
        data: dict[str, JSON] | None = None,
    ) -> NewEntry:
        return NewEntry(
            kind=kind,
            native_id=f"{self.work.key}:{part}",
            call_id=self.work.key,
            occurred_at=timezone.now(),
            tool_name=ShellRuntime.key,
            text=text,
            arguments=arguments,
            is_partial=is_partial,
            is_error=is_error,
            duration_ms=duration_ms,
            data=data or {},
        )


def parameter_name(name: str) -> str:
    """What a parameter is called in the environment of a command."""
    return f"PARAM_{_NO_NAME.sub('_', name.upper())}"


def _as_text(value: JSON) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _path() -> str:
    """Where commands are found: our own PATH without the programs of our own installation."""
    own = Path(sys.prefix)
    parts = (os.environ.get("PATH") or os.defpath).split(os.pathsep)
    others = [part for part in parts if part and not Path(part).is_relative_to(own)]
    return os.pathsep.join(others) or os.defpath


def _cannot_start(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):
        return "The command cannot be started: a value for it has a NUL character in it."
    if error.errno == 7:  # E2BIG
        return (
            "The command cannot be started: it or one of its values has more than 128 KB, or all of them "
            "together have too much. Hand large values over in a file."
        )
    return f"The command cannot be started: {error}."
