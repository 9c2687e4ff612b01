"""``check`` as Django has it, but for what asks the database when none was named.

A generated column makes Django look up the version of every configured server, which would make the one
command that needs nothing depend on a running PostgreSQL. ``check --database default`` asks it.
"""

from __future__ import annotations

from typing import Any

from django.core.management.commands.check import Command as DjangoCheck


class Command(DjangoCheck):
    def check(self, *args: Any, **kwargs: Any) -> None:
        super().check(*args, **kwargs | {"databases": kwargs.get("databases") or []})
