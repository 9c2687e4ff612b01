"""Holds PostgreSQL and Valkey up for the test run, unless DATABASE_URL and REDIS_URL name others.

Test databases are copies of one that was migrated before: see `tests.databases`.
"""

from __future__ import annotations

import pytest
from pytest_django.plugin import blocking_manager_key

from config.services import embedded_services
from tests.databases import prepare_template


def pytest_sessionstart(session: pytest.Session) -> None:
    """Each runner of a parallel run, and the one that leads them, hold the same servers up."""
    if session.config.option.collectonly:
        return
    hold_services(session)
    with session.config.stash[blocking_manager_key].unblock():
        prepare_template()


def hold_services(session: pytest.Session) -> None:
    services = embedded_services(durable=False)
    if services is None:
        return
    from config.embedded.layout import EmbeddedError

    try:
        services.open()
    except EmbeddedError as error:
        pytest.exit(str(error), returncode=1)
    session.config.add_cleanup(services.close)
