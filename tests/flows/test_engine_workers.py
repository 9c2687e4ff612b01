"""Real workers, real commands, real deaths."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from flows import services
from flows.engine import take_up
from flows.models import FlowRun, StepRun
from flows.waking import wake_lost_runs
from tests.config.processes import eventually, is_alive
from tests.factories.agents import ProfileFactory
from tests.flows.doings import Bench, lapse
from tests.flows.worlds import lines_of, picture_of, steps_of
from tests.intake.workers import forget_jobs, run_worker, start_worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

#: Prints ten numbered lines and leaves one in a ledger; the first time, it hangs before that.
STEP = """
for number in 1 2 3 4 5 6 7 8 9 10; do echo "$PARAM_NAME line $number."; done
if [ -n "$PARAM_HANGS" ] && [ ! -e "$PARAM_HANGS" ]; then echo $$ > "$PARAM_HANGS"; sleep 600; fi
echo "$PARAM_NAME" >> "$PARAM_LEDGER"
"""


@pytest.fixture(autouse=True)
def no_jobs_left() -> Iterator[None]:
    forget_jobs()
    yield
    forget_jobs()


@pytest.fixture
def work_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the worker's processes work."""
    monkeypatch.setenv("WORK_DIR", str(tmp_path / "work"))
    return tmp_path


def start_run(bench: Bench, folder: Path) -> FlowRun:
    """Three steps, of which the second hangs the first time that it is tried."""
    profile = ProfileFactory(tenant=bench.world.tenant, sandbox="none")
    plain = {"profile_id": profile.pk, "body": STEP}
    ledger = str(folder / "ledger")
    hangs = {"one": "", "two": str(folder / "hangs"), "three": ""}
    return bench.start(
        *(
            {**plain, "parameters": {"name": name, "ledger": ledger, "hangs": file}}
            for name, file in hangs.items()
        )
    )


def status_of(run: FlowRun) -> str:
    return str(FlowRun.objects.values_list("status", flat=True).get(pk=run.pk))


def lines_said(run: FlowRun, position: int, attempt: int) -> list[str]:
    """What an attempt printed, as the transcript has it, whatever pieces it came in."""
    prefix = f"step:{position}:{attempt}:out:"
    pieces = [line.text for line in lines_of(run) if line.native_id.startswith(prefix)]
    return "".join(pieces).split("\n")[:-1]


def ten_lines(name: str) -> list[str]:
    return [f"{name} line {number}." for number in range(1, 11)]


def test_another_worker_goes_on_after_the_last_finished_step_of_one_that_was_killed(bench, work_dir):
    run = start_run(bench, work_dir)
    hangs = work_dir / "hangs"
    with run_worker(work_dir / "worker.log", queues="runs") as worker:
        eventually(lambda: hangs.exists() and hangs.read_text(), seconds=60)
        eventually(lambda: lines_said(run, 2, 1) == ten_lines("two"))
        worker.kill()
    eventually(lambda: not is_alive(int(hangs.read_text())))
    assert steps_of(run) == [(1, 1, "completed"), (2, 1, "running"), (3, 1, "pending")]
    lapse(run)
    with run_worker(work_dir / "worker.log", queues="runs"):
        assert wake_lost_runs() == 1
        eventually(lambda: status_of(run) == "completed", seconds=60)
    assert steps_of(run) == [
        (1, 1, "completed"),
        (2, 1, "failed"),
        (2, 2, "completed"),
        (3, 1, "completed"),
    ]
    cut_off = StepRun.objects.get(run=run, position=2, attempt=1)
    assert (cut_off.was_cut_off, cut_off.error) == (
        True,
        "The worker of step 2 “s2” was lost in the middle of it.",
    )
    assert (work_dir / "ledger").read_text().split() == ["one", "two", "three"]
    lines = lines_of(run)
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
    assert len({line.native_id for line in lines}) == len(lines)
    said = {(position, attempt): lines_said(run, position, attempt) for position, attempt, _ in steps_of(run)}
    assert said == {
        (1, 1): ten_lines("one"),
        (2, 1): ten_lines("two"),
        (2, 2): ten_lines("two"),
        (3, 1): ten_lines("three"),
    }
    assert {line.attempt for line in lines if line.native_id.startswith("step:2:2:")} == {2}


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGQUIT], ids=["SIGTERM", "SIGQUIT"])
def test_a_worker_that_is_shut_down_hands_its_run_over_at_once(bench, work_dir, stop_signal):
    run = start_run(bench, work_dir)
    hangs = work_dir / "hangs"
    with run_worker(work_dir / "worker.log", queues="runs") as worker:
        eventually(lambda: hangs.exists() and hangs.read_text(), seconds=60)
        worker.process.send_signal(stop_signal)
        worker.process.wait(timeout=20)
    assert not is_alive(int(hangs.read_text()))
    run.refresh_from_db()
    assert (run.status, run.lease_holder) == ("running", "")
    assert steps_of(run)[1:3] == [(2, 1, "failed"), (2, 2, "pending")]
    with run_worker(work_dir / "worker.log", queues="runs"):
        eventually(lambda: status_of(run) == "completed", seconds=60)
    assert StepRun.objects.get(run=run, position=2, attempt=1).was_cut_off
    assert (work_dir / "ledger").read_text().split() == ["one", "two", "three"]


def test_nothing_of_a_worker_outlives_it(bench, work_dir):
    """Children that have just begun would wait for ever, and hold the pipe by which its death is noticed."""
    worker = start_worker(work_dir / "worker.log", queues="runs", at_once=4)
    tasks = Path(f"/proc/{worker.process.pid}/task")
    children = eventually(
        lambda: [int(pid) for path in tasks.glob("*/children") for pid in path.read_text().split()]
    )
    worker.process.kill()
    worker.process.wait(timeout=20)
    try:
        eventually(lambda: not any(map(is_alive, children)), seconds=10)
    finally:
        for child in filter(is_alive, children):
            os.kill(child, signal.SIGKILL)


def test_a_cancel_ends_a_long_command_with_its_children_within_seconds(bench, tmp_path):
    profile = ProfileFactory(tenant=bench.world.tenant, sandbox="none")
    body = 'sleep 600 & echo "$! $$" > "$PARAM_PIDS"; wait'
    pids = tmp_path / "pids"
    run = bench.start({"body": body, "profile_id": profile.pk, "parameters": {"pids": str(pids)}}, {})

    def work() -> None:
        take_up(run.pk)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    eventually(lambda: pids.exists() and pids.read_text().endswith("\n"))
    numbers = [int(number) for number in pids.read_text().split()]
    assert all(map(is_alive, numbers))
    began = time.monotonic()
    bench.world.call(services.cancel_run, run, now=None)
    cancelled = picture_of(run)
    eventually(lambda: not any(map(is_alive, numbers)), seconds=5)
    assert time.monotonic() - began < 5
    worker.join()
    assert picture_of(run) == cancelled
    assert lines_of(run)[-1].text.endswith("cancelled the run")
