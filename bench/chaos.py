"""Kill -9 of workers at random points of many runs: `make chaos`.

Starts the embedded services, a worker and beat in a scratch folder, keeps a few runs going, and kills a child
of the worker, the worker itself, or all of them with beat. It touches no installation. The last line is JSON;
exit code 1: something was lost, doubled or repeated, or a run took over a minute to go on.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.chaos_runs import Ground
    from flows.models import FlowRun

AT_ONCE = 4
LONGEST_RECOVERY_SECONDS = 60.0
PATIENCE_SECONDS = 180.0
LOOK_SECONDS = 0.1
GOAL = {"lost_entries": 0, "doubled_entries": 0, "repeated_side_effects": 0, "missing_side_effects": 0}


@dataclass
class Watch:
    """Keeps runs going, and measures how long those of a killed worker stand still."""

    ground: Ground
    wanted: int
    dice: random.Random
    runs: list[FlowRun] = field(default_factory=list)
    waiting: dict[uuid.UUID, tuple[int, float]] = field(default_factory=dict)
    recoveries: list[float] = field(default_factory=list)
    moved_at: float = field(default_factory=time.monotonic)
    interrupted: int = 0

    def look(self) -> bool:
        """Start what may start, note what goes on; False once all runs have ended."""
        from flows.leases import AT_WORK
        from flows.models import FlowRun, RunStatus
        from flows.services import resume_run
        from workspace.actors import SYSTEM

        rows = FlowRun.objects.for_tenant(self.ground.tenant.pk).values_list(
            "pk", "status", "fence", "lease_holder"
        )
        now, open_runs = time.monotonic(), 0
        for pk, status, fence, holder in rows:
            if status == RunStatus.INTERRUPTED:
                # So many losses in a row are for a person to look at; here it was us.
                resume_run(tenant_id=self.ground.tenant.pk, run_id=pk, actor=SYSTEM)
                self.interrupted, open_runs = self.interrupted + 1, open_runs + 1
            open_runs += status in AT_WORK
            killed = self.waiting.get(pk)
            if killed and (status not in AT_WORK or (fence > killed[0] and holder)):
                del self.waiting[pk]
                self.recoveries.append(now - killed[1])
                self.moved_at = now
        # New runs would hide that others stand still.
        while open_runs < AT_ONCE and len(self.runs) < self.wanted and not self.waiting:
            self.runs.append(self.ground.start(self.dice))
            open_runs, self.moved_at = open_runs + 1, now
        return open_runs > 0 and now - self.moved_at < PATIENCE_SECONDS

    def lose(self, pids: set[int]) -> None:
        """These processes were killed just now: the runs that they held stand still."""
        from flows.leases import PARKED
        from flows.models import FlowRun

        runs = FlowRun.objects.for_tenant(self.ground.tenant.pk)
        held = runs.exclude(lease_holder__in=["", PARKED])
        for pk, fence, holder in held.values_list("pk", "fence", "lease_holder"):
            if int(holder.rpartition(":")[2]) in pids:
                self.waiting.setdefault(pk, (fence, time.monotonic()))


def children_of(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, path.read_text().split())
    return found


def find_parts(words: str) -> list[int]:
    """Our own children whose command lines have these words."""
    found = []
    for pid in children_of(os.getpid()):
        with contextlib.suppress(OSError):
            if words in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode():
                found.append(pid)
    return found


def choose_victims(dice: random.Random, kind: str) -> tuple[set[int], set[int]]:
    """The processes to kill, and those whose runs stand still by that: () if no worker is up just now."""
    workers = find_parts("--queues runs")
    children = [child for worker in workers for child in children_of(worker)]
    if not children:
        return set(), set()
    if kind == "child":
        child = dice.choice(children)
        return {child}, {child}
    if kind == "parent":
        return set(workers), set(children)
    return {*workers, *children, *find_parts("beat")}, set(children)


def kill(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def disturb(watch: Watch, dice: random.Random, kills: Counter[str], most: int) -> None:
    """One to three kills in a row; the next ones come once every run that they stopped has gone on."""
    row = 0
    while sum(kills.values()) < most:
        await asyncio.sleep(dice.uniform(0.5, 4.0))
        if row == 0 and watch.waiting:
            continue
        row = row - 1 if row else dice.randrange(3)
        kind = dice.choice(["child", "parent", "all"])
        victims, holders = choose_victims(dice, kind)
        if victims:
            kill(victims)
            await asyncio.to_thread(watch.lose, holders)
            kills[kind] += 1
            tell(f"killed {kind} ({len(victims)} processes), {len(watch.waiting)} runs stand still")


async def play(watch: Watch, seed: int) -> Counter[str]:
    """Workers and beat as `make run` starts them, without its pages; returns how many kills of which kind."""
    from config.console import Console
    from config.process_group import ProcessGroup
    from config.run import make_members

    kills: Counter[str] = Counter()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        members = [m for m in make_members(listener, https=False) if m.name in {"runs", "beat"}]
        group = ProcessGroup(members, Console())
        keeper = asyncio.create_task(group.run())
        trouble = asyncio.create_task(disturb(watch, random.Random(seed), kills, watch.wanted))
        try:
            while await asyncio.to_thread(watch.look):
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            trouble.cancel()
            group.stop()
            await keeper
    return kills


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A data folder of its own, with services of its own, for this process and its children."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        for url in ("DATABASE_URL", "REDIS_URL", "WORK_DIR"):
            os.environ.pop(url, None)
        os.environ |= {
            "DATA_DIR": f"{name}/data",
            "RUN_WORKERS": str(AT_ONCE),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        from config.services import embedded_services

        services = embedded_services(notify=tell)
        assert services is not None
        services.open()
        try:
            import django

            django.setup()
            yield Path(name)
        finally:
            services.close()
            services.wait_until_stopped(30)


def tell(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def measure(runs: int, seed: int) -> dict[str, Any]:
    with scratch() as folder:
        from django.core.management import call_command
        from django.db import connections

        from bench.chaos_runs import Ground, check

        call_command("migrate", verbosity=0)
        ledgers = folder / "ledgers"
        ledgers.mkdir()
        watch = Watch(Ground.make(ledgers), runs, random.Random(seed + 1))
        kills = asyncio.run(play(watch, seed))
        findings = check(watch.runs)
        for remark in findings.remarks:
            tell(remark)
        connections.close_all()
    return {
        "seed": seed,
        "runs": len(watch.runs),
        "unfinished": findings.unfinished,
        "interrupted": watch.interrupted,
        "kills": sum(kills.values()),
        "kinds": dict(kills),
        "cut_off_attempts": findings.cut_off,
        "lost_entries": findings.lost_entries,
        "doubled_entries": findings.doubled_entries,
        "repeated_side_effects": findings.repeated_side_effects,
        "missing_side_effects": findings.missing_side_effects,
        "recoveries": len(watch.recoveries),
        "slowest_recovery_s": round(max(watch.recoveries, default=0.0), 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill workers at random points of many runs.")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None, help="that of an earlier time; else a new one")
    options = parser.parse_args()
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    report = measure(options.runs, seed)
    print(json.dumps(report))
    is_good = all(report[name] == value for name, value in GOAL.items()) and not report["unfinished"]
    return 0 if is_good and report["slowest_recovery_s"] <= LONGEST_RECOVERY_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
