from pathlib import Path
from typing import Any

import pytest

from tests.flows.doings import Bench
from tests.flows.worlds import World


@pytest.fixture
def world(db: None) -> World:
    return World()


@pytest.fixture
def bench(world: World, settings: Any, tmp_path: Path) -> Bench:
    settings.WORK_DIR = tmp_path / "work"
    return Bench(world)
