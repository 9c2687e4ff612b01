"""What the list costs as it grows: pages read and milliseconds of each query, and the CPU time of a page.

    python bench/list_page.py --rows 100000 [--tenants 2000] [--json] [--load] [--keep]

Fills a database of its own beside the one that DATABASE_URL names (without one, in the embedded server), asks
its largest workspace for everything that the list is made of, and drops it, unless it is to be kept for the
next time. `ratio` is pages read beside one index scan of 50 rows in the same database: milliseconds depend on
who else uses the machine, pages do not.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.ground import Ground

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

#: The goals: what a page reads in scans, its CPU in that of /healthz, its busy p99 in its idle one.
MOST_SCANS = 3.0
MOST_FLOORS = 10.0
MOST_LOADED = 3.0
LIVE_INDEXES = ["flowrun_live", "task_live", "chat_active", "flowrun_attention", "task_attention"]


def main() -> None:
    options = read_options()
    from contextlib import ExitStack

    from config.services import embedded_services

    with ExitStack() as held:
        services = embedded_services()
        if services is not None:
            services.open()
            held.callback(services.close)
        import django

        django.setup()
        report = measure(options)
    if options.json:
        print(json.dumps(report, indent=1))
    else:
        print_report(report)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="sessions to fill in")
    parser.add_argument(
        "--tenants", type=int, default=2_000, help="workspaces; the first has half of the rows"
    )
    parser.add_argument("--repeat", type=int, default=100, help="how often each query is timed")
    parser.add_argument("--json", action="store_true", help="one document instead of a table")
    parser.add_argument(
        "--load", action="store_true", help="measure again beside 300 updates/s and 60 messages/s"
    )
    parser.add_argument("--no-http", action="store_true", help="leave the CPU time of pages out")
    parser.add_argument("--keep", action="store_true", help="leave the database there for the next time")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    from bench.ground import Order, ground, tell
    from bench.http_cost import measure_http
    from bench.list_queries import list_queries, scan

    with ground(Order(options.rows, options.tenants), keep=options.keep) as there:
        tell("queries")
        one_scan = scan(there).buffers
        queries = {}
        for query in list_queries(there):
            buffers = query.buffers
            queries[query.name] = {
                **timed(query.statements, options.repeat),
                "buffers": buffers,
                "ratio": round(buffers / one_scan, 2),
                "statements": len(query.statements),
                "is_page": query.is_page,
            }
        report: dict[str, Any] = {
            "rows": options.rows,
            "tenants": options.tenants,
            "rows_of_workspace": there.count_rows(),
            "ratio_of": "buffers",
            "scan": {**timed(scan(there).statements, options.repeat), "buffers": one_scan},
            "queries": queries,
        }
        if options.load:
            tell("again, beside work that goes on")
            report["load"] = measure_loaded(there, options.repeat)
        if not options.no_http:
            tell("pages over HTTP")
            report["http"] = measure_http(there)
    return report


def measure_loaded(there: Ground, repeat: int) -> dict[str, Any]:
    """The p99 of each page before and while others write, and how the indexes of what is live grew."""
    from psycopg.conninfo import make_conninfo

    from bench.list_queries import list_queries
    from bench.load import load
    from config.health import read_conninfo

    asked = [query for query in list_queries(there) if query.is_page]
    idle = {query.name: timed(query.statements, repeat) for query in asked}
    before = live_index_bytes()
    with load(make_conninfo(read_conninfo(), dbname=there.database), there.place.tenant.pk) as going:
        busy = {query.name: timed(query.statements, repeat) for query in asked}
    return {
        **going.report,
        "p99_ratio": {name: round(busy[name]["p99_ms"] / idle[name]["p99_ms"], 2) for name in idle},
        "p50_ratio": {name: round(busy[name]["p50_ms"] / idle[name]["p50_ms"], 2) for name in idle},
        "live_index_bytes": {"before": before, "after": live_index_bytes()},
    }


def live_index_bytes() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relname = ANY(%s)", [LIVE_INDEXES]
        )
        (size,) = cursor.fetchone()
    return int(size)


def timed(statements: tuple[str, ...], repeat: int) -> dict[str, float]:
    """What the statements take together, answers fetched."""
    from django.db import connection

    took = []
    with connection.cursor() as cursor:
        for _ in range(repeat):
            began = time.perf_counter()
            for sql in statements:
                cursor.execute(sql)
                cursor.fetchall()
            took.append((time.perf_counter() - began) * 1000)
    hundredths = statistics.quantiles(took, n=100, method="inclusive")
    return {"p50_ms": round(hundredths[49], 3), "p99_ms": round(hundredths[98], 3)}


def print_report(report: dict[str, Any]) -> None:
    print(
        f"{report['rows']:,} sessions, {report['rows_of_workspace']:,} of them in the workspace that is asked"
    )
    print(f"one index scan of 50 rows: {report['scan']['buffers']} buffers, {report['scan']['p50_ms']} ms\n")
    print(f"{'query':24}{'p50 ms':>9}{'p99 ms':>9}{'buffers':>9}{'ratio':>8}  goal")
    for name, found in report["queries"].items():
        print(
            f"{name:24}{found['p50_ms']:9.2f}{found['p99_ms']:9.2f}{found['buffers']:9,}{found['ratio']:8.1f}"
            f"  {verdict(found['ratio'], MOST_SCANS) if found['is_page'] else '-'}"
        )
    if load := report.get("load"):
        worst = max(load["p99_ratio"], key=load["p99_ratio"].__getitem__)
        ratios = sorted(load["p99_ratio"].values())
        sizes = load["live_index_bytes"]
        middle = ratios[len(ratios) // 2]
        print(
            f"\nBeside {load['writes_per_s']} writes a second: p99 {middle} times the idle one in"
            f" the middle, at most {ratios[-1]} ({worst}): {verdict(ratios[-1], MOST_LOADED)}; indexes of"
            f" live sessions {sizes['before']:,} bytes before, {sizes['after']:,} after"
        )
    if http := report.get("http"):
        ratio = http["page_cpu_ms"] / http["floor_cpu_ms"]
        print(
            f"\nCPU of the web process: /healthz {http['floor_cpu_ms']:.2f} ms, 50 rows"
            f" {http['page_cpu_ms']:.2f} ms: {ratio:.1f} times, {verdict(ratio, MOST_FLOORS)}"
            f" (with counts and facets {http['lens_cpu_ms']:.2f} ms)"
        )


def verdict(ratio: float, most: float) -> str:
    return "met" if ratio <= most else f"NOT met (at most {most:g})"


if __name__ == "__main__":
    main()
