"""A command ends with whoever runs it: on a stop, when it is left, and when its worker is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.commands import GRACE_SECONDS
from agents.reaping import Reaper
from agents.runtimes import Stop, StopReason, get_runtime
from audit.entries import EntryKind
from tests.agents.work import make_work, watch, watch_until

SHELL = get_runtime("shell")
#: A command with a child, a grandchild, and a pipe; each writes its number down.
FAMILY = """
echo $$ >> pids
sleep 100 & echo $! >> pids
bash -c 'echo $$ >> pids; sleep 100 | cat' &
sh -c 'trap "" TERM HUP; echo $$ >> pids; while :; do sleep 1; done' &
while [ "$(wc -l < pids)" -lt 4 ]; do sleep 0.02; done
echo ready
wait
"""
#: A command whose children leave its group: in a session of their own, and by forking twice.
ESCAPE = """
setsid sh -c 'trap "" TERM; echo $$ >> pids; while :; do sleep 1; done' &
(setsid sh -c 'sleep 100 & echo $! >> pids' &)
while [ "$(cat pids 2>/dev/null | wc -l)" -lt 2 ]; do sleep 0.02; done
echo ready
wait
"""
#: A worker that performs it and is killed in the middle.
WORKER = """
import os, sys
from pathlib import Path
import django
django.setup()
from agents.runtimes import Stop, get_runtime
from audit.entries import EntryKind
from tests.agents.work import make_work
work = make_work(Path(sys.argv[1]), sys.argv[2], sandbox="none")
for delivery in get_runtime("shell").perform(work, Stop()):
    for entry in delivery.entries:
        print(entry.text, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


def is_there(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def family(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "pids").read_text().split()]


def expect(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Fails if it does not come true in time; the commands here would run for much longer."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)


@pytest.mark.parametrize("body", [FAMILY, ESCAPE], ids=["family", "escape"])
@pytest.mark.parametrize("reason", list(StopReason))
def test_a_stop_ends_the_command_and_all_its_children(folder, reason, body):
    stop = Stop()
    performance = SHELL.perform(make_work(folder, body, sandbox="none"), stop)
    watch_until(performance, "ready")
    assert all(map(is_there, family(folder)))
    threading.Timer(0.2, stop.set, [reason]).start()
    seen = watch(performance)
    assert seen.seconds < 20
    assert reason in seen.outcome.error
    expect(lambda: not any(map(is_there, family(folder))))
    kinds = [EntryKind.FILE_EDIT, EntryKind.TOOL_RESULT] if reason is StopReason.SHUTDOWN else []
    assert [entry.kind for entry in seen.entries] == kinds


def test_a_command_that_ends_at_once_when_asked_is_not_waited_for(folder):
    stop = Stop()
    performance = SHELL.perform(make_work(folder, "echo on; sleep 100", sandbox="none"), stop)
    next(performance)
    stop.set(StopReason.CANCELLED)
    assert watch(performance).seconds < GRACE_SECONDS


def test_leaving_a_performance_ends_the_command(folder):
    performance = SHELL.perform(make_work(folder, FAMILY, sandbox="none"), Stop())
    while not (folder / "pids").exists():
        next(performance)
    performance.close()
    expect(lambda: not any(map(is_there, family(folder))))


def test_what_a_command_leaves_behind_ends_with_it(folder):
    seen = watch(SHELL.perform(make_work(folder, "sleep 100 & echo $! > pids", sandbox="none"), Stop()))
    assert seen.outcome.is_ok
    assert seen.seconds < 50
    expect(lambda: not any(map(is_there, family(folder))))


def test_what_has_left_the_group_ends_with_the_command_and_nothing_else_does(folder, tmp_path):
    (other := tmp_path / "other").mkdir()
    at_work = SHELL.perform(make_work(other, FAMILY, sandbox="none"), Stop())
    watch_until(at_work, "ready")
    body = "setsid sleep 100 & echo $! > pids"
    assert watch(SHELL.perform(make_work(folder, body, sandbox="none"), Stop())).outcome.is_ok
    expect(lambda: not any(map(is_there, family(folder))))
    assert all(map(is_there, family(other)))
    at_work.close()


@pytest.mark.parametrize("body", [FAMILY, ESCAPE], ids=["family", "escape"])
def test_a_killed_worker_takes_its_command_with_it(folder, body):
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings_test", "PYTHONPATH": os.getcwd()}
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), body],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    while worker.stdout.readline() != "ready\n":
        assert worker.poll() is None
    pids = family(folder)
    assert all(map(is_there, pids))
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    expect(lambda: not any(map(is_there, pids)))
    worker.stdout.close()


def test_a_reaper_that_was_killed_is_started_anew():
    reaper = Reaper()
    os.fstat(reaper.open_pipe())
    assert reaper._process is not None
    first = reaper._process
    reaper.open_pipe()
    assert reaper._process is first
    first.kill()
    first.wait()
    reaper.open_pipe()
    assert reaper._process is not first
    second = reaper._process
    reaper.drop()
    assert second.wait(timeout=10) == 0


def test_a_group_that_has_ended_is_not_killed_by_the_reaper():
    """Its number may be another group's by then."""
    reaper = Reaper()
    pipe = reaper.open_pipe()
    with subprocess.Popen(["sleep", "100"], start_new_session=True) as process:
        os.write(pipe, f"+ {process.pid}\n+ 999999999\n".encode())
        reaper.forget(process.pid)
        watcher = reaper._process
        reaper.drop()
        assert watcher is not None
        watcher.wait(timeout=10)
        assert process.poll() is None
        process.kill()
