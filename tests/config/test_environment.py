"""Settings out of the environment: spelled for each library, and refused by name when they are bad."""

from __future__ import annotations

import base64
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config import environment
from config.keys import keep_key, make_sealing_key, read_sealing_keys, read_secret_key
from tests.config.processes import BASE_DIR, bare_environment, run_python


def read_database() -> object:
    return environment.parse_database_url(environment.read_database_url())


def test_a_database_url_is_taken_apart() -> None:
    url = "postgres://ada:p%40ss@db.example.com:6432/sessions?sslmode=require"
    assert environment.parse_database_url(url) == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "sessions",
        "USER": "ada",
        "PASSWORD": "p@ss",
        "HOST": "db.example.com",
        "PORT": "6432",
        "OPTIONS": {"sslmode": "require"},
    }


def test_a_database_url_may_name_a_socket_folder() -> None:
    database = environment.parse_database_url("postgresql://ada@/sessions?host=/run/pg%20sockets")
    assert (database["HOST"], database["OPTIONS"]) == ("/run/pg sockets", {})


@pytest.mark.parametrize(
    ("url", "broker", "channels"),
    [
        (
            "redis://localhost:6379/2",
            "redis://localhost:6379/2",
            "redis://localhost:6379/2?socket_timeout=30",
        ),
        (
            "unix:///run/valkey.sock?db=3",
            "redis+socket:///run/valkey.sock?virtual_host=3",
            "unix:///run/valkey.sock?db=3&socket_timeout=30",
        ),
        (
            "unix:///run/valkey.sock",
            "redis+socket:///run/valkey.sock?virtual_host=0",
            "unix:///run/valkey.sock?socket_timeout=30",
        ),
    ],
)
def test_a_redis_url_is_spelled_for_each_library(url: str, broker: str, channels: str) -> None:
    assert environment.make_broker_url(url) == broker
    assert environment.make_channels_host(url, 30) == channels


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:secret@localhost:6379/0", "redis://:secret@localhost:6379/4"),
        ("unix:///run/valkey.sock?db=1", "unix:///run/valkey.sock?db=4"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock?db=4"),
    ],
)
def test_another_database_of_the_same_server_can_be_chosen(url: str, expected: str) -> None:
    assert environment.choose_redis_database(url, 4) == expected


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("PORT", "eighty", environment.read_port),
        ("PORT", "70000", environment.read_port),
        ("PUBLIC_URL", "sessions.example.com", environment.read_public_url),
        ("PUBLIC_URL", "https://example.com/path", environment.read_public_url),
        ("HSTS_SUBDOMAINS", "perhaps", lambda: environment.read_bool("HSTS_SUBDOMAINS", False)),
        ("POOL", "-1", lambda: environment.read_int("POOL", 0)),
        ("DATABASE_URL", "mysql://localhost/x", read_database),
        ("DATABASE_URL", "postgres://localhost:none/x", read_database),
        ("REDIS_URL", "amqp://localhost", lambda: environment.check_redis_url(environment.read_redis_url())),
        ("SEALING_KEYS", "c2hvcnQ=", lambda: read_sealing_keys(Path("/nonexistent"))),
    ],
)
def test_a_bad_value_is_refused_and_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: Callable[[], object]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=name):
        read()


def test_a_bad_value_stops_the_start(tmp_path: Path) -> None:
    done = run_python(tmp_path / "data", "manage.py", "check", PORT="eighty")
    assert done.returncode != 0
    assert "PORT must be a number" in done.stderr


def test_a_bad_sealing_key_is_not_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEALING_KEYS", "not" + "-a-key")
    with pytest.raises(ImproperlyConfigured) as raised:
        read_sealing_keys(tmp_path)
    assert "not-a-key" not in str(raised.value)


def test_sealing_keys_come_newest_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = [bytes([number]) * 32 for number in (251, 2)]
    words = [base64.urlsafe_b64encode(keys[0]).decode(), base64.b64encode(keys[1]).decode()]
    monkeypatch.setenv("SEALING_KEYS", ",".join(words))
    assert read_sealing_keys(tmp_path) == keys


def test_keys_are_made_once_and_only_their_owner_can_read_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("SECRET_KEY", "SEALING_KEYS"):
        monkeypatch.delenv(name, raising=False)
    secret, sealing = read_secret_key(tmp_path), read_sealing_keys(tmp_path)
    assert len(secret) >= 50
    assert (read_secret_key(tmp_path), read_sealing_keys(tmp_path)) == (secret, sealing)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()}
    assert modes == {0o600}
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["sealing_keys", "secret_key"]


def test_an_added_key_keeps_the_old_one_readable(tmp_path: Path) -> None:
    old = read_sealing_keys(tmp_path)
    path = tmp_path / "keys" / "sealing_keys"
    path.write_text(make_sealing_key() + "\n" + path.read_text())
    assert read_sealing_keys(tmp_path)[1:] == old


def test_starters_that_make_a_key_at_once_all_get_the_same(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom config.keys import read_secret_key\n"
        "sys.stdin.readline()\nprint(read_secret_key(Path(sys.argv[1])))"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            cwd=BASE_DIR,
            env=bare_environment(tmp_path),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for starter in starters:
        starter.stdin.write("\n")
        starter.stdin.flush()
    assert len({starter.communicate()[0] for starter in starters}) == 1


def test_a_key_that_cannot_be_kept_names_the_variable_to_set(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    with pytest.raises(ImproperlyConfigured, match="set DATA_DIR"):
        keep_key(tmp_path / "keys" / "secret_key", lambda: "x")


def test_http_on_the_loopback_asks_for_no_https() -> None:
    assert not settings.SECURE_SSL_REDIRECT
    assert not settings.SESSION_COOKIE_SECURE


@pytest.mark.parametrize(
    ("value", "problem"), [("work", "must be an absolute path"), (__file__, "must name a folder")]
)
def test_a_folder_that_is_none_stops_the_start_by_name(monkeypatch, value: str, problem: str) -> None:
    for name in ("WORK_DIR", "REPO_ROOTS"):
        monkeypatch.setenv(name, value)
        read = environment.read_folder if name == "WORK_DIR" else environment.read_folders
        with pytest.raises(ImproperlyConfigured, match=f"{name} {problem}"):
            read(name, Path("/default"))


def test_folders_are_read_with_what_separates_those_of_path(monkeypatch, tmp_path: Path) -> None:
    assert environment.read_folders("REPO_ROOTS", Path("/default")) == [Path("/default")]
    monkeypatch.setenv("REPO_ROOTS", f"{tmp_path}:/not/there/yet:")
    assert environment.read_folders("REPO_ROOTS", Path("/default")) == [tmp_path, Path("/not/there/yet")]
    monkeypatch.setenv("WORK_DIR", str(tmp_path))
    assert environment.read_folder("WORK_DIR", Path("/default")) == tmp_path
