from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.urls import reverse

from audit.entries import EntryKind
from audit.models import TranscriptEntry
from flows.following import Following, show_entry, show_line
from flows.management.starting import start
from flows.management.tenants import find_tenant
from flows.models import FlowRun, RunStatus

#: What the command ends with, by how the run stands.
EXIT_CODES = {
    RunStatus.COMPLETED: 0,
    RunStatus.FAILED: 1,
    RunStatus.PAUSED: 3,
    RunStatus.BLOCKED: 4,
    RunStatus.INTERRUPTED: 5,
    RunStatus.REJECTED: 6,
    RunStatus.CANCELLED: 7,
}
LEFT = 130


@contextmanager
def left_by_ctrl_c(following: Following) -> Iterator[None]:
    """Let the first Ctrl-C end the following between two looks; the second one ends everything.

    An exception in the middle of a query would leave the connection unusable, and the run could not be handed
    back. Outside of the main thread Ctrl-C is somebody else's.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        following.leave()

    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Command(BaseCommand):
    help = (
        "Start a run of a flow and wait until it rests. A run that no worker takes up is worked on by this "
        "command. Exit code: 0 completed, 1 failed, 2 not started, 3 waits at a checkpoint, 4 blocked, "
        "5 interrupted, 6 rejected, 7 cancelled, 130 left by Ctrl-C."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the flow's name")
        parser.add_argument(
            *("-p", "--parameter"),
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="a parameter's value (repeatable)",
        )
        parser.add_argument("--workspace", metavar="SLUG", help="whose flow; may be left out if there is one")
        parser.add_argument("--owner", metavar="EMAIL", help="whose run it is; without it, its first admin's")
        parser.add_argument("--title", default="", help="what the run is called; without it, as its flow")
        parser.add_argument(
            "--follow",
            action="store_true",
            help="print what happens as it happens; in a terminal, wait at checkpoints for a decision",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json, self.follows = options["json"], options["follow"]
        tenant = find_tenant(options["workspace"])
        run = start(tenant, options)
        self.url = settings.PUBLIC_URL + reverse("flows:run-detail", args=[tenant.slug, run.pk])
        self._tell_of_start(run)
        waits = self.follows and sys.stdin.isatty()
        with Following(run, waits=waits, tell_away=self._tell_away) as following:
            with left_by_ctrl_c(following):
                for entry in following:
                    self._tell(entry, run)
            if following.is_left:
                self._tell_of_leaving(run, was_at_work_here=following.hand_back())
                raise SystemExit(LEFT)
        self._tell_of_end(run)
        if code := EXIT_CODES[RunStatus(run.status)]:
            raise SystemExit(code)

    def _tell_of_start(self, run: FlowRun) -> None:
        if self.as_json:
            self._print_json(event="started", run=str(run.pk), status=run.status, url=self.url)
        else:
            self._print(f"{run.title}: {self.url}")

    def _tell(self, entry: TranscriptEntry, run: FlowRun) -> None:
        if not self.follows:
            return
        if self.as_json:
            self._print_json(
                event="entry",
                seq=entry.seq,
                at=entry.occurred_at.isoformat() if entry.occurred_at else None,
                kind=entry.kind,
                attempt=entry.attempt,
                text=entry.text,
                tool=entry.tool_name,
                arguments=entry.arguments,
                path=entry.path,
                data=entry.data,
            )
            return
        for line in show_entry(entry):
            self._print(line)
        if entry.kind == EntryKind.CHECKPOINT:
            self._print(f"          Approve, skip or reject it: {self.url}")

    def _tell_away(self, why: str) -> None:
        self.stderr.write(f"The database is away ({why}): waiting for it.")
        self.stderr.flush()

    def _tell_of_end(self, run: FlowRun) -> None:
        if self.as_json:
            told = {"step": run.step_position, "steps": run.step_count, "error": run.error}
            self._print_json(event="ended", run=str(run.pk), status=run.status, url=self.url, **told)
            return
        where = f"step {run.step_position} of {run.step_count}"
        words = {
            RunStatus.PAUSED: f"waits for a decision before {where}: {run.checkpoint_message}",
            RunStatus.COMPLETED: "completed",
        }
        because = f": {run.error}" if run.error else ""
        self._print(words.get(RunStatus(run.status), f"{run.status} at {where}{because}"))
        if run.status not in {RunStatus.COMPLETED, RunStatus.REJECTED, RunStatus.CANCELLED}:
            self._print(f"Go on with it: {self.url}")

    def _tell_of_leaving(self, run: FlowRun, *, was_at_work_here: bool) -> None:
        if self.as_json:
            self._print_json(event="left", run=str(run.pk), status=run.status, url=self.url)
        elif was_at_work_here:
            self._print(f"Handed back: it goes on as soon as a worker runs (make run). {self.url}")
        else:
            self._print(f"The run goes on without you; cancel it there: {self.url}")

    def _print(self, line: str) -> None:
        self.stdout.write(show_line(line, self.stdout.encoding))
        self.stdout.flush()

    def _print_json(self, **told: Any) -> None:
        self._print(json.dumps(told))
