"""Flow runs as the lens sees them: statuses, bands, progress, what they wait for, and who may do what."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.models import FlowRun, RunStatus
from flows.moves import KIND
from sessions_app.kinds import IllegalMove, Moment, StaleVersion
from sessions_app.registry import get_kind
from tests.factories.flows import FlowRunFactory
from tests.factories.workspace import MembershipFactory
from tests.flows.worlds import receipts_of
from workspace.actors import Actor
from workspace.models import Membership

MOMENT = Moment(datetime(2026, 3, 2, tzinfo=UTC))


@pytest.fixture
def kind():
    return get_kind(KIND)


def names(kind, run: FlowRun, member: Membership) -> list[str]:
    return [action.name for action in kind.actions(run, member)]


def test_every_status_has_its_tone_label_and_icon(kind):
    tones = {status: info.tone.value for status, info in kind.statuses.items()}
    assert tones == {
        "pending": "active",
        "running": "active",
        "paused": "attention",
        "blocked": "attention",
        "interrupted": "attention",
        "completed": "success",
        "failed": "problem",
        "rejected": "problem",
        "cancelled": "neutral",
    }
    assert tones.keys() == set(RunStatus.values)
    assert all(info.label and info.icon for info in kind.statuses.values())
    assert len({info.icon for info in kind.statuses.values()}) == len(tones)
    assert [status for status, info in kind.statuses.items() if info.is_working] == ["running"]


@pytest.mark.django_db
def test_the_live_band_is_pending_running_and_paused_in_sql_and_in_python(kind):
    runs = {status: FlowRunFactory(**{status: True}) for status in RunStatus.values}
    live = {"pending", "running", "paused"}
    (rest,) = kind.rest_qs(MOMENT)
    assert set(FlowRun.objects.filter(kind.live_q(MOMENT)).values_list("status", flat=True)) == live
    assert set(FlowRun.objects.filter(rest).values_list("status", flat=True)) == runs.keys() - live
    assert {status for status, run in runs.items() if kind.is_live(run, MOMENT)} == live


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "done"),
    [("pending", 0), ("running", 1), ("paused", 1), ("failed", 1), ("cancelled", 1), ("completed", 5)],
)
def test_progress_counts_the_steps_before_the_current_one(kind, status, done):
    run = FlowRunFactory(flow__step_count=5, **{status: True})
    progress = kind.progress(run)
    assert (progress.done, progress.total) == (done, 5)
    assert progress.label == f"Step {run.step_position} of 5"


@pytest.mark.django_db
def test_a_waiting_run_says_on_what_and_since_when(kind):
    waiting = {
        "paused": "approval: Deploy to production?",
        "blocked": "its owner",
        "interrupted": "its owner",
    }
    for status in RunStatus.values:
        run = FlowRunFactory(**{status: True})
        words, since = kind.waiting_on(run)
        assert words == waiting.get(status, "")
        assert since == (run.changed_at if words else None)


@pytest.mark.django_db
def test_the_row_offers_review_or_resume(kind):
    offered = {}
    for status in RunStatus.values:
        action = kind.primary_action(FlowRunFactory(**{status: True}))
        offered[status] = action.label if action else None
    assert {status: label for status, label in offered.items() if label} == {
        "paused": "Review",
        "blocked": "Resume",
        "interrupted": "Resume",
    }


DECISIONS = ["approve", "edit", "skip", "reject"]


@pytest.mark.parametrize(
    ("status", "owner", "teammate"),
    [
        ("pending", ["background", "cancel"], []),
        ("running", ["background", "cancel"], []),
        ("paused", [*DECISIONS, "background", "cancel"], DECISIONS),
        ("blocked", ["resume", "background", "cancel"], []),
        ("interrupted", ["resume", "background", "cancel"], []),
        ("failed", ["retry"], []),
        ("completed", [], []),
        ("rejected", [], []),
        ("cancelled", [], []),
    ],
)
def test_actions_go_by_status_and_seat(kind, world, status, owner, teammate):
    run = world.run_that_is(status)
    assert names(kind, run, world.owner) == owner
    assert names(kind, run, world.admin) == owner
    assert names(kind, run, world.teammate) == teammate
    assert names(kind, run, world.viewer) == []
    assert names(kind, run, MembershipFactory(admin=True)) == []


def test_only_named_approvers_decide(kind, world):
    world.name_approver(world.teammate)
    run = world.run_that_is(RunStatus.PENDING)
    run.status = RunStatus.PAUSED
    assert names(kind, run, world.teammate) == DECISIONS
    assert names(kind, run, world.owner) == names(kind, run, world.admin) == ["background", "cancel"]


@pytest.mark.parametrize(
    ("name", "status", "ends_in"),
    [
        ("approve", "paused", "running"),
        ("skip", "paused", "completed"),
        ("reject", "paused", "rejected"),
        ("resume", "blocked", "running"),
        ("retry", "failed", "running"),
        ("cancel", "running", "cancelled"),
    ],
)
def test_an_action_is_performed_and_said(kind, world, name, status, ends_in):
    run = world.run_that_is(status)
    given = {"session_id": run.pk, "actor": world.actor, "tenant_id": world.tenant.pk, "comment": "Because"}
    if name != "cancel":
        with pytest.raises(StaleVersion):
            kind.perform(name, version=run.version - 1, **given)
    said = kind.perform(name, version=run.version, **given)
    run.refresh_from_db()
    assert run.status == ends_in
    assert said.endswith(".")
    assert [receipt.comment for receipt in receipts_of(run)] == ["Because"] * (status == "paused")
    with pytest.raises((IllegalMove, StaleVersion)):
        kind.perform(name, version=run.version, **given)


def test_an_action_that_no_run_has_is_an_error(kind, world):
    run = world.start()
    with pytest.raises(ValueError, match="no action 'review'"):
        kind.perform(
            "review",
            session_id=run.pk,
            actor=Actor.member(world.owner.user),
            tenant_id=world.tenant.pk,
            version=1,
            comment="",
        )


def test_a_list_reads_runs_without_their_long_columns(kind, world, django_assert_num_queries):
    ids = [world.start().pk for _ in range(3)]
    with django_assert_num_queries(1):
        found = kind.hydrate(world.tenant.pk, ids)
        assert [kind.progress(found[pk]).label for pk in ids] == ["Step 1 of 3"] * 3
        assert {"snapshot", "parameters"} <= found[ids[0]].get_deferred_fields()
