"""Holds PostgreSQL and Valkey up for the test run, unless DATABASE_URL and REDIS_URL name others."""

from __future__ import annotations

import os

import pytest

SERVICES = pytest.StashKey[object]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Each runner of a parallel run and the one that leads them hold the same servers."""
    if session.config.option.collectonly or (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        return
    from config.embedded.layout import EmbeddedError
    from config.embedded.usage import Services, parts_needed
    from config.environment import read_data_dir

    services = Services(read_data_dir(), parts_needed(), durable=False)
    try:
        services.__enter__()
    except EmbeddedError as error:
        pytest.exit(str(error), returncode=1)
    session.config.stash[SERVICES] = services
    session.config.add_cleanup(services.close)
