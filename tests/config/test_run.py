"""`make run` as it is used: started in an empty folder, hurt in many ways, stopped with Ctrl-C."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.environment import BASE_DIR
from tests.config.processes import (
    bare_environment,
    eventually,
    find_free_port,
    kill_everything,
    processes_of,
    run_python,
)

pytestmark = pytest.mark.timeout(400)
PATIENCE_SECONDS = 120


class Product:
    """A running `make run` and what it has printed since its last start."""

    process: subprocess.Popen[bytes]

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port = find_free_port()

    def start(self) -> None:
        with self.data_dir.with_name("log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.run"],
                cwd=BASE_DIR,
                env=bare_environment(self.data_dir, PORT=str(self.port), RUN_WORKERS="1", JOB_WORKERS="1"),
                stdout=log,
                stderr=subprocess.STDOUT,
                # As a shell does: a group of its own, which Ctrl-C is for.
                process_group=0,
            )

    @property
    def log(self) -> str:
        return self.data_dir.with_name("log").read_text()

    def get(self, path: str, host: str = "localhost") -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        answer = response.status, response.headers, response.read()
        connection.close()
        return answer

    def failing(self) -> list[str]:
        return list(json.loads(self.get("/healthz")[2])["failing"])

    def wait_until_up(self) -> None:
        eventually(lambda: "Sessions listens" in self.log or self.process.poll() is not None, seconds=300)
        assert self.process.poll() is None, self.log
        eventually(lambda: self.get("/healthz")[0] == 200, seconds=PATIENCE_SECONDS)

    def find_child(self, words: str) -> int:
        """The number of the direct child whose command line has the words."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        lines = processes_of(self.data_dir)
        return next(int(child) for child in children if words in lines.get(int(child), ""))


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    running = Product(tmp_path_factory.mktemp("run") / "data")
    running.start()
    try:
        running.wait_until_up()
        yield running
    finally:
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(60)
        kill_everything(running.data_dir)


def test_it_says_where_it_listens_where_its_data_lives_and_how_to_sign_in(product: Product) -> None:
    assert f"Sessions listens on http://127.0.0.1:{product.port}\n" in product.log
    assert f"Its data lives in {product.data_dir}\n" in product.log
    link = re.search(rf"^Sign in: http://127\.0\.0\.1:{product.port}(/\S+)$", product.log, re.MULTILINE)
    assert link, product.log
    status, headers, _ = product.get(link[1])
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_a_command_beside_it_makes_links_that_lead_there(product: Product) -> None:
    done = run_python(product.data_dir, "manage.py", "sign_in_link", "owner@example.com")
    assert done.stdout.startswith(f"Sign in: http://127.0.0.1:{product.port}/sign-in/"), done.stderr


def test_health_is_answered_for_any_host_name_and_sets_no_cookie(product: Product) -> None:
    eventually(lambda: product.get("/healthz")[0] == 200, seconds=PATIENCE_SECONDS)
    status, headers, _ = product.get("/healthz", host="unknown.example.com")
    assert (status, headers["Set-Cookie"]) == (200, None)
    # Only there: pages insist on a name that is ours.
    assert product.get("/", host="unknown.example.com")[0] == 400


def test_static_files_come_with_hashed_names_that_never_expire(product: Product) -> None:
    manifest = json.loads((product.data_dir / "static" / "staticfiles.json").read_text())
    status, headers, _ = product.get("/static/" + manifest["paths"]["admin/css/base.css"])
    assert status == 200
    assert "immutable" in headers["Cache-Control"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "StreamingHttpResponse" not in product.log


def test_a_second_run_in_the_same_folder_says_so_and_exits(product: Product) -> None:
    done = run_python(product.data_dir, "-m", "config.run", PORT=str(find_free_port()))
    assert done.returncode == 1
    assert f"already runs in {product.data_dir} (process {product.process.pid}" in done.stderr


def test_a_busy_port_is_refused_with_what_to_set(product: Product, tmp_path: Path) -> None:
    done = run_python(tmp_path / "data", "-m", "config.run", PORT=str(product.port))
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{product.port}" in done.stderr
    assert "PORT=" in done.stderr
    assert not (tmp_path / "data" / "postgres").exists()


@pytest.mark.parametrize(
    ("words", "names"),
    [("runs@", ["worker:runs"]), ("jobs@", ["worker:intake", "worker:default"]), (" beat ", ["beat"])],
)
def test_a_killed_part_is_named_and_comes_back(product: Product, words: str, names: list[str]) -> None:
    eventually(lambda: product.get("/healthz")[0] == 200, seconds=PATIENCE_SECONDS)
    killed = product.find_child(words)
    os.kill(killed, signal.SIGKILL)
    assert eventually(product.failing, seconds=5) == names
    eventually(lambda: product.get("/healthz")[0] == 200, seconds=PATIENCE_SECONDS)
    assert product.find_child(words) != killed


def test_a_killed_web_part_comes_back_and_no_request_is_refused_meanwhile(product: Product) -> None:
    old = product.find_child("config.web")
    os.kill(old, signal.SIGKILL)
    assert product.get("/static/admin/css/base.css")[0] == 200
    assert product.find_child("config.web") != old


def test_a_killed_supervisor_of_the_services_is_replaced(product: Product) -> None:
    eventually(lambda: product.get("/healthz")[0] == 200, seconds=PATIENCE_SECONDS)
    state = product.data_dir / "run" / "state.json"
    old = json.loads(state.read_text())["supervisor_pid"]
    os.kill(old, signal.SIGKILL)
    eventually(lambda: "postgres" in product.failing(), seconds=10)
    eventually(lambda: product.get("/healthz")[0] == 200, seconds=PATIENCE_SECONDS)
    assert json.loads(state.read_text())["supervisor_pid"] != old


def test_ctrl_c_ends_every_process_and_the_next_start_finds_the_data(product: Product) -> None:
    product.wait_until_up()
    # As the terminal does it: the whole group hears of it.
    os.killpg(product.process.pid, signal.SIGINT)
    assert product.process.wait(60) == 0
    assert product.log.endswith("Stopped\n")
    assert "Traceback" not in product.log
    assert processes_of(product.data_dir) == {}

    product.start()
    product.wait_until_up()
    assert "first start" not in product.log


def test_after_a_kill_of_everything_the_next_start_recovers(product: Product) -> None:
    product.wait_until_up()
    kill_everything(product.data_dir)
    product.process.wait()

    product.start()
    product.wait_until_up()
    assert "first start" not in product.log
