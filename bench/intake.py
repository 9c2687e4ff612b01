"""How fast session files come in, end to end: read, redacted, stored, on one core.

    python bench/intake.py [--megabytes 50] [--one-session] [--input PATH] [--json]

Imports generated files of Claude Code, or those at PATH, into a workspace in a database of its own beside
the one that DATABASE_URL names (without one, in the embedded server), which is dropped afterwards. It is
held to one core; PostgreSQL runs on the others. `again` is the same files once more, when all of it is known.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

#: The goal: millions of bytes of input a second.
GOAL = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=50.0, help="how much to generate")
    parser.add_argument("--one-session", action="store_true", help="all of it as one session's file")
    parser.add_argument("--input", type=Path, help="files to import instead of generated ones")
    parser.add_argument("--json", action="store_true", help="one document instead of lines")
    options = parser.parse_args()
    from config.services import embedded_services

    with ExitStack() as held:
        services = embedded_services()
        if services is not None:
            services.open()
            held.callback(services.close)
        import django

        django.setup()
        paths = [options.input] if options.input else [_generate(held, options)]
        report = measure(paths)
    if options.json:
        print(json.dumps(report, indent=1))
        return
    for name, value in report.items():
        print(f"{name:18} {value:>14,}")
    print(f"goal: {GOAL} MB/s: {'met' if report['mb_per_s'] >= GOAL else 'MISSED'}")


def _generate(held: ExitStack, options: argparse.Namespace) -> Path:
    from bench.claude_files import write_files

    folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="bench-intake-")))
    write_files(folder, int(options.megabytes * 1e6), in_one=options.one_session)
    return folder


def measure(paths: list[Path]) -> dict[str, Any]:
    from bench.ground import empty_database
    from intake.files import find_files

    files = find_files(paths)
    size = sum(path.stat().st_size for path in files)
    with empty_database("intake"), _one_core():
        make_importer = _scratch_workspace()
        _warm_up()
        before = _rss_mb()
        with _redaction_timed() as spent:
            first = _import(make_importer(), files)
        peak = _rss_mb()
        again = _import(make_importer(), files)
    return {
        "mb_per_s": round(size / 1e6 / first["seconds"], 2),
        "entries_per_s": round(first["entries"] / first["seconds"]),
        "rss_mb": round(peak),
        "rss_growth_mb": round(peak - before),
        "bytes": size,
        "files": len(files),
        "entries": first["entries"],
        "seconds": round(first["seconds"], 2),
        "cpu_seconds": round(first["cpu"], 2),
        "redaction_seconds": round(spent["seconds"], 2),
        "failed": first["failed"],
        "again_mb_per_s": round(size / 1e6 / again["seconds"], 2),
        "again_entries": again["entries"],
    }


def _scratch_workspace() -> Any:
    from intake.importing import Importer
    from workspace.actors import Actor
    from workspace.placement import Placement
    from workspace.services import create_tenant, create_user

    owner = create_user(email="bench@example.com")
    tenant = create_tenant(slug="bench", name="Bench", owner=owner)
    return lambda: Importer(
        tenant_id=tenant.pk, placement=Placement(owner_id=owner.pk), actor=Actor.member(owner)
    )


def _import(importer: Any, files: list[Path]) -> dict[str, Any]:
    began, cpu = time.perf_counter(), time.process_time()
    reports = [importer.import_file(path) for path in files]
    return {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "entries": sum(report.entries for report in reports),
        "failed": sum(report.outcome == "failed" for report in reports),
    }


def _warm_up() -> None:
    """The rules are compiled once per process, which is no part of the speed."""
    from audit.redaction import DETECTOR

    DETECTOR.warm_up()


def _rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def _one_core() -> Iterator[None]:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def _redaction_timed() -> Iterator[dict[str, float]]:
    """How long the redactor was at work in this block."""
    from audit.redaction import Redactor

    spent = {"seconds": 0.0}
    names = ("redact_text", "redact_json", "redact_ids")
    plain = {name: getattr(Redactor, name) for name in names}

    def timed(function: Any) -> Any:
        def run(*args: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                spent["seconds"] += time.perf_counter() - began

        return run

    for name, function in plain.items():
        setattr(Redactor, name, timed(function))
    try:
        yield spent
    finally:
        for name, function in plain.items():
            setattr(Redactor, name, function)


if __name__ == "__main__":
    main()
