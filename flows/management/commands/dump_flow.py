from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from flows.flow_files.loading import find_flow
from flows.flow_files.writing import dump_flow
from flows.management.tenants import find_tenant
from flows.models import Flow


class Command(BaseCommand):
    help = "Write a flow with its skills as YAML that load_flow reads. The format: docs/flow-files.md."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the flow's name")
        parser.add_argument(
            "--workspace", metavar="SLUG", help="whose flow; may be left out where there is one"
        )
        parser.add_argument("-o", "--output", metavar="FILE", help="write to this file, not to the terminal")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = find_tenant(options["workspace"])
        flow = find_flow(tenant.pk, options["name"])
        if flow is None:
            known = Flow.objects.for_tenant(tenant.pk).order_by("name").values_list("name", flat=True)[:20]
            raise CommandError(
                f"there is no flow “{options['name']}”; there are: {', '.join(known) or 'none'}", returncode=2
            )
        text = dump_flow(flow)
        if options["output"]:
            Path(options["output"]).write_text(text, encoding="utf-8")
        else:
            self.stdout.write(text, ending="")
