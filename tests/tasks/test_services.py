"""What the services of a task write beside its status."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.models import Profile
from audit.entries import EntryKind, NewEntry
from audit.imports import Delivery
from audit.models import AuditEntry, DecisionReceipt, TranscriptEntry
from audit.services import content_hash
from sessions_app.kinds import IllegalMove
from tasks import services
from tasks.deciding import describe_decision
from tasks.models import BackgroundTask, TaskStatus, WaitingOn
from tests.factories.agents import ProfileFactory
from tests.factories.chats import ChatFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import InitiativeFactory, MembershipFactory, PlanFactory
from workspace.actors import SYSTEM, Actor
from workspace.models import Initiative, Membership, Plan, Secret
from workspace.placement import Placement
from workspace.services import set_secret

pytestmark = pytest.mark.django_db


def create(seat: Membership, **more: Any) -> BackgroundTask:
    values = {"placement": Placement(owner_id=seat.user_id), "title": "Fix the build", **more}
    return services.create_task(tenant_id=seat.tenant_id, actor=Actor.member(seat.user), **values)


def make(state: str, **more: Any) -> tuple[BackgroundTask, dict[str, Any]]:
    task = BackgroundTaskFactory(**{state: True}, **more)
    key = {"tenant_id": task.tenant_id, "task_id": task.pk, "actor": Actor.member(task.owner)}
    return task, key


def test_a_new_task_is_queued_and_says_why() -> None:
    seat = MembershipFactory()
    plan = PlanFactory(tenant=seat.tenant, under_initiative=True)
    placement = Placement(owner_id=seat.user_id, initiative_id=plan.initiative_id, plan_id=plan.pk)
    profile = ProfileFactory(tenant=seat.tenant)
    task = create(seat, placement=placement, profile_id=profile.pk, prompt="Make it green.", repo="acme/api")
    task.refresh_from_db()
    assert (task.status, task.version, task.is_folded) == ("queued", 1, False)
    assert (task.owner, task.plan, task.initiative, task.profile) == (
        seat.user,
        plan,
        plan.initiative,
        profile,
    )
    assert (task.prompt, task.repo, task.origin) == ("Make it green.", "acme/api", "web")
    assert task.evidence[0] == {"label": "Rule", "text": "It stands in the queue."}
    assert AuditEntry.objects.get(object_id=task.pk).changes == {"status": [None, "queued"]}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda: {"placement": Placement(owner_id=MembershipFactory().user_id)}, Membership.DoesNotExist),
        (lambda: {"profile_id": ProfileFactory().pk}, Profile.DoesNotExist),
        (lambda: {"initiative_id": InitiativeFactory().pk}, Initiative.DoesNotExist),
        (lambda: {"plan_id": PlanFactory().pk}, Plan.DoesNotExist),
    ],
)
def test_a_task_is_not_made_with_what_another_tenant_owns(wrong: Any, error: type[Exception]) -> None:
    seat = MembershipFactory()
    values = wrong()
    if "initiative_id" in values or "plan_id" in values:
        values = {"placement": Placement(owner_id=seat.user_id, **values)}
    with pytest.raises(error):
        create(seat, **values)
    assert not BackgroundTask.objects.exists()


def test_titles_and_errors_are_one_line_and_no_longer_than_the_list_shows() -> None:
    seat = MembershipFactory()
    task = create(seat, title="Fix\n the   build " + "x" * 400)
    assert task.title.startswith("Fix the build xxx")
    assert len(task.title) == 300
    failed = services.fail(
        tenant_id=seat.tenant_id,
        task_id=task.pk,
        actor=SYSTEM,
        error="\n  Error: " + "y" * 600 + "\nTraceback",
    )
    assert failed.error.startswith("Error: yyy")
    assert len(failed.error) == 500
    assert create(seat, title=" \n ").title == "Untitled"


def test_a_known_secret_reaches_no_column_and_no_record() -> None:
    seat = MembershipFactory(admin=True)
    value = "-".join(["swordfish", uuid.uuid4().hex])
    me = Actor.member(seat.user)
    set_secret(tenant_id=seat.tenant_id, name="DEPLOY_KEY", value=value, actor=me)
    task = create(seat, title=f"Use {value}", prompt=f"with {value}", repo=f"https://{value}@host.example/r")
    key = {"tenant_id": seat.tenant_id, "task_id": task.pk, "actor": me}
    services.start_provisioning(**key, substate=f"login {value}")
    services.start(**key)
    services.wait(**key, on=WaitingOn.INPUT, reason=f"is it {value}?")
    services.answer(**key, text=f"it is {value}")
    done = services.complete(**key, result=f"used {value}", needs_review=True)
    services.send_back(**key, seen_version=done.version, comment=f"not {value}")
    services.fail(**key, error=f"bad key {value}")
    stored = [
        *BackgroundTask.objects.values(),
        *AuditEntry.objects.values(),
        *TranscriptEntry.objects.values(),
        *DecisionReceipt.objects.values(),
    ]
    assert value not in str(stored)
    assert "DEPLOY_KEY" in str(stored)
    assert Secret.objects.count() == 1


def test_a_start_says_when_and_ends_the_sub_step() -> None:
    task, key = make("provisioning")
    now = timezone.now()
    assert services.start(**key, now=now).started_at == now
    task.refresh_from_db()
    assert (task.substate, task.changed_at) == ("", now)


@pytest.mark.parametrize("on", WaitingOn)
def test_a_waiting_task_says_on_what_and_why_and_forgets_it_after(on: WaitingOn) -> None:
    parent, key = make("running", child_count=1)
    now = timezone.now()
    task = services.wait(**key, on=on, reason="Because.\nMore.", now=now)
    assert (task.waiting_on, task.waiting_reason, task.waiting_since) == (on, "Because.", now)
    assert AuditEntry.objects.get(object_id=parent.pk).changes == {
        "status": ["running", "waiting"],
        "waiting_on": ["", str(on)],
        "waiting_reason": ["", "Because."],
    }
    cancelled = services.cancel(**key)
    assert (cancelled.waiting_on, cancelled.waiting_reason, cancelled.waiting_since) == ("", "", None)


@pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
def test_an_end_sets_its_time_and_lets_the_lease_go(end: str) -> None:
    now = timezone.now()
    _, key = make("running", lease_holder="worker-1", lease_expires_at=now)
    extra = {"error": "Error: no"} if end == "fail" else {}
    task = getattr(services, end)(**key, now=now, **extra)
    assert (task.finished_at, task.lease_holder, task.lease_expires_at) == (now, "", None)


def test_a_dismissed_task_keeps_its_end_and_its_error() -> None:
    failed, key = make("failed")
    task = services.dismiss(**key)
    assert (task.finished_at, task.error) == (failed.finished_at, failed.error)
    assert not DecisionReceipt.objects.exists()


def test_a_retry_leaves_nothing_of_the_end() -> None:
    _, key = make("failed", turn_count=7)
    task = services.retry(**key)
    assert (task.error, task.started_at, task.finished_at, task.turn_count) == ("", None, None, 7)


def test_an_answer_stands_in_the_transcript_where_the_audit_entry_points() -> None:
    task, key = make("waiting_input")
    services.answer(**key, text="The second one.")
    line = TranscriptEntry.objects.get(transcript__session_id=task.pk)
    assert (line.kind, line.role, line.text) == ("message", "user", "The second one.")
    assert AuditEntry.objects.get(object_id=task.pk).entry_seq == line.seq


DECISIONS = [
    ("waiting_review", services.accept, {"comment": "Good."}, "approved", "accept"),
    ("waiting_review", services.send_back, {"comment": "Shorter."}, "rejected", "send_back"),
    ("waiting_review", services.dismiss, {"comment": "Not needed."}, "rejected", "dismiss"),
    ("waiting_approval", services.decide_approval, {"is_approved": True}, "approved", "approve"),
    ("waiting_approval", services.decide_approval, {"is_approved": False}, "rejected", "deny"),
]


@pytest.mark.parametrize(("state", "decide", "extra", "outcome", "move"), DECISIONS)
def test_a_decision_keeps_what_was_seen_and_who_decided(
    state: str, decide: Any, extra: dict[str, Any], outcome: str, move: str
) -> None:
    task, key = make(state, result="It is done.")
    seen = describe_decision(task)
    assert seen["reason_hash"] == content_hash(task.waiting_reason)
    decide(**key, seen_version=task.version, **extra)
    receipt = DecisionReceipt.objects.get(session_kind="background_task", session_id=task.pk)
    assert (receipt.outcome, receipt.comment) == (outcome, extra.get("comment", ""))
    assert (receipt.decided_by_id, receipt.subject) == (task.owner_id, task.waiting_reason)
    assert (receipt.seen, receipt.content_hash) == (seen, content_hash(seen))
    line = TranscriptEntry.objects.get(transcript__session_id=task.pk)
    assert (line.kind, line.data["decision"]) == ("approval", move)
    assert AuditEntry.objects.get(object_id=task.pk).entry_seq == line.seq


@pytest.mark.parametrize(("state", "decide", "extra", "outcome", "move"), DECISIONS)
def test_only_a_member_decides(
    state: str, decide: Any, extra: dict[str, Any], outcome: str, move: str
) -> None:
    task, key = make(state)
    with pytest.raises(ValueError, match="for a member to decide"):
        decide(**key | {"actor": Actor.agent("reviewer")}, seen_version=task.version, **extra)
    task.refresh_from_db()
    assert task.version == 1
    assert not DecisionReceipt.objects.exists()


def test_progress_moves_no_version_and_writes_no_audit_entry() -> None:
    task, key = make("running")
    now = timezone.now() + timedelta(seconds=5)
    del key["actor"]
    services.record_progress(**key, turn_count=12, files_touched=3, substate="Testing", now=now)
    services.record_progress(**key, turn_count=13, now=now)
    task.refresh_from_db()
    assert (task.turn_count, task.files_touched, task.substate) == (13, 3, "Testing")
    assert (task.version, task.changed_at) == (1, now)
    assert not AuditEntry.objects.exists()


def test_progress_brings_what_the_agent_said_and_did() -> None:
    task, key = make("running")
    del key["actor"]
    said = NewEntry(kind=EntryKind.MESSAGE, native_id="m1", role="assistant", text="On it.")
    services.record_progress(**key, delivery=Delivery(entries=[said]))
    assert TranscriptEntry.objects.get(transcript__session_id=task.pk).text == "On it."


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled", "dismissed", "unknown"])
def test_progress_of_a_task_that_is_over_is_refused(state: str) -> None:
    _, key = make(state)
    del key["actor"]
    with pytest.raises(IllegalMove, match="record_progress is not possible; allowed: "):
        services.record_progress(**key, turn_count=1)


BAD_ROWS = [
    {"status": "resting"},
    {"waiting_on": "input"},
    {"status": "waiting"},
    {"status": "waiting", "waiting_on": "tea", "waiting_since": timezone.now()},
    {"status": "waiting", "waiting_on": "input"},
    {"child_done_count": 1},
    {"is_carrier": True},
    {"is_carrier": True, "source_id": uuid.uuid4()},
]


@pytest.mark.parametrize("bad", BAD_ROWS)
def test_the_database_refuses_a_row_that_makes_no_sense(bad: dict[str, Any]) -> None:
    task = BackgroundTaskFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        BackgroundTask.objects.filter(pk=task.pk).update(**bad)


def test_one_source_is_carried_by_one_live_task() -> None:
    seat = MembershipFactory()
    chat = ChatFactory(tenant=seat.tenant)
    carrier = {"source": services.Source(kind="chat", id=chat.pk), "is_carrier": True}
    first = create(seat, **carrier)
    with pytest.raises(IntegrityError), transaction.atomic():
        create(seat, **carrier)
    BackgroundTask.objects.filter(pk=first.pk).update(status=TaskStatus.COMPLETED)
    assert create(seat, **carrier).status == "queued"
