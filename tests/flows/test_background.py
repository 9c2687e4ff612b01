"""Runs in the background: a task carries each, from its start or from where it was sent there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.runtimes import Outcome, Performance, Stop, Work
from audit.entries import EntryKind, NewEntry
from audit.imports import Delivery
from flows import services
from flows.models import FlowRun, RunStatus
from flows.moves import AS_TASK, KIND
from flows.services.background import CAN_GO
from sessions_app.filters import Filters
from sessions_app.kinds import ANY_MEMBER, IllegalMove, Moment
from sessions_app.queries import page
from sessions_app.registry import get_kind
from tasks import services as task_services
from tasks.models import BackgroundTask
from tests.flows.worlds import World, audit_of, lines_of, receipts_of
from workspace.actors import Actor
from workspace.models import Membership


def carrier_of(run: FlowRun) -> BackgroundTask:
    return BackgroundTask.objects.get(source_kind=KIND, source_id=run.pk, is_carrier=True)


def fresh(run: FlowRun) -> FlowRun:
    return FlowRun.objects.get(pk=run.pk)


def send(world: World, run: FlowRun) -> BackgroundTask:
    world.call(services.send_to_background, run, actor=world.actor)
    return carrier_of(run)


def say(world: World, run: FlowRun, *texts: str) -> None:
    entries = [
        NewEntry(kind=EntryKind.MESSAGE, native_id=f"m:{text}", role="assistant", text=text) for text in texts
    ]
    services.add_entries(
        tenant_id=world.tenant.pk, run_id=run.pk, delivery=Delivery(entries=entries), now=world.tick()
    )


def finish(world: World, run: FlowRun) -> None:
    """Walk a run that has begun to its end."""
    world.finish_steps(run, 3)
    world.call(services.complete_run, run)


def ask_for_a_review(world: World) -> None:
    design = replace(services.read_design(world.flow), wants_review=True)
    services.update_flow(tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=world.actor, design=design)


def in_review(world: World) -> tuple[FlowRun, BackgroundTask]:
    ask_for_a_review(world)
    run = world.start(run_mode="background")
    world.call(services.begin_run, run)
    finish(world, run)
    return fresh(run), carrier_of(run)


def offered(session: FlowRun | BackgroundTask, member: Membership) -> set[str]:
    kind = get_kind(KIND if isinstance(session, FlowRun) else "background_task")
    return {action.name for action in kind.actions(session, member)}


def test_a_flow_whose_mode_is_background_starts_its_runs_under_a_task(world):
    design = replace(services.read_design(world.flow), run_mode="background")
    services.update_flow(tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=world.actor, design=design)
    run = world.start(title="Nightly")
    task = carrier_of(run)
    assert run.is_folded
    assert (task.title, task.status, task.owner_id) == ("Nightly", "queued", run.owner_id)


def test_a_run_in_the_background_is_one_row_of_the_list(world):
    run = world.start(run_mode="background")
    found = page(tenant=world.tenant, filters=Filters(), moment=Moment(world.now))
    assert [row.key for row in found.rows] == [f"background_task:{carrier_of(run).pk}"]
    asked = page(tenant=world.tenant, filters=Filters().only("kind", KIND), moment=Moment(world.now))
    assert [row.key for row in asked.rows] == [f"{KIND}:{run.pk}"]


@pytest.mark.parametrize("status", sorted(CAN_GO))
def test_a_run_that_has_moved_already_is_carried_in_the_state_that_it_is_in(world, status):
    run = world.run_that_is(status)
    task = send(world, run)
    wanted, waiting_on = AS_TASK[status]
    assert (task.status, task.waiting_on) == (wanted, waiting_on or "")
    assert task.waiting_reason == (run.checkpoint_message or run.error)
    now = fresh(run)
    assert (now.status, now.version, now.checkpoint_hash) == (status, run.version, run.checkpoint_hash)
    assert now.is_folded


@pytest.mark.parametrize("status", sorted(set(RunStatus) - CAN_GO))
def test_a_run_that_has_ended_goes_nowhere(world, status):
    run = world.run_that_is(status)
    with pytest.raises(IllegalMove, match="background"):
        send(world, run)
    assert not fresh(run).is_folded
    assert "background" not in offered(run, world.owner)


def test_who_sends_it_there_stands_on_record_and_it_is_sent_once(world):
    run = world.run_that_is(RunStatus.RUNNING)
    send(world, run)
    assert lines_of(run)[-1].text == f"{world.owner.user.name} sent the run to the background"
    assert audit_of(run)[-1].action == "send_to_background"
    with pytest.raises(IllegalMove, match="in the background"):
        send(world, run)
    assert BackgroundTask.objects.count() == 1


def test_only_the_owner_and_admins_are_offered_to_send_a_watched_run_away(world):
    run = world.run_that_is(RunStatus.RUNNING)
    for member, may in [
        (world.owner, True),
        (world.admin, True),
        (world.teammate, False),
        (world.viewer, False),
    ]:
        assert ("background" in offered(run, member)) == may
    task = send(world, run)
    assert "background" not in offered(fresh(run), world.owner)
    assert offered(task, world.owner) == offered(fresh(run), world.owner) == {"cancel"}


def test_a_run_whose_owner_has_left_can_be_sent_away_by_an_admin(world):
    run = world.run_that_is(RunStatus.BLOCKED)
    world.owner.delete()
    task = send(world, run)
    assert task.owner_id == run.owner_id


def test_turns_and_the_step_at_work_show_on_the_task(world):
    run = world.start()
    world.call(services.begin_run, run)
    world.call(services.start_step, run)
    say(world, run, "one", "two")
    task = send(world, run)
    assert (task.turn_count, task.substate) == (2, "Step 1 of 3: build")
    say(world, run, "two", "three")
    task.refresh_from_db()
    assert task.turn_count == 3
    version = task.version
    world.call(services.finish_step, run)
    world.call(services.start_step, run)
    task.refresh_from_db()
    assert (task.substate, task.version) == ("Step 2 of 3: test", version)


def test_a_completed_run_completes_its_task_with_what_its_last_step_gave_back(world):
    run = world.start(run_mode="background")
    world.call(services.begin_run, run)
    finish(world, run)
    task = carrier_of(run)
    assert (task.status, task.result, task.substate) == ("completed", "exit_code: 0", "")
    assert offered(task, world.owner) == set()


def test_a_run_whose_flow_asks_for_it_is_reviewed_on_its_task(world):
    run, task = in_review(world)
    assert (run.status, task.state, task.result) == ("completed", "waiting/review", "exit_code: 0")
    assert {"accept", "dismiss"} <= offered(task, world.teammate)
    assert offered(task, world.viewer) == set()
    task_services.accept(
        tenant_id=world.tenant.pk, task_id=task.pk, actor=world.actor, seen_version=task.version
    )
    assert carrier_of(run).status == "completed"


def test_a_review_is_wanted_of_what_nobody_watched_alone(world):
    ask_for_a_review(world)
    run = world.start(run_mode="interactive")
    world.call(services.begin_run, run)
    finish(world, run)
    assert not BackgroundTask.objects.exists()


def test_a_result_that_is_dismissed_leaves_the_run_as_it_ended(world):
    run, task = in_review(world)
    get_kind("background_task").perform(
        "dismiss",
        session_id=task.pk,
        actor=world.actor,
        tenant_id=world.tenant.pk,
        version=task.version,
        comment="Not what I meant",
    )
    assert (fresh(run).status, carrier_of(run).status) == ("completed", "dismissed")
    assert receipts_of(run) == []


def test_a_failed_run_that_is_retried_takes_its_task_with_it(world):
    run = world.run_that_is(RunStatus.INTERRUPTED)
    task = send(world, run)
    world.call(services.resume_run, run)
    world.call(services.start_step, run)
    world.call(services.fail_step, run, error="Error: exit code 1")
    assert carrier_of(run).status == "failed"
    world.call(services.retry_run, run)
    assert (carrier_of(run).pk, carrier_of(run).status) == (task.pk, "running")


def test_the_pages_of_run_and_task_lead_to_each_other(world, client):
    run = world.run_that_is(RunStatus.PAUSED)
    task = send(world, run)
    client.force_login(world.owner.user)
    at = f"/w/{world.tenant.slug}"
    of_run = client.get(f"{at}/flow-runs/{run.pk}/").content.decode()
    of_task = client.get(f"{at}/tasks/{task.pk}/").content.decode()
    assert f"Carried by: {task.title}" in of_run
    assert f"{at}/tasks/{task.pk}/" in of_run
    assert f"Carries: {run.title}" in of_task
    assert f"{at}/flow-runs/{run.pk}/" in of_task


def test_the_tasks_page_shows_what_its_run_asks_and_binds_the_decision_to_it(world, client):
    run = world.run_that_is(RunStatus.PAUSED)
    task = send(world, run)
    client.force_login(world.owner.user)
    shown = client.get(f"/w/{world.tenant.slug}/tasks/{task.pk}/").content.decode()
    assert "Checkpoint before step 3: deploy" in shown
    assert f'name="content_hash" value="{fresh(run).checkpoint_hash}"' in shown
    url = f"/w/{world.tenant.slug}/sessions/background_task/{task.pk}/action/"
    posted = {"action": "approve", "version": task.version}
    client.post(url, {**posted, "content_hash": "0" * 64})
    assert fresh(run).status == RunStatus.PAUSED
    client.post(url, {**posted, "content_hash": run.checkpoint_hash})
    assert (fresh(run).status, carrier_of(run).status) == ("running", "running")


def speak(work: Work, stop: Stop) -> Performance:
    said = NewEntry(kind=EntryKind.MESSAGE, native_id=f"{work.key}:m", role="assistant", text="Done")
    yield Delivery(entries=[said])
    return Outcome(result={"files": 2})


def test_a_worker_takes_a_run_in_the_background_to_its_review(bench):
    bench.runtime.doings = {"speak": speak}
    steps = {"body": "speak"}, {"body": "speak", "has_checkpoint": True}
    run = bench.start(*steps, run_mode="background", wants_review=True)
    bench.advance(run)
    assert (carrier_of(run).state, carrier_of(run).turn_count) == ("waiting/approval", 1)
    bench.approve(run)
    bench.advance(run)
    task = carrier_of(run)
    assert (task.state, task.turn_count, task.result) == ("waiting/review", 2, "files: 2")


def test_a_carried_checkpoint_needs_those_who_may_decide_it_and_nobody_else(world):
    kind = get_kind("background_task")

    def whom(run: FlowRun) -> set[str]:
        task = carrier_of(run)
        people = (world.owner, world.teammate, world.admin)
        found = {
            str(member.user_id)
            for member in people
            for condition in kind.awaits_qs(member.user_id)
            if BackgroundTask.objects.filter(condition, pk=task.pk).exists()
        }
        awaits = kind.awaits(task)
        assert found == {str(m.user_id) for m in people if str(m.user_id) in awaits or ANY_MEMBER in awaits}
        return found

    everybody = {str(member.user_id) for member in (world.owner, world.teammate, world.admin)}
    open_to_all = world.run_that_is(RunStatus.PAUSED)
    send(world, open_to_all)
    assert whom(open_to_all) == everybody
    world.name_approver(world.teammate)
    theirs = world.run_that_is(RunStatus.PAUSED)
    send(world, theirs)
    assert whom(theirs) == {str(world.teammate.user_id)}
    theirs.refresh_from_db()
    services.approve_checkpoint(
        tenant_id=world.tenant.pk,
        run_id=theirs.pk,
        actor=Actor.member(world.teammate.user),
        seen_version=theirs.version,
    )
    assert whom(theirs) == set()
    assert carrier_of(theirs).approver_ids is None
    world.call(services.block_run, theirs, reason="MODEL_DEFAULT is not set")
    assert whom(theirs) == {str(world.owner.user_id)}
