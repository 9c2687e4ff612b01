"""How fast a committed change reaches open pages, and what the web process pays for it.

    python bench/live.py --clients 500 --rate 20 --seconds 20 --json

A real web process (daphne), a real Valkey, the clients in a process of their own; changes are made here,
through a service. `baseline_*` is the same with one group of Channels, whose publisher sends the drawn row.
Latencies run from the end of the commit to the frame's arrival. `cpu_us_per_message` is the web process's CPU
time for each row change that it delivers to one client. `lost` counts changes that one client saw neither
themselves nor a later state of their row.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=500, help="sockets that are open")
    parser.add_argument("--rate", type=float, default=20, help="changes a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", action="store_true", help="one document instead of a table")
    options = parser.parse_args()
    from config.services import embedded_services

    with ExitStack() as held:
        services = embedded_services()
        if services is not None:
            services.open()
            held.callback(services.close)
        import django

        django.setup()
        from bench.live_run import compare

        report = compare(options)
    if options.json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name:32} {value}")


if __name__ == "__main__":
    main()
