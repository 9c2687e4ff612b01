from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from workspace.models import User
from workspace.services import SIGN_IN_LINK_LIFETIME, create_sign_in_link


class Command(BaseCommand):
    help = "Print a link that signs a person in, once, within ten minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="the person's address")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            token = create_sign_in_link(email=options["email"])
        except User.DoesNotExist:
            raise CommandError(
                f"nobody active has the address {options['email']}: "
                "see the users in the admin, or run manage.py createsuperuser"
            ) from None
        url = settings.PUBLIC_URL.rstrip("/") + reverse("workspace:sign-in-link", args=[token])
        minutes = int(SIGN_IN_LINK_LIFETIME.total_seconds() // 60)
        if options["json"]:
            self.stdout.write(json.dumps({"url": url, "email": options["email"], "valid_minutes": minutes}))
        else:
            self.stdout.write(f"Sign in: {url}")
