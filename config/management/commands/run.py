"""``manage.py run``: hands over to config/run.py, which needs no Django to watch over processes."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand

from config.environment import BASE_DIR


class Command(BaseCommand):
    help = "Run the product: web, workers, beat and, unless their URLs are set, PostgreSQL and Valkey."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        os.chdir(BASE_DIR)
        os.execv(sys.executable, [sys.executable, "-m", "config.run"])  # noqa: S606
