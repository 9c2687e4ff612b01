from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from flows.flow_files.loading import LoadedFlow, load_flow
from flows.flow_files.reading import WrongFile, show_path
from flows.management.tenants import find_tenant
from workspace.actors import SYSTEM
from workspace.models import Tenant

WRONG_FILE = 1


class Command(BaseCommand):
    help = (
        "Make a workspace's flow what a YAML file says, and the skills that stand in it. A wrong file is "
        "refused whole, with everything that is wrong and its line. The format: docs/flow-files.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the file; - reads standard input")
        parser.add_argument(
            "--workspace", metavar="SLUG", help="whose flow; may be left out where there is one"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would happen; keep nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = find_tenant(options["workspace"])
        name = options["file"]
        try:
            text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{name}: it cannot be read: {error}", returncode=2) from error
        try:
            with transaction.atomic():
                loaded = load_flow(tenant_id=tenant.pk, actor=SYSTEM, text=text)
                transaction.set_rollback(options["dry_run"])
        except WrongFile as error:
            self._refuse(name, error, as_json=options["json"])
        else:
            self._tell(tenant, loaded, as_json=options["json"], is_dry=options["dry_run"])

    def _refuse(self, name: str, error: WrongFile, *, as_json: bool) -> None:
        problems = [
            {"line": problem.line, "path": show_path(problem.path), "problem": problem.text}
            for problem in error.problems
        ]
        if as_json:
            self.stdout.write(json.dumps({"outcome": "refused", "problems": problems}, ensure_ascii=False))
        told = "\n".join(f"{name}:{problem}" for problem in error.problems)
        raise CommandError(told, returncode=WRONG_FILE) from None

    def _tell(self, tenant: Tenant, loaded: LoadedFlow, *, as_json: bool, is_dry: bool) -> None:
        flow = loaded.flow
        if as_json:
            told = {
                "outcome": loaded.outcome,
                "flow": flow.name,
                "id": None if is_dry and loaded.outcome == "created" else str(flow.pk),
                "version": flow.version,
                "skills": dict(loaded.skills),
                "is_dry_run": is_dry,
            }
            self.stdout.write(json.dumps(told, ensure_ascii=False))
            return
        would = "would be " if is_dry else ""
        for name, outcome in loaded.skills.items():
            self.stdout.write(f"skill “{name}”: {would}{outcome}")
        self.stdout.write(
            f"flow “{flow.name}”: {would}{loaded.outcome}, version {flow.version} (workspace {tenant.slug})"
        )
