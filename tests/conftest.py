"""Holds PostgreSQL and Valkey up for the test run, unless DATABASE_URL and REDIS_URL name others."""

from __future__ import annotations

import pytest

from config.services import embedded_services


def pytest_sessionstart(session: pytest.Session) -> None:
    """Each runner of a parallel run, and the one that leads them, hold the same servers up."""
    services = None if session.config.option.collectonly else embedded_services(durable=False)
    if services is None:
        return
    from config.embedded.layout import EmbeddedError

    try:
        services.open()
    except EmbeddedError as error:
        pytest.exit(str(error), returncode=1)
    session.config.add_cleanup(services.close)
