"""Which management commands need the services, and holding them up while one runs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence

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


@contextlib.contextmanager
def services_for_command(arguments: Sequence[str]) -> Iterator[None]:
    """Bring up what the command needs and no URL replaces; exit with one line when that fails."""
    if not needs_services(arguments) or (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        yield
        return
    # Not even loaded when URLs are given.
    from config.embedded.layout import EmbeddedError
    from config.embedded.usage import Services, parts_needed
    from config.environment import read_data_dir

    services = Services(read_data_dir(), parts_needed(), notify=lambda line: print(line, file=sys.stderr))
    try:
        services.__enter__()
    except EmbeddedError as error:
        sys.exit(f"manage.py {arguments[0]}: {error}")
    with contextlib.closing(services):
        yield
