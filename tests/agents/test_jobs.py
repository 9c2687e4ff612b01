"""The folders of sessions go some days after the sessions have ended, and never before."""

from __future__ import annotations

import os
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as all_settings
from django.utils import timezone

from agents.folders import prepare_folder, session_folder, side_folder
from agents.jobs import forget_old_folders, has_ended
from config.celery import app
from tests.factories.chats import ChatFactory
from tests.flows.worlds import World

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ("pending", False),
        ("running", False),
        ("paused", False),
        ("blocked", False),
        ("interrupted", False),
        ("completed", True),
        ("failed", True),
        ("rejected", True),
        ("cancelled", True),
    ],
)
def test_a_run_has_ended_when_nobody_goes_on_with_it(status, ended):
    world = World()
    run = world.run_that_is(status)
    assert has_ended(run.tenant_id, run.pk) is ended
    assert has_ended(uuid.uuid4(), run.pk) is True


def test_a_chat_that_is_idle_has_not_ended():
    chat = ChatFactory(status="idle")
    assert has_ended(chat.tenant_id, chat.pk) is False


def test_old_folders_of_ended_runs_are_removed_by_the_clock(settings, tmp_path: Path):
    settings.WORK_DIR, settings.WORK_KEEP_DAYS = tmp_path / "work", 3
    world = World()
    done, paused = world.run_that_is("completed"), world.run_that_is("paused")
    for run in (done, paused):
        folder = prepare_folder(session_folder(run.tenant_id, run.pk)).path
        then = (timezone.now() - timedelta(days=4)).timestamp()
        os.utime(side_folder(folder) / "ready.json", (then, then))
    forget_old_folders()
    assert [session_folder(run.tenant_id, run.pk).exists() for run in (done, paused)] == [False, True]


def test_the_clock_knows_the_job():
    entry = all_settings.CELERY_BEAT_SCHEDULE["forget old folders"]
    app.loader.import_default_modules()
    assert entry["task"] in app.tasks
