"""`manage.py doctor`: each part is well, or it says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from config import locks
from config.doctor import (
    examine,
    examine_data_folder,
    examine_keys,
    examine_migrations,
    examine_postgres,
    examine_process,
    examine_static_files,
    examine_valkey,
)
from config.management.commands.doctor import format_finding
from tests.config.processes import eventually, processes_of, run_python


def test_a_fresh_folder_is_told_to_prepare_and_run(tmp_path: Path) -> None:
    done = run_python(tmp_path / "data", "manage.py", "doctor", "--json")
    assert done.returncode == 1, done.stderr
    findings = {finding["part"]: finding for finding in map(json.loads, done.stdout.splitlines())}
    assert findings["postgres"]["ok"]
    assert "embedded" in findings["postgres"]["detail"]
    assert findings["valkey"]["ok"]
    assert "prepare" in findings["migrations"]["remedy"]
    assert "prepare" in findings["static files"]["remedy"]
    assert findings["beat"]["remedy"] == "make run"
    eventually(lambda: not processes_of(tmp_path / "data"))


def test_services_that_do_not_come_up_are_a_finding_and_no_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "postgres"
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text("15\n")
    done = run_python(tmp_path / "data", "manage.py", "doctor")
    assert done.returncode == 1
    assert "written by PostgreSQL 15" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.django_db
def test_a_migrated_database_of_a_new_version_is_well() -> None:
    assert examine_postgres("ok").is_ok
    assert examine_migrations().is_ok


def test_a_part_that_fails_comes_with_the_variable_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere/x")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")
    assert "DATABASE_URL" in examine_postgres("connection refused").remedy
    assert "REDIS_URL" in examine_valkey("connection refused").remedy
    monkeypatch.delenv("DATABASE_URL")
    assert "postgres.log" in examine_postgres("connection refused").remedy


def test_keys_that_others_may_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch(mode=0o600)
    assert examine_keys(tmp_path).is_ok
    (tmp_path / "secret_key").chmod(0o644)
    assert "secret_key" in examine_keys(tmp_path).detail
    assert "chmod" in examine_keys(tmp_path).remedy


def test_a_silent_worker_is_looked_for_where_it_should_run() -> None:
    assert examine_process("beat", "silent", is_running=False).remedy == "make run"
    assert "prints" in examine_process("beat", "silent", is_running=True).remedy
    assert examine_process("beat", "ok", is_running=True).is_ok


def test_folders_are_well_when_they_can_be_used(tmp_path: Path) -> None:
    assert examine_data_folder(tmp_path).is_ok
    assert not examine_data_folder(tmp_path / "missing").is_ok
    assert not examine_static_files(tmp_path).is_ok
    (tmp_path / "staticfiles.json").write_text("{}")
    assert examine_static_files(tmp_path).is_ok


def test_a_finding_with_something_to_do_shows_it_below() -> None:
    finding = next(finding for finding in examine("no way") if finding.part == "services")
    assert format_finding(finding).splitlines()[1].strip() == "-> see docs/running.md"


def test_a_lock_is_held_for_as_long_as_its_file_is_open(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not locks.is_held_exclusively(path)
    holder = locks.open_lock(path)
    assert locks.try_exclusive(holder)
    assert locks.is_held_exclusively(path)
    locks.free(holder)
    assert not locks.is_held_exclusively(path)
