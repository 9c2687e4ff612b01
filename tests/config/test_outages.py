"""What workers and the clock say when the database or Valkey is away: one plain line, and no traceback."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import redis
from celery import Celery, current_app
from django.conf import settings
from django.db import connection
from django.db.utils import OperationalError, ProgrammingError

from config.heartbeat import HeartbeatScheduler
from config.outages import PlainOutages, explain_outage
from tests.config.processes import eventually, find_free_port
from tests.intake.processes import database_away_from
from tests.intake.workers import NAME, forget_jobs, run_worker


@pytest.fixture
def no_jobs_left() -> Iterator[None]:
    forget_jobs()
    yield
    forget_jobs()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("job", ["intake.jobs.resend", "intake.jobs.forget"])
def test_a_job_without_a_database_ends_with_one_line(no_jobs_left: None, tmp_path: Path, job: str):
    log = tmp_path / "log"
    with run_worker(log), database_away_from(NAME):
        current_app.send_task(job, queue="intake")
        eventually(log.read_text)
    assert f"{job} was cut off: the database is away (" in log.read_text()
    assert len(log.read_text().splitlines()) == 1


@pytest.mark.django_db
def test_an_error_of_a_database_that_is_there_is_no_outage():
    with pytest.raises(ProgrammingError) as met, connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")
    assert explain_outage(met.value) == ""


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_is_not_to_be_had_is_no_outage():
    with pytest.raises(OperationalError) as met, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 1; SELECT pg_sleep(5)")
    connection.close()
    assert explain_outage(met.value) == ""


@pytest.fixture
def said() -> Iterator[StringIO]:
    """What goes through a handler like that of the settings."""
    handler = logging.StreamHandler(StringIO())
    handler.addFilter(PlainOutages())
    logging.getLogger().addHandler(handler)
    yield handler.stream
    logging.getLogger().removeHandler(handler)


def test_the_clock_says_in_one_line_what_it_could_not_send(said: StringIO, tmp_path: Path):
    app = Celery("nobody", broker=f"redis://127.0.0.1:{find_free_port()}", set_as_current=False)
    app.conf.update(
        beat_schedule={"look": {"task": "look", "schedule": 10.0}},
        task_publish_retry=False,
    )
    scheduler = HeartbeatScheduler(app=app, schedule_filename=str(tmp_path / "schedule"))
    scheduler.apply_entry(scheduler.schedule["look"])
    scheduler.close()
    assert said.getvalue().startswith("look was not sent: Valkey is away (")
    assert "Traceback" not in said.getvalue()


def test_a_traceback_goes_where_valkey_is_away_and_stays_where_the_code_is_wrong(said: StringIO):
    for error in (redis.ConnectionError("gone"), ValueError("odd")):
        try:
            raise error
        except Exception:
            logging.getLogger("somewhere").exception("it %s", "broke")
    first, second, *rest = said.getvalue().splitlines()
    assert (first, second) == ("it broke: Valkey is away (gone)", "it broke")
    assert rest[0].startswith("Traceback")


def test_what_is_logged_goes_through_it():
    assert settings.LOGGING["handlers"]["console"]["filters"] == ["plain outages"]
    assert settings.LOGGING["filters"]["plain outages"] == {"()": f"{PlainOutages.__module__}.PlainOutages"}


def test_a_message_of_a_connection_that_is_lost_is_an_outage_and_no_fault():
    from kombu.transport.redis import Channel

    import config.worker  # noqa: F401 - what it makes of Kombu

    channel = Channel.__new__(Channel)
    channel.connection = None
    with pytest.raises(redis.ConnectionError, match="is gone") as lost:
        channel._connparams()
    assert explain_outage(lost.value).startswith("Valkey is away")
