from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.server import is_database_ours_alone
from tests.config.processes import eventually
from tests.factories.workspace import MembershipFactory
from workspace.models import Membership


@pytest.fixture
def quiet_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that says what it hears and looks only when it is told to, however long the test takes."""
    monkeypatch.setattr("sessions_app.hub.LOOK_SECONDS", 3_600)
    monkeypatch.setattr("sessions_app.hub.ACCESS_SECONDS", 3_600)


@pytest.fixture
def member(transactional_db: None) -> Iterator[Membership]:
    """Somebody with a workspace; rows are committed, as the web part reads them from threads of its own."""
    yield MembershipFactory()
    # Those threads give their connections back when their work is done.
    eventually(is_database_ours_alone)
