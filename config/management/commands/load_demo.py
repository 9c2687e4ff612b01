"""Fill the workspace `demo` with believable work, or say that it is there."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.demo.loading import load_demo


class Command(BaseCommand):
    help = "Make the workspace “demo” with sessions of every kind and status; a second run changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="say what there is as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        demo = load_demo()
        if options["json"]:
            self.stdout.write(json.dumps(asdict(demo)))
            return
        count = sum(demo.sessions.values())
        what = f"{count} sessions; its owner is {demo.owner}"
        if demo.is_new:
            self.stdout.write(f"The workspace “{demo.workspace}” is made: {what}.")
        else:
            self.stdout.write(f"The workspace “{demo.workspace}” is there already, unchanged: {what}.")
