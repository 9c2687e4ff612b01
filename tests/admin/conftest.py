from __future__ import annotations

import pytest
from django.test import Client

from tests.factories.workspace import UserFactory
from workspace.models import User


@pytest.fixture
def operator(db: None) -> User:
    return UserFactory(superuser=True)


@pytest.fixture
def desk(operator: User) -> Client:
    """The admin as an operator sees it."""
    client = Client()
    client.force_login(operator)
    return client
