"""Ctrl-C of `make run` in the middle of everything: an open websocket, and a page that is being made."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest

from config.demo.stage import OWNER, SLUG
from config.embedded.layout import Layout
from tests.canaries.searching import ask_for_socket
from tests.config.processes import eventually, kill_everything, processes_of, run_python
from tests.config.test_run import Product

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    running = Product(tmp_path / "data")
    running.start()
    try:
        running.wait_until_up()
        yield running
    finally:
        kill_everything(running.data_dir)
        running.process.wait()


def sign_in(product: Product) -> SimpleCookie:
    """The cookies of the demo's owner, who followed a link."""
    done = run_python(product.data_dir, "manage.py", "sign_in_link", OWNER)
    link = re.search(r"/sign-in/\S+", done.stdout)
    assert link, done.stderr
    client = http.client.HTTPConnection("127.0.0.1", product.port, timeout=60)
    client.request("GET", link[0])
    answer = client.getresponse()
    answer.read()
    cookies = SimpleCookie(answer.headers["Set-Cookie"])
    token = cookies["csrftoken"].value
    headers = {"Cookie": f"csrftoken={token}", "Content-Type": "application/x-www-form-urlencoded"}
    client.request("POST", link[0], urlencode({"csrfmiddlewaretoken": token}), headers)
    answer = client.getresponse()
    assert answer.status == 302
    for one in answer.headers.get_all("Set-Cookie", []):
        cookies.load(one)
    client.close()
    return cookies


@contextmanager
def open_websocket(product: Product) -> Iterator[None]:
    with socket.create_connection(("127.0.0.1", product.port), timeout=60) as wire:
        wire.sendall(ask_for_socket(f"http://127.0.0.1:{product.port}", SLUG, sign_in(product)))
        heard = b""
        while b"ready" not in heard:
            heard += (more := wire.recv(1 << 16))
            assert more, heard
        yield


@contextmanager
def slow_request(product: Product) -> Iterator[None]:
    """A page that waits for a table, for as long as the block lasts."""
    place = Layout(product.data_dir).database_url
    with (
        psycopg.connect(place) as holder,
        psycopg.connect(place, autocommit=True) as looker,
        socket.create_connection(("127.0.0.1", product.port)) as wire,
    ):
        holder.execute("LOCK TABLE django_session")
        wire.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid=%b\r\n\r\n" % (b"x" * 32))
        waits = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'django_session'::regclass"
        eventually(lambda: looker.execute(waits).rowcount == 1)
        looker.close()
        try:
            yield
        finally:
            holder.close()


def test_ctrl_c_ends_everything_within_ten_seconds(product: Product):
    with open_websocket(product), slow_request(product):
        began = time.monotonic()
        os.killpg(product.process.pid, signal.SIGINT)
        assert product.process.wait(60) == 0
        assert time.monotonic() - began < 10
    assert processes_of(product.data_dir) == {}
    assert "does not stop" not in product.log
    assert "Traceback" not in product.log
