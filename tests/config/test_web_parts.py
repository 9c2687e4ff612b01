"""Web parts that tests start: what they leave behind is told from what they need while they run."""

from __future__ import annotations

import http.client
import os
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connection

import config.asgi
from tests.browser.server import is_database_ours_alone, run_server
from tests.config.processes import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_end_of_one_web_part_waits_for_no_other_though_that_keeps_connections(tmp_path: Path):
    with run_server(tmp_path / "longer") as address:
        cookie = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={'x' * 32}"}  # it looks for the session
        client = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        client.request("GET", "/sign-in/", headers=cookie)
        assert client.getresponse().status == 200
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_stat_activity WHERE application_name LIKE 'web part%'")
            assert cursor.rowcount > 0
        client.close()
        with run_server(tmp_path / "shorter"):
            pass


def test_a_connection_that_nobody_closes_is_seen_beside_a_web_part(tmp_path: Path):
    with run_server(tmp_path / "log"):
        parameters = connection.get_connection_params()
        names = ("dbname", "user", "password", "host", "port")
        with psycopg.connect(**{name: parameters[name] for name in names if name in parameters}):
            assert not is_database_ours_alone()
        eventually(is_database_ours_alone)


def test_what_the_web_part_needs_is_not_set_for_processes_beside_it():
    assert config.asgi.application
    assert "DATABASE_POOL_SIZE" not in os.environ
