from __future__ import annotations

import pytest

from tests.factories.workspace import MembershipFactory
from workspace.models import Membership


@pytest.fixture
def member(transactional_db: None) -> Membership:
    """Somebody with a workspace; rows are committed, as the web part reads them from threads of its own."""
    return MembershipFactory()
