"""PostgreSQL and Valkey under our own supervisor: shared, brought back, recovered. All processes are real."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from config.embedded.identity import as_nobody
from config.embedded.layout import EmbeddedError, Layout
from config.embedded.postgres import Postgres
from config.embedded.process import spawn, stop
from config.embedded.state import State, read_state
from config.embedded.usage import Services
from config.environment import BASE_DIR
from tests.config.processes import bare_environment, eventually, is_alive, processes_of

BOTH = ("postgres", "valkey")
HOLDER = """
import sys
import tempfile
from pathlib import Path
from config.embedded.usage import Services
with Services(Path(sys.argv[1]), ("postgres", "valkey")) as services:
    print(services.keep_up().supervisor_pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    yield folder
    eventually(lambda: not processes_of(folder))


def connect(services: Services) -> psycopg.Connection:
    return psycopg.connect(services.layout.database_url, autocommit=True)


def ask_valkey(services: Services) -> redis.Redis:
    return redis.Redis.from_url(services.layout.redis_url)


def has_changed(services: Services, before: State) -> Callable[[], State | None]:
    """A look for the moment when other processes serve than before, and answer."""

    def look() -> State | None:
        now = services.keep_up()
        pids = [(now.parts[name].pid, before.parts[name].pid) for name in BOTH if name in now.parts]
        is_up = len(pids) == len(BOTH) and all(part.status == "ready" for part in now.parts.values())
        return now if is_up and any(new != old for new, old in pids) else None

    return look


def test_two_users_share_the_services_and_the_last_one_out_stops_them(data_dir: Path) -> None:
    users = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(data_dir)],
            cwd=BASE_DIR,
            env=bare_environment(data_dir),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    supervisors = {user.stdout.readline().strip() for user in users}
    assert len(supervisors) == 1
    assert supervisors != {""}

    users[0].communicate()
    with Services(data_dir, BOTH) as services:
        assert str(services.keep_up().supervisor_pid) in supervisors
        assert connect(services).execute("SELECT 1").fetchone() == (1,)

    # Even one that is killed gives up its use.
    users[1].kill()
    users[1].communicate()
    eventually(lambda: not processes_of(data_dir))
    assert read_state(services.layout.state_file).parts["postgres"].status == "off"


def test_data_survives_a_kill_of_everything(data_dir: Path) -> None:
    with Services(data_dir, BOTH) as services:
        connect(services).execute("CREATE TABLE kept AS SELECT 7 AS number")
        ask_valkey(services).set("kept", "7")
        # Written to disk once a second.
        ask_valkey(services).execute_command("WAITAOF", 1, 0, 5000)
        before = services.keep_up()
        pids = [before.supervisor_pid, *(part.pid for part in before.parts.values())]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not any(is_alive(pid) for pid in pids))

    with Services(data_dir, BOTH) as services:
        assert connect(services).execute("SELECT number FROM kept").fetchone() == (7,)
        assert ask_valkey(services).get("kept") == b"7"


@pytest.mark.parametrize("part", BOTH)
def test_a_part_that_is_killed_comes_back(data_dir: Path, part: str) -> None:
    with Services(data_dir, BOTH) as services:
        before = services.keep_up()
        os.kill(before.parts[part].pid, signal.SIGKILL)
        after = eventually(has_changed(services, before))
        assert after.supervisor_pid == before.supervisor_pid
        assert after.parts[part].restarts == 1
        assert "SIGKILL" in after.parts[part].last_error
        assert connect(services).execute("SELECT 1").fetchone() == (1,)
        assert ask_valkey(services).ping()


def test_the_parts_of_a_killed_supervisor_end_and_a_new_one_takes_over(data_dir: Path) -> None:
    with Services(data_dir, BOTH) as services:
        before = services.keep_up()
        os.kill(before.supervisor_pid, signal.SIGKILL)
        after = eventually(has_changed(services, before))
        assert after.supervisor_pid != before.supervisor_pid
        assert not any(is_alive(part.pid) for part in before.parts.values())
        assert connect(services).execute("SELECT 1").fetchone() == (1,)


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(data_dir: Path) -> None:
    with Services(data_dir, ["postgres"]) as services:
        before = services.keep_up()
        os.kill(before.parts["postgres"].pid, signal.SIGKILL)
        os.kill(before.supervisor_pid, signal.SIGKILL)
    eventually(lambda: not processes_of(data_dir))
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        pid_file = services.layout.postgres_dir / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        with Services(data_dir, ["postgres"]) as services:
            assert connect(services).execute("SELECT 1").fetchone() == (1,)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("name", ["x" * 120, "a folder, with commas"])
def test_sockets_move_to_a_private_folder_when_the_path_cannot_carry_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    data_dir = tmp_path / name
    # The test's own folder has a long path already.
    runtime_dir = Path(tempfile.mkdtemp())
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime_dir))
    with Services(data_dir, BOTH) as services:
        assert services.layout.sockets_dir.parent == runtime_dir
        assert services.layout.sockets_dir.stat().st_mode & 0o777 == 0o700
        # A command without that variable still finds them.
        monkeypatch.delenv("XDG_RUNTIME_DIR")
        assert connect(services).execute("SELECT 1").fetchone() == (1,)
        assert ask_valkey(services).ping()
    eventually(lambda: not processes_of(data_dir))
    # Nothing stays behind outside the data folder.
    runtime_dir.rmdir()


def test_a_socket_folder_that_others_may_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    layout = Layout(tmp_path / ("x" * 120))
    layout.sockets_dir.mkdir(mode=0o755)
    with pytest.raises(EmbeddedError, match="not our private folder"):
        layout.make_folders()


def test_data_of_another_postgres_is_refused_with_what_to_do(data_dir: Path) -> None:
    layout = Layout(data_dir)
    layout.postgres_dir.mkdir(parents=True)
    (layout.postgres_dir / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match=r"written by PostgreSQL 17.*pg_dumpall.*DATABASE_URL"):
        Services(data_dir, ["postgres"]).open()


def test_only_the_needed_part_runs(data_dir: Path) -> None:
    with Services(data_dir, ["valkey"]) as services:
        assert ask_valkey(services).ping()
        assert services.keep_up().parts["postgres"].status == "off"
        with Services(data_dir, ["postgres"]) as more:
            assert connect(more).execute("SELECT 1").fetchone() == (1,)
        eventually(lambda: services.keep_up().parts["postgres"].status == "off")
        assert ask_valkey(services).ping()
    assert not services.layout.postgres_socket.exists()


def test_a_removed_data_folder_takes_its_services_along(data_dir: Path) -> None:
    with Services(data_dir, ["valkey"]):
        shutil.rmtree(data_dir)
        eventually(lambda: not processes_of(data_dir))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_without_namespaces_becomes_nobody_and_changes_no_other_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    layout = Layout(tmp_path / "data")
    layout.make_folders()
    identity = as_nobody()
    part = Postgres(layout, identity=identity)
    part.prepare()
    process = spawn(
        part.command(), log=part.log, folder=part.folder, enter=part.enter, death_signal=part.death_signal
    )
    try:
        eventually(part.is_ready)
        assert layout.postgres_dir.stat().st_uid == identity.uid
        assert [layout.data_dir.stat().st_uid, tmp_path.stat().st_uid] == [0, 0]
        assert tmp_path.stat().st_mode & 0o777 == 0o700
        assert psycopg.connect(layout.database_url).execute("SELECT 1").fetchone() == (1,)
    finally:
        stop(process, part.stop_steps)
