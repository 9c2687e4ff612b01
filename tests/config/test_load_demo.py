"""The demo shows everything that there is, and came about by legal moves alone."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from audit.models import AuditEntry, DecisionReceipt, RedactionFinding, Transcript, TranscriptEntry
from chats.states import MOVES as CHAT_MOVES
from config.demo.loading import LoadedDemo, load_demo
from config.demo.stage import SECRET_NAME
from flows.models import Artifact, FlowRun, StepRun
from flows.moves import MOVES as RUN_MOVES
from flows.moves import STEP_MOVES
from sessions_app.kinds import Moment, SessionModel
from sessions_app.registry import get_kind
from tasks.models import BackgroundTask
from tasks.states import MOVES as TASK_MOVES
from workspace.models import Initiative, Membership, Plan, Secret, Tenant
from workspace.sealing import unseal

pytestmark = pytest.mark.django_db

KINDS = {"flow_run": RUN_MOVES, "background_task": TASK_MOVES, "chat": CHAT_MOVES}


@pytest.fixture(scope="module")
def now() -> datetime:
    return timezone.now()


@pytest.fixture(scope="module", autouse=True)
def demo(now, django_db_setup, django_db_blocker) -> Iterator[LoadedDemo]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield load_demo(now)
        transaction.set_rollback(True)


def sessions_of(kind: str) -> list[SessionModel]:
    return list(get_kind(kind).model._default_manager.all())


def moves_of(kind: str, session: SessionModel) -> list[AuditEntry]:
    """The audit entries that say a status of this session, oldest first."""
    entries = AuditEntry.objects.filter(session_kind=kind, session_id=session.pk, object_kind=kind)
    return [entry for entry in entries.order_by("id") if "status" in entry.changes]


def state_after(entry: AuditEntry, waiting_on: str) -> tuple[str, str]:
    """The status and what it waits on, once this entry has happened."""
    return entry.changes["status"][1], entry.changes.get("waiting_on", ["", waiting_on])[1]


def test_there_are_sessions_of_every_kind(demo):
    assert demo.is_new
    assert demo.sessions.keys() == KINDS.keys()
    assert 40 <= sum(demo.sessions.values()) <= 65
    assert min(demo.sessions.values()) >= 15


@pytest.mark.parametrize("key", KINDS)
def test_every_status_of_a_kind_is_there_and_both_bands(key, now):
    kind, sessions = get_kind(key), sessions_of(key)
    assert {str(session.status) for session in sessions} == set(kind.statuses)
    moment = Moment.of(Tenant.objects.get(), now)
    assert {kind.is_live(session, moment) for session in sessions} == {True, False}


@pytest.mark.parametrize("kind", KINDS)
def test_every_status_was_reached_by_legal_moves_that_are_on_record(kind):
    for session in sessions_of(kind):
        if getattr(session, "is_carrier", False):
            continue  # it makes the moves of its source
        first, *later = moves_of(kind, session)
        assert first.changes["status"][0] is None
        status, waiting_on = state_after(first, "")
        for entry in later:
            move = KINDS[kind][entry.action]
            assert entry.changes["status"][0] == status
            assert (f"{status}/{waiting_on}" if waiting_on else status) in move.sources
            status, waiting_on = state_after(entry, waiting_on)
            assert status == move.target
        assert status == session.status
        assert session.version == 1 + len(later)


def test_every_status_of_a_step_was_reached_in_its_run():
    """A step that stands still pending belongs to a run that has not come to it, or failed before it."""
    targets = {move.target for move in STEP_MOVES.values()}
    assert set(StepRun.objects.values_list("status", flat=True)) == targets | {"pending"}
    for run in FlowRun.objects.filter(status="completed"):
        ends = set(run.step_runs.values_list("status", flat=True))
        assert ends <= {"completed", "skipped", "failed"}
    assert StepRun.objects.filter(attempt=2, status="completed").exists()


def test_a_task_of_unknown_end_was_imported():
    (task,) = BackgroundTask.objects.filter(status="unknown")
    (entry,) = moves_of("background_task", task)
    assert entry.action == "import"


def test_a_fan_out_has_three_of_five_done():
    (parent,) = BackgroundTask.objects.filter(child_count__gt=0)
    assert (parent.child_count, parent.child_done_count, parent.state) == (5, 3, "waiting/children")
    ended = Counter(parent.children.values_list("status", flat=True))
    assert ended == {"completed": 3, "running": 1, "provisioning": 1}
    calls = TranscriptEntry.objects.filter(transcript__session_id=parent.pk, tool_name="Task")
    assert set(calls.values_list("call_id", flat=True)) == set(
        parent.children.values_list("source_call_id", flat=True)
    )


def test_a_checkpoint_waits_and_decisions_have_receipts():
    assert FlowRun.objects.filter(status="paused").exclude(checkpoint_hash="").count() >= 1
    outcomes = set(DecisionReceipt.objects.values_list("outcome", flat=True))
    assert {"approved", "rejected", "skipped"} <= outcomes


def test_goals_people_and_roles_are_there():
    assert (Initiative.objects.count(), Plan.objects.count()) == (3, 4)
    roles = dict(Membership.objects.values_list("user__email", "role"))
    assert roles == {
        "owner@example.com": "admin",
        "teammate@example.com": "member",
        "viewer@example.com": "viewer",
    }
    for kind in KINDS:
        owners = {session.owner_id for session in sessions_of(kind)}
        assert len(owners) == 2
        assert any(session.plan_id for session in sessions_of(kind))
        assert any(session.initiative_id and not session.plan_id for session in sessions_of(kind))


def test_transcripts_hold_every_kind_of_line_and_tokens_of_two_models():
    kinds = set(TranscriptEntry.objects.values_list("kind", flat=True))
    assert kinds >= {
        "message",
        "thinking",
        "tool_call",
        "tool_result",
        "file_edit",
        "checkpoint",
        "approval",
        "status",
        "error",
    }
    edits = TranscriptEntry.objects.filter(kind="file_edit")
    assert edits.exclude(before="").exclude(after="").exists()
    assert not edits.filter(before=None).exists()
    assert TranscriptEntry.objects.filter(kind="tool_result", is_error=True).exists()
    with_tokens = Transcript.objects.filter(input_tokens__gt=0, output_tokens__gt=0)
    assert with_tokens.values("model_last").distinct().count() == 2
    assert not Artifact.objects.exists()


def test_problems_say_what_happened():
    for key in KINDS:
        statuses = get_kind(key).statuses
        problems = [row for row in sessions_of(key) if statuses[str(row.status)].tone == "problem"]
        assert problems
        assert all(row.error for row in problems)


def test_nothing_is_told_of_the_future_and_the_past_is_days_long(now):
    changed = [session.changed_at for kind in KINDS for session in sessions_of(kind)]
    times = TranscriptEntry.objects.exclude(occurred_at=None).values_list("occurred_at", flat=True)
    assert max(*changed, *times) <= now
    assert now - min(changed) > timedelta(days=3)


def test_no_worker_is_made_up():
    for kind in KINDS:
        model = get_kind(kind).model._default_manager
        assert not model.exclude(lease_holder="").exists()
        assert not model.exclude(lease_expires_at=None).exists()


def test_the_credential_shows_by_its_name_and_its_value_is_nowhere():
    secret = Secret.objects.get(name=SECRET_NAME)
    value = unseal(bytes(secret.sealed), key_id=secret.key_id, tenant_id=secret.tenant_id, name=secret.name)
    finding = RedactionFinding.objects.get(name=SECRET_NAME)
    assert finding.is_known
    assert f"[{SECRET_NAME}]" in finding.entry.text
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            quoted = connection.ops.quote_name(table)
            cursor.execute(f"SELECT count(*) FROM {quoted} AS row WHERE row::text LIKE %s", [f"%{value}%"])
            assert cursor.fetchone() == (0,), table


def test_a_second_load_says_that_it_is_there_and_changes_nothing(demo):
    def count_everything() -> dict[str, int]:
        with connection.cursor() as cursor:
            counts = {}
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")
                counts[table] = cursor.fetchone()[0]
        return counts

    before = count_everything()
    written = io.StringIO()
    call_command("load_demo", stdout=written)
    assert "is there already, unchanged: " in written.getvalue()
    written = io.StringIO()
    call_command("load_demo", "--json", stdout=written)
    assert json.loads(written.getvalue()) == {
        "workspace": "demo",
        "owner": "owner@example.com",
        "is_new": False,
        "sessions": demo.sessions,
    }
    assert count_everything() == before
