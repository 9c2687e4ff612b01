"""What the clock does to chats, with a clock that is passed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from audit.models import AuditEntry
from chats.expiring import announce_quiet_chats, end_overdue_chats
from chats.jobs import LOOK_BACK, expire_quiet_chats, expire_quiet_chats_at
from chats.models import Chat, ChatStatus
from chats.services import resume_chat
from config.celery import app
from sessions_app.filters import Filters
from sessions_app.kinds import Moment
from sessions_app.queries import page
from tests.announcements import read_announcements
from tests.factories.chats import ChatFactory
from tests.factories.workspace import TenantFactory
from workspace.actors import SYSTEM
from workspace.models import Tenant

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def chat(tenant: Tenant, age: timedelta, **fields: object) -> Chat:
    return ChatFactory(tenant=tenant, last_message_at=NOW - age, **fields)


def test_chats_that_went_quiet_since_the_last_look_are_announced(django_capture_on_commit_callbacks):
    tenant = TenantFactory()
    hasty = TenantFactory(quiet_after_minutes=5)
    ended = chat(tenant, 30 * MINUTE, ended=True)
    went = [chat(tenant, 30 * MINUTE), chat(tenant, 31 * MINUTE - SECOND)]
    early = chat(hasty, 5 * MINUTE)
    stay = [chat(tenant, 30 * MINUTE - SECOND), chat(tenant, 31 * MINUTE), chat(hasty, 30 * MINUTE)]
    with django_capture_on_commit_callbacks(execute=True):
        assert announce_quiet_chats(since=NOW - MINUTE, now=NOW) == 3
    assert sorted(read_announcements(tenant)) == sorted(("chat", str(each.pk)) for each in went)
    assert read_announcements(hasty) == [("chat", str(early.pk))]
    for each in [ended, *went, early, *stay]:
        before = (each.version, each.changed_at)
        each.refresh_from_db()
        assert (each.version, each.changed_at) == before


def test_the_list_is_right_without_any_worker():
    tenant = TenantFactory()
    quiet, live = chat(tenant, 30 * MINUTE), chat(tenant, 30 * MINUTE - SECOND)
    for at, expected in ((NOW, [live.pk]), (NOW - SECOND, [live.pk, quiet.pk]), (NOW + SECOND, [])):
        found = page(tenant=tenant, filters=Filters(tab="active"), moment=Moment.of(tenant, at))
        assert [row.id for row in found.rows] == expected


def test_no_chat_ends_where_no_limit_is_set():
    old = chat(TenantFactory(), timedelta(days=300))
    assert end_overdue_chats(now=NOW) == 0
    old.refresh_from_db()
    assert old.status == ChatStatus.IDLE


@pytest.mark.parametrize("state", ["idle", "awaiting_you", "awaiting_approval", "failed", "responding"])
def test_a_limit_ends_what_is_as_old_and_says_that_a_policy_did(state: str):
    tenant = TenantFactory(end_chats_after_minutes=60)
    old, young = chat(tenant, 60 * MINUTE, **{state: True}), chat(tenant, 60 * MINUTE - SECOND)
    assert end_overdue_chats(now=NOW) == 1
    old.refresh_from_db()
    assert (old.status, old.ended_at, old.waiting_reason) == (ChatStatus.ENDED, NOW, "")
    assert old.evidence[0]["text"].startswith("Ended by policy")
    assert old.evidence[-1] == {"label": "Set by", "text": "policy"}
    entry = AuditEntry.objects.get(object_id=old.pk)
    assert (entry.action, entry.actor_name, entry.changes["status"]) == ("end", "policy", [state, "ended"])
    young.refresh_from_db()
    assert young.status == ChatStatus.IDLE
    assert end_overdue_chats(now=NOW) == 0


def test_a_chat_that_a_worker_holds_is_not_ended():
    tenant = TenantFactory(end_chats_after_minutes=60)
    chat(tenant, 90 * MINUTE, responding=True, lease_holder="w", lease_expires_at=NOW + SECOND)
    assert end_overdue_chats(now=NOW) == 0
    assert end_overdue_chats(now=NOW + SECOND) == 1


def test_a_chat_that_was_opened_again_has_all_of_its_time_anew():
    tenant = TenantFactory(end_chats_after_minutes=60)
    old = chat(tenant, 90 * MINUTE)
    end_overdue_chats(now=NOW)
    resume_chat(tenant_id=tenant.pk, chat_id=old.pk, actor=SYSTEM, now=NOW + MINUTE)
    assert end_overdue_chats(now=NOW + 60 * MINUTE) == 0
    assert end_overdue_chats(now=NOW + 61 * MINUTE) == 1


def test_a_suspended_workspace_is_left_as_it_is():
    tenant = TenantFactory(end_chats_after_minutes=60, suspended_at=NOW)
    chat(tenant, 90 * MINUTE)
    chat(tenant, 30 * MINUTE)
    assert end_overdue_chats(now=NOW) == 0
    assert announce_quiet_chats(since=NOW - MINUTE, now=NOW) == 0


def test_one_run_of_the_job_does_both(django_capture_on_commit_callbacks):
    tenant = TenantFactory(end_chats_after_minutes=60)
    quiet, overdue = chat(tenant, 30 * MINUTE + LOOK_BACK - SECOND), chat(tenant, 90 * MINUTE)
    with django_capture_on_commit_callbacks(execute=True):
        expire_quiet_chats_at(NOW)
    assert {key for _, key in read_announcements(tenant)} == {str(quiet.pk), str(overdue.pk)}
    expire_quiet_chats()


def test_what_the_clock_does_waits_behind_no_run():
    router = app.amqp.router
    for due in ("chats.jobs.expire_quiet_chats", "flows.jobs.start_due_triggers"):
        assert router.route({}, due)["queue"].name == "default"
    assert router.route({}, "flows.jobs.advance")["queue"].name == "runs"
