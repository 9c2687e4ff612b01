"""Decisions at checkpoints: bound to what was seen, taken once, kept with a receipt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection

from audit.services import content_hash
from flows import services
from flows.models import FlowRun, RunStatus, StepRun
from flows.services import AlreadyDecided
from sessions_app.kinds import StaleVersion
from tests.flows.worlds import WORKER, World, audit_of, lines_of, picture_of, receipts_of, steps_of
from workspace.actors import Actor
from workspace.services import set_secret

DECISIONS = [
    (services.approve_checkpoint, "approved"),
    (services.skip_checkpoint, "skipped"),
    (services.reject_checkpoint, "rejected"),
]


def paused_at(world: World, position: int) -> FlowRun:
    run = world.start()
    world.call(services.begin_run, run)
    world.finish_steps(run, position - 1)
    world.call(services.pause_at_checkpoint, run)
    return FlowRun.objects.get(pk=run.pk)


def test_a_pause_asks_with_the_steps_message_and_binds_what_is_seen(world):
    run = world.run_that_is(RunStatus.PAUSED)
    step = StepRun.objects.get(run=run, position=3)
    assert (run.checkpoint_message, step.status) == ("Deploy it?", "paused")
    assert run.waiting_since == run.changed_at
    seen = services.see_checkpoint(run, step)
    assert run.checkpoint_hash == content_hash(seen)
    assert (seen["step"]["position"], seen["step"]["name"], seen["step"]["attempt"]) == (3, "deploy", 1)
    assert seen["step"]["skill"]["body"] == "make ship"
    assert [result["result"] for result in seen["results"]] == [{"exit_code": 0}, {"exit_code": 0}]
    line = lines_of(run)[-1]
    assert (line.kind, line.text, line.seq) == ("checkpoint", "Deploy it?", step.first_seq)


def test_a_pause_can_ask_with_words_and_arguments_of_its_own(world):
    run = world.start()
    world.call(services.begin_run, run)
    world.call(services.pause_at_checkpoint, run, message="Build all?", arguments={"target": "web"})
    run.refresh_from_db()
    assert run.checkpoint_message == "Build all?"
    assert StepRun.objects.get(run=run, position=1).parameters == {"target": "web"}
    world.decide(services.approve_checkpoint, run)
    world.call(services.finish_step, run)
    world.call(services.pause_at_checkpoint, run)
    run.refresh_from_db()
    assert run.checkpoint_message == "Go on with step 2. test (attempt 1)?"


def test_approving_sets_the_step_to_work(world):
    run = paused_at(world, 2)
    world.decide(services.approve_checkpoint, run)
    run.refresh_from_db()
    assert (run.status, run.step_position) == ("running", 2)
    assert (run.checkpoint_hash, run.checkpoint_message, run.waiting_since) == ("", "", None)
    step = StepRun.objects.get(run=run, position=2)
    assert (step.status, step.started_at) == ("running", world.now)


def test_skipping_passes_over_the_step(world):
    run = paused_at(world, 2)
    world.decide(services.skip_checkpoint, run)
    run.refresh_from_db()
    assert (run.status, run.step_position) == ("running", 3)
    assert steps_of(run)[1:] == [(2, 1, "skipped"), (3, 1, "pending")]


def test_skipping_the_last_step_completes_the_run_by_two_moves(world):
    run = paused_at(world, 3)
    world.decide(services.skip_checkpoint, run)
    run.refresh_from_db()
    assert (run.status, run.step_position, run.finished_at) == ("completed", 3, world.now)
    assert [(e.action, e.changes["status"]) for e in audit_of(run)[-2:]] == [
        ("skip", ["paused", "running"]),
        ("complete", ["running", "completed"]),
    ]


def test_rejecting_ends_the_run_with_the_comment_and_cancels_the_rest(world):
    run = paused_at(world, 2)
    world.decide(services.reject_checkpoint, run, comment="Wrong branch.\nUse main.")
    run.refresh_from_db()
    assert (run.status, run.finished_at) == ("rejected", world.now)
    assert run.error == f"Rejected by {world.owner.user.name}: Wrong branch."
    assert [status for *_, status in steps_of(run)] == ["completed", "cancelled", "cancelled"]


@pytest.mark.parametrize(("decide", "outcome"), DECISIONS)
def test_a_decision_leaves_a_receipt_of_who_decided_what_on_what_they_saw(world, decide, outcome):
    run = paused_at(world, 2)
    seen = services.see_checkpoint(run, StepRun.objects.get(run=run, position=2))
    world.decide(decide, run, comment="As discussed", actor=Actor.member(world.teammate.user))
    (receipt,) = receipts_of(run)
    assert (receipt.outcome, receipt.comment) == (outcome, "As discussed")
    assert receipt.decided_by_id == world.teammate.user_id
    assert (receipt.seen, receipt.content_hash) == (seen, run.checkpoint_hash)
    assert receipt.subject == "step 2 “test”"
    entry = next(entry for entry in audit_of(run) if entry.actor_id == world.teammate.user_id)
    line = next(line for line in lines_of(run) if line.seq == entry.entry_seq)
    assert (line.kind, line.data["outcome"]) == ("approval", outcome)
    assert line.text == f"{world.teammate.user.name} {outcome} step 2 “test”: As discussed"


@pytest.mark.parametrize(("decide", "_outcome"), DECISIONS)
def test_a_decision_on_another_version_is_refused(world, decide, _outcome):
    run = paused_at(world, 2)
    before = picture_of(run)
    with pytest.raises(StaleVersion):
        world.decide(decide, run, seen_version=run.version - 1)
    assert picture_of(run) == before


@pytest.mark.parametrize(("decide", "_outcome"), DECISIONS)
def test_a_decision_on_what_is_no_longer_shown_is_refused(world, decide, _outcome):
    run = paused_at(world, 2)
    StepRun.objects.filter(run=run, position=1).update(result={"exit_code": 1})
    before = picture_of(run)
    for seen_hash in (None, run.checkpoint_hash, "0" * 64):
        with pytest.raises(StaleVersion):
            world.decide(decide, run, seen_hash=seen_hash)
    assert picture_of(run) == before


def test_a_decision_on_what_is_shown_now_is_taken_by_its_hash(world):
    run = paused_at(world, 2)
    StepRun.objects.filter(run=run, position=1).update(result="[REMOVED]")
    shown = content_hash(services.see_checkpoint(run, StepRun.objects.get(run=run, position=2)))
    world.decide(services.approve_checkpoint, run, seen_hash=shown)
    assert receipts_of(run)[0].content_hash == shown
    assert [line.data["content_hash"] for line in lines_of(run) if line.kind == "approval"] == [shown]


def test_each_pause_has_a_hash_of_its_own(world):
    run = paused_at(world, 1)
    first = run.checkpoint_hash
    world.decide(services.approve_checkpoint, run)
    world.call(services.fail_step, run, error="Error")
    world.call(services.retry_run, run)
    world.call(services.pause_at_checkpoint, run)
    assert FlowRun.objects.get(pk=run.pk).checkpoint_hash != first


@pytest.mark.parametrize("actor", [WORKER, None])
def test_only_a_person_whom_the_flow_names_decides(world, actor):
    world.name_approver(world.admin)
    run = paused_at(world, 2)
    before = picture_of(run)
    with pytest.raises(PermissionDenied):
        world.decide(services.approve_checkpoint, run, actor=actor or world.actor)
    assert picture_of(run) == before
    world.decide(services.approve_checkpoint, run, actor=Actor.member(world.admin.user))


def test_no_agent_approves_where_any_member_may(world):
    run = paused_at(world, 2)
    with pytest.raises(PermissionDenied):
        world.decide(services.approve_checkpoint, run, actor=WORKER)


def test_who_comes_second_is_told_what_was_decided_and_by_whom(world):
    run = paused_at(world, 3)
    world.decide(services.skip_checkpoint, run, actor=Actor.member(world.teammate.user))
    before = picture_of(run)
    with pytest.raises(AlreadyDecided) as refused:
        world.decide(services.approve_checkpoint, run, seen_version=run.version)
    receipt = receipts_of(run)[0]
    when = f"{receipt.created_at:%-d %b %Y, %H:%M} UTC"
    said = f"skipped by {world.teammate.user.name}, {when}. The run is completed now."
    assert said in str(refused.value)
    assert picture_of(run) == before


def test_a_credential_in_a_comment_is_kept_by_its_name(world):
    value = "-".join(["correct", "horse", "battery"])
    set_secret(tenant_id=world.tenant.pk, name="DEPLOY_KEY", value=value, actor=world.actor)
    run = paused_at(world, 2)
    world.decide(services.reject_checkpoint, run, comment=f"{value} leaks")
    run.refresh_from_db()
    assert run.error.endswith("[DEPLOY_KEY] leaks")
    assert receipts_of(run)[0].comment == "[DEPLOY_KEY] leaks"
    assert value not in str([line.text for line in lines_of(run)])


@pytest.mark.django_db(transaction=True)
def test_two_people_at_once_approve_once_and_the_second_learns_by_whom():
    world = World()
    run = paused_at(world, 3)
    barrier, outcomes = threading.Barrier(2), []

    def approve(actor: Actor) -> None:
        try:
            barrier.wait()
            services.approve_checkpoint(
                tenant_id=world.tenant.pk, run_id=run.pk, actor=actor, seen_version=run.version
            )
            outcomes.append((actor.name, "approved"))
        except AlreadyDecided as refused:
            outcomes.append((actor.name, refused.outcome, refused.decided_by))
        finally:
            connection.close()

    people = [Actor.member(member.user) for member in (world.owner, world.teammate)]
    threads = [threading.Thread(target=approve, args=[actor]) for actor in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = sorted(outcomes, key=len)
    assert first[1:] == ("approved",)
    assert second[1:] == ("approved", first[0])
    assert {first[0], second[0]} == {actor.name for actor in people}
    assert len(receipts_of(run)) == 1
    assert steps_of(run)[2] == (3, 1, "running")


@pytest.mark.django_db(transaction=True)
def test_an_approval_and_a_cancel_at_once_leave_a_cancelled_run_and_nothing_at_work():
    world = World()
    run = paused_at(world, 2)
    barrier, approved = threading.Barrier(2), []

    def call(service: Callable[..., object], **given: Any) -> None:
        try:
            barrier.wait()
            service(tenant_id=world.tenant.pk, run_id=run.pk, actor=world.actor, **given)
        finally:
            connection.close()

    def approve() -> None:
        with suppress(StaleVersion):
            call(services.approve_checkpoint, seen_version=run.version)
            approved.append(True)

    threads = [threading.Thread(target=approve), threading.Thread(target=call, args=[services.cancel_run])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert steps_of(run) == [(1, 1, "completed"), (2, 1, "cancelled"), (3, 1, "cancelled")]
    assert FlowRun.objects.get(pk=run.pk).status == "cancelled"
    assert len(receipts_of(run)) == len(approved)
