"""``manage.py rotate_keys``: everything that is kept sealed goes under the newest key."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from workspace.resealing import KeysMissing, reseal
from workspace.sealing import newest_key_id, present_key_ids


class Command(BaseCommand):
    help = "Seal secrets and all else that is kept sealed anew, under the first of SEALING_KEYS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = list(reseal())
        except KeysMissing as missing:
            raise CommandError(str(missing)) from missing
        newest, *older = present_key_ids()
        if options["json"]:
            document = {"key": newest, "older_keys": older, "sealed": [asdict(one) for one in done]}
            self.stdout.write(json.dumps(document))
            return
        for one in done:
            self.stdout.write(f"{one.model}: {one.resealed} of {one.total} sealed anew")
        self.stdout.write(f"All is sealed by {newest_key_id()}." + self._advice(older))

    def _advice(self, older: list[str]) -> str:
        return f" SEALING_KEYS no longer needs {', '.join(older)}." if older else ""
