"""``manage.py doctor``: each part of the installation, well or with what to do."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.doctor import Finding, examine
from config.services import embedded_services


class Command(BaseCommand):
    help = "Look at every part of the installation; exits with 1 when there is something to do."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object for each part")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine_with_services()
        for finding in findings:
            if options["json"]:
                self.stdout.write(json.dumps({"ok": finding.is_ok, **asdict(finding)}))
            else:
                self.stdout.write(format_finding(finding))
        if not all(finding.is_ok for finding in findings):
            sys.exit(1)


def examine_with_services() -> list[Finding]:
    """Brings the embedded services up for the time of looking; that they do not come up is a finding."""
    services = embedded_services()
    if services is None:
        return list(examine())
    from config.embedded.layout import EmbeddedError

    try:
        services.open()
    except EmbeddedError as error:
        return list(examine(str(error)))
    with contextlib.closing(services):
        return list(examine())


def format_finding(finding: Finding) -> str:
    sign = "ok  " if finding.is_ok else "DO  "
    line = f"{sign}{finding.part:<15} {finding.detail}"
    return line if finding.is_ok else f"{line}\n{'':19} -> {finding.remedy}"
