import pytest

from tests.flows.worlds import World


@pytest.fixture
def world(db: None) -> World:
    return World()
