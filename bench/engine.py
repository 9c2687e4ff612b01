"""What the engine costs: a flow of ten trivial shell steps, from the start to its last word.

    python bench/engine.py [--runs 5] [--steps 10] [--peer] [--json]

A real worker, a real broker and a database of its own. `run_s` is the median time from asking for a run to
its being completed, once the worker is warm; `first_entry_ms` the time until the first line of the first step
is stored; `step_overhead_ms` what a step costs over the bare command, run by this process. `--peer` runs the
same steps in Prefect 3, called in one process and warm as well, installed in a scratch environment that is
kept for the next time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

COMMAND = "true"
#: The goal: at least so many times as fast as the peer.
GOAL = 2.0
PATIENCE_SECONDS = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs that are measured, after two that warm up")
    parser.add_argument("--steps", type=int, default=10, help="steps of a run")
    parser.add_argument("--peer", action="store_true", help="run the same steps in Prefect 3, too")
    parser.add_argument("--json", action="store_true", help="one document instead of lines")
    options = parser.parse_args()
    from config.services import embedded_services

    with ExitStack() as held:
        services = embedded_services()
        if services is not None:
            services.open()
            held.callback(services.close)
        os.environ["WORK_DIR"] = held.enter_context(tempfile.TemporaryDirectory(prefix="bench-engine-"))
        import django

        django.setup()
        report = measure(options)
    if options.peer:
        report["peer_run_s"] = round(measure_peer(options), 4)
        report["times_as_fast"] = round(report["peer_run_s"] / report["run_s"], 2)
    if options.json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name:18} {value:>10}")
    if options.peer:
        print(f"goal: {GOAL} times as fast: {'met' if report['times_as_fast'] >= GOAL else 'MISSED'}")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    from bench.ground import empty_database

    with empty_database("engine"):
        start = _make_flow(options.steps)
        with _worker():
            for _ in range(2):
                _run(start)
            runs = [_run(start) for _ in range(options.runs)]
    run_s = statistics.median(seconds for seconds, _ in runs)
    bare_s = _bare_seconds(options.steps)
    return {
        "runs": options.runs,
        "steps": options.steps,
        "run_s": round(run_s, 4),
        "steps_per_s": round(options.steps / run_s, 1),
        "first_entry_ms": round(1000 * statistics.median(first for _, first in runs), 1),
        "bare_ms": round(1000 * bare_s, 2),
        "step_overhead_ms": round(1000 * (run_s / options.steps - bare_s), 1),
    }


def _make_flow(steps: int) -> Any:
    """A flow in a workspace of its own; returns what starts a run of it and gives its id."""
    from agents.services import create_skill
    from flows.design import FlowDesign, StepDesign
    from flows.services import create_flow, start_run
    from workspace.actors import SYSTEM
    from workspace.placement import Placement
    from workspace.services import create_tenant, create_user

    owner = create_user(email="bench@example.com")
    tenant = create_tenant(slug="bench", name="Bench", owner=owner)
    skill = create_skill(tenant_id=tenant.pk, actor=SYSTEM, name="Nothing", runtime="shell", body=COMMAND)
    design = FlowDesign(
        name="Ten steps", steps=tuple(StepDesign(name=f"step-{n}", skill_id=skill.pk) for n in range(steps))
    )
    flow = create_flow(tenant_id=tenant.pk, actor=SYSTEM, design=design)

    def start() -> uuid.UUID:
        placement = Placement(owner_id=owner.pk)
        return start_run(tenant_id=tenant.pk, flow_id=flow.pk, placement=placement, actor=SYSTEM).pk

    return start


def _run(start: Any) -> tuple[float, float]:
    """Seconds until the run is completed, and until the first line of its first step is stored."""
    from flows.models import FlowRun, RunStatus, StepRun

    begun = time.perf_counter()
    run_id = start()
    first = None
    while True:
        if first is None and StepRun.objects.filter(run_id=run_id, first_seq__isnull=False).exists():
            first = time.perf_counter() - begun
        status = FlowRun.objects.values_list("status", flat=True).get(pk=run_id)
        seconds = time.perf_counter() - begun
        if status == RunStatus.COMPLETED:
            return seconds, first or seconds
        if status not in {RunStatus.PENDING, RunStatus.RUNNING} or seconds > PATIENCE_SECONDS:
            raise SystemExit(f"the run is {status} after {seconds:.1f} s: nothing was measured")
        time.sleep(0.002)


@contextmanager
def _worker() -> Iterator[None]:
    """One worker process on the queue of runs, over the database that is current."""
    from django.db import connection

    from bench.live_run import wait_for_connections
    from config.environment import BASE_DIR, read_database_url

    name = quote(str(connection.settings_dict["NAME"]))
    url = urlsplit(read_database_url())._replace(path=f"/{name}").geturl()
    command = [sys.executable, "-m", "celery", "--quiet", "--skip-checks", "--app", "config.worker", "worker"]
    queue = [
        "--queues",
        "runs",
        "--concurrency",
        "1",
        "--loglevel",
        "ERROR",
        "--without-gossip",
        "--without-mingle",
    ]
    process = subprocess.Popen([*command, *queue], cwd=BASE_DIR, env={**os.environ, "DATABASE_URL": url})
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)
        wait_for_connections()


def _bare_seconds(steps: int) -> float:
    """The median of the same command without anything around it."""
    times = []
    for _ in range(max(20, steps)):
        begun = time.perf_counter()
        subprocess.run(["/bin/bash", "-euo", "pipefail", "-c", COMMAND], check=True)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


#: Its server does not start with a FastAPI that has dropped `min_items`.
PEER_PACKAGES = ("prefect>=3,<4", "fastapi<0.120")
PEER = """
import json, statistics, subprocess, sys, time
from prefect import flow, task

@task
def step(number):
    subprocess.run(["/bin/bash", "-euo", "pipefail", "-c", sys.argv[3]], check=True)

@flow
def steps():
    for number in range(int(sys.argv[2])):
        step(number)

for _ in range(2):
    steps()
times = []
for _ in range(int(sys.argv[1])):
    begun = time.perf_counter()
    steps()
    times.append(time.perf_counter() - begun)
print(json.dumps(statistics.median(times)))
"""


def measure_peer(options: argparse.Namespace) -> float:
    """Seconds of the same steps in Prefect 3: the median of warm runs. Raises SystemExit if it cannot run."""
    home = Path(tempfile.gettempdir()) / f"sessions-bench-prefect-{os.getuid()}"
    python = home / "venv" / "bin" / "python"
    if not python.exists():
        _install_peer(home)
    script = home / "steps.py"
    script.write_text(PEER)
    settings = {
        "PREFECT_HOME": str(home / "home"),
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    done = subprocess.run(
        [str(python), str(script), str(options.runs), str(options.steps), COMMAND],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"Prefect ended with exit code {done.returncode}: nothing to compare with")
    return float(json.loads(done.stdout.strip().splitlines()[-1]))


def _install_peer(home: Path) -> None:
    import shutil

    uv = shutil.which("uv") or str(Path(__file__).resolve().parent.parent / ".tools" / "bin" / "uv")
    home.mkdir(mode=0o700, exist_ok=True)
    python = home / "venv" / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(home / "venv")], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), *PEER_PACKAGES], check=True)


if __name__ == "__main__":
    main()
