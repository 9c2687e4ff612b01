"""What leaves its command's session and hides its environment ends with the command; nothing else does."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agents import orphans
from agents.commands import Command
from agents.reaping import reaper
from agents.runtimes import Limits, Stop, StopReason, get_runtime
from tests.agents.test_ending_commands import expect, family, is_there
from tests.agents.work import make_work, perform, watch, watch_until

SHELL = get_runtime("shell")
#: Each without its command's mark: in a session of its own, by forking twice, with children, all closed.
HIDDEN = """
env -i setsid bash -c 'echo $$ >> pids; while :; do sleep 1; done' &
(env -i setsid bash -c '(trap "" TERM HUP; echo $BASHPID >> pids; sleep 100; sleep 100) & ' &)
(env -i setsid bash -c 'bash -c "echo \\$\\$ >> pids; sleep 100" & exec sleep 100' <&- >&- 2>&- &)
while [ "$(cat pids 2>/dev/null | wc -l)" -lt 3 ]; do sleep 0.02; done
echo ready
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.mark.parametrize(
    ("ending", "limits", "error"),
    [
        ("", Limits(), ""),
        ("exit 3", Limits(), "exit code 3"),
        ("kill -9 $$", Limits(), "signal 9"),
        ("sleep 100", Limits(seconds=3), "ran for more than"),
        ("yes", Limits(output_bytes=1000), "printed more than"),
    ],
)
def test_they_end_however_the_command_ends(folder, ending, limits, error):
    seen = perform(SHELL, make_work(folder, HIDDEN + ending, sandbox="none", limits=limits))
    assert error in seen.outcome.error
    assert len(family(folder)) == 3
    expect(lambda: not any(map(is_there, family(folder))))


@pytest.mark.parametrize("reason", [StopReason.CANCELLED, StopReason.SHUTDOWN])
def test_they_end_with_a_stop(folder, reason):
    stop = Stop()
    performance = SHELL.perform(make_work(folder, HIDDEN + "sleep 100", sandbox="none"), stop)
    watch_until(performance, "ready")
    assert all(map(is_there, family(folder)))
    stop.set(reason)
    watch(performance)
    expect(lambda: not any(map(is_there, family(folder))))


def test_nobody_is_left_for_this_process_to_wait_for(folder):
    before = set(orphans._children())
    perform(SHELL, make_work(folder, HIDDEN + "(sleep 0.01 &)\n", sandbox="none"))
    started = set(orphans._children()) - before
    states = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[0] for one in started]
    assert "Z" not in states
    assert len(states) <= 1  # the reaper


@contextmanager
def sleeping(**given: bool) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "100"], **given) as process:
        yield process
        process.kill()


def test_own_children_of_this_process_stay(folder):
    with sleeping(start_new_session=True) as older:
        performance = SHELL.perform(make_work(folder, HIDDEN, sandbox="none"), Stop())
        watch_until(performance, "ready")
        with sleeping() as younger:
            watch(performance)
            assert (older.poll(), younger.poll()) == (None, None)
    expect(lambda: not any(map(is_there, family(folder))))


def test_those_of_commands_side_by_side_end_with_the_last_one(folder, tmp_path):
    (other := tmp_path / "other").mkdir()
    performance = SHELL.perform(make_work(other, HIDDEN + "sleep 100", sandbox="none"), Stop())
    watch_until(performance, "ready")
    thread = threading.Thread(target=perform, args=(SHELL, make_work(folder, HIDDEN, sandbox="none")))
    thread.start()
    thread.join()
    assert all(map(is_there, family(other)))
    performance.close()
    expect(lambda: not any(map(is_there, [*family(other), *family(folder)])))


def is_alone_after(body: str, folder: Path) -> bool:
    """Whether a command that has ended is said to have left nothing behind."""
    command = Command(["/bin/bash", "-c", body], folder=folder, environment={"PATH": os.environ["PATH"]})
    with command:
        while not command.has_ended():
            command.read(1)
        command.drain()
        return orphans.orphanage.is_alone(command.group, reaper.processes())


@pytest.mark.parametrize(
    ("body", "is_alone"),
    [
        ("echo done | cat", True),
        ("sleep 100 > /dev/null 2>&1 &", False),
        ("setsid sleep 100 > /dev/null 2>&1 &", False),
        ("setsid bash -c 'setsid sleep 100 & exit' > /dev/null 2>&1; true", False),
    ],
    ids=["nothing", "in its group", "in a session", "by forking twice"],
)
def test_what_a_command_has_left_behind_is_seen(folder, body, is_alone):
    assert is_alone_after(body, folder) is is_alone


def test_where_children_cannot_be_seen_a_command_may_have_left_anything(folder, monkeypatch):
    monkeypatch.setattr(orphans, "_THREADS", str(folder / "nowhere"))
    assert is_alone_after("true", folder) is False
