"""Bringing up the services that no URL in the environment replaces, and who needs them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from config.environment import read_data_dir

if TYPE_CHECKING:
    from config.embedded.layout import PartName
    from config.embedded.usage import Services

# These read no data, or (run, doctor) see to the services themselves.
COMMANDS_WITHOUT_SERVICES = frozenset(
    {
        "check",
        "collectstatic",
        "compilemessages",
        "diffsettings",
        "doctor",
        "findstatic",
        "help",
        "makemessages",
        "redact",
        "run",
        "sendtestemail",
        "startapp",
        "startproject",
        "version",
    }
)
HELP_WORDS = frozenset({"-h", "--help", "--version"})


def needs_services(arguments: Sequence[str]) -> bool:
    """Whether ``manage.py ARGUMENTS`` talks to PostgreSQL or Valkey."""
    if not arguments or HELP_WORDS.intersection(arguments):
        return False
    command = arguments[0]
    if command == "check":
        return "--database" in arguments
    return command not in COMMANDS_WITHOUT_SERVICES


def embedded_services(
    *, durable: bool = True, notify: Callable[[str], None] = lambda _line: None
) -> Services | None:
    """The embedded services that are needed, not yet up; None when DATABASE_URL and REDIS_URL name others."""
    parts: list[PartName] = []
    if not os.environ.get("DATABASE_URL"):
        parts.append("postgres")
    if not os.environ.get("REDIS_URL"):
        parts.append("valkey")
    if not parts:
        return None
    # Imported here so that nothing of them is even loaded when URLs are given.
    from config.embedded.usage import Services

    return Services(read_data_dir(), parts, durable=durable, notify=notify)


@contextlib.contextmanager
def services_for_command(arguments: Sequence[str]) -> Iterator[None]:
    """Hold up what ``manage.py ARGUMENTS`` needs; exit with one line when that fails."""
    services = None
    if needs_services(arguments):
        services = embedded_services(notify=lambda line: print(line, file=sys.stderr))
    if services is None:
        yield
        return
    from config.embedded.layout import EmbeddedError

    try:
        services.open()
    except EmbeddedError as error:
        sys.exit(f"manage.py {arguments[0]}: {error}")
    with contextlib.closing(services):
        yield
