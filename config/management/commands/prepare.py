"""``manage.py prepare``: what has to be done once before the processes of a new version start."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand
from django.db import connection
from django.urls import reverse

from workspace.models import Tenant, User
from workspace.services import create_sign_in_link

# Any number will do, as long as no other program locks by it in our database.
MIGRATION_LOCK = 7_305_119_284_412_001


class Command(BaseCommand):
    help = (
        "Migrate the database, collect the static files and, on a first start, load the demo workspace. "
        "Prints one JSON object with a sign-in link for the person who has been here longest."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        migrate()
        call_command("collectstatic", interactive=False, verbosity=0)
        # The demo's own words are not part of our answer.
        is_first_start = not Tenant.objects.exists() and "load_demo" in get_commands()
        if is_first_start:
            call_command("load_demo", stdout=self.stderr)
        self.stdout.write(json.dumps({"is_first_start": is_first_start, **make_sign_in_link()}))


def migrate() -> None:
    """Bring the database up to date. Two machines that start at once take turns."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            call_command("migrate", interactive=False, verbosity=0)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def make_sign_in_link() -> dict[str, str]:
    """``url`` and ``email``; empty when nobody is there to sign in."""
    person = User.objects.filter(is_active=True).order_by("pk").first()
    if person is None:
        return {}
    token = create_sign_in_link(email=person.email)
    return {
        "url": settings.PUBLIC_URL + reverse("workspace:sign-in-link", args=[token]),
        "email": person.email,
    }
