"""A stand-in for providers of models, and the settings that lead to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agents.model_server import ModelServer, serving


@pytest.fixture
def server(settings) -> Iterator[ModelServer]:
    with serving() as told:
        settings.MODEL_DEFAULT = "small"
        settings.MODEL_BASE_URL = told.url
        settings.MODEL_API_KEY = "key-of-the-server"
        yield told
