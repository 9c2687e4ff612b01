"""``manage.py sweep_redaction``: known secrets out of what a workspace stored before it knew them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.models import RedactionSweep
from audit.sweeps import (
    Look,
    claim_sweep,
    has_older_writers,
    look_through,
    run_sweep,
    start_sweep,
    tell_unscanned,
)
from workspace.actors import SYSTEM
from workspace.models import Tenant

#: How often to look whether older transactions have ended.
PAUSE_SECONDS = 0.5


class Command(BaseCommand):
    help = (
        "Replace known secrets by their names in everything that a workspace has stored. Exit code 1: some"
        " rows could not be looked through; they are listed, and all others were done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", required=True, metavar="SLUG", help="whose texts")
        parser.add_argument("--dry-run", action="store_true", help="say what would change, change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["workspace"]).first()
        if tenant is None:
            raise CommandError(f"there is no workspace “{options['workspace']}”")
        is_dry = options["dry_run"]
        looks = list(look_through(tenant.pk)) if is_dry else self._sweep(tenant)
        if options["json"]:
            document = {"dry_run": is_dry, "targets": [asdict(look) for look in looks]}
            self.stdout.write(json.dumps(document))
        else:
            self._print(looks, verb="would be changed" if is_dry else "changed")
        if told := tell_unscanned({look.label: look.unscanned for look in looks}):
            raise CommandError(told)

    def _sweep(self, tenant: Tenant) -> list[Look]:
        wanted = start_sweep(tenant_id=tenant.pk, reason="started by hand", actor=SYSTEM)
        while True:
            wanted.refresh_from_db()
            if not wanted.is_open:
                break
            claimed = claim_sweep(tenant.pk)
            if claimed is None:
                time.sleep(PAUSE_SECONDS)
                continue
            while has_older_writers(claimed):
                time.sleep(PAUSE_SECONDS)
            run_sweep(claimed)
        return list(_looks_of(wanted))

    def _print(self, looks: Iterable[Look], *, verb: str) -> None:
        total = held = 0
        for look in looks:
            total, held = total + look.rows, held + look.held
            self.stdout.write(f"{look.label}: {look.held:,} of {look.rows:,} held a known secret")
            for row_id in look.unscanned_ids:
                self.stdout.write(f"  {row_id} could not be looked through")
            if more := look.unscanned - len(look.unscanned_ids):
                self.stdout.write(f"  and {more:,} more")
        self.stdout.write(f"{held:,} of {total:,} rows {verb}.")


def _looks_of(sweep: RedactionSweep) -> Iterable[Look]:
    for target in sweep.targets:
        unscanned = target.get("unscanned", 0), target.get("unscanned_ids", [])
        yield Look(target["key"], target["label"], target["done"], target["changed"], *unscanned)
