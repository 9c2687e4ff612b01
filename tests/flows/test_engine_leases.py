"""One worker at a time has a run, and one that has lost it writes nothing more."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.db import connection
from django.utils import timezone

from agents.runtimes import Outcome, Performance, Stop, StopReason, Work
from audit.imports import Delivery
from bench.chaos import Watch
from flows import services
from flows.engine import advance, take_up
from flows.leases import LEASE, LeaseLost, claim_run, keep, make_holder, park, release, renew
from flows.models import FlowRun, RunStatus, StepRun
from flows.waking import wake_lost_runs, wake_next_run
from tests.config.processes import eventually
from tests.flows.doings import lapse, say
from tests.flows.worlds import World, lines_of, picture_of
from workspace.models import Tenant

ENDED = ("paused", "blocked", "interrupted", "completed", "failed", "rejected", "cancelled")


def test_a_claim_holds_the_run_for_one_lease(bench):
    run = bench.start({})
    claim = bench.claim(run, "ada:1")
    run.refresh_from_db()
    assert (run.fence, run.lease_holder) == (claim.fence, "ada:1") == (1, "ada:1")
    assert abs(run.lease_expires_at - timezone.now() - LEASE) < timedelta(seconds=5)
    assert claim_run(run.pk, "ben:2") is None
    release(claim)
    assert bench.claim(run, "ben:2").fence == 2
    assert renew(claim) is False


def test_a_lapsed_lease_is_free_and_its_holder_gets_it_no_more(bench):
    run = bench.start({})
    claim = bench.claim(run)
    lapse(run)
    assert renew(claim) is True
    lapse(run)
    other = bench.claim(run, "other")
    assert (renew(claim), renew(other)) == (False, True)
    release(claim)
    assert FlowRun.objects.get(pk=run.pk).lease_holder == "other"


def test_a_parked_run_is_no_killed_workers(bench):
    held, parked = bench.start({}, name="Held"), bench.start({}, name="Parked")
    bench.claim(held, make_holder())
    park(bench.claim(parked, make_holder()), timezone.now() + timedelta(hours=1))
    watch = Watch(cast(Any, SimpleNamespace(tenant=held.tenant)), wanted=0, dice=random.Random(1))
    watch.lose({os.getpid()})
    assert set(watch.waiting) == {held.pk}


def test_an_approved_run_is_free_although_the_worker_that_asked_has_not_let_go_yet(bench):
    run = bench.start({"has_checkpoint": True})
    claim = bench.claim(run)
    advance(claim, Stop(), find_runtime=bench.runtime.find)
    bench.approve(run)
    assert renew(claim) is False
    other = bench.claim(run)
    release(claim)
    assert (renew(claim), renew(other)) == (False, True)


@pytest.mark.parametrize("status", ENDED)
def test_a_run_that_rests_is_not_claimed(world, status):
    assert claim_run(world.run_that_is(status).pk, "worker") is None


def test_a_run_of_a_suspended_workspace_stays_where_it_is(bench):
    run = bench.start({})
    Tenant.objects.filter(pk=run.tenant_id).update(suspended_at=timezone.now())
    assert claim_run(run.pk, "worker") is None


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_that_claim_at_once_one_gets_the_run(bench):
    run = bench.start({})
    start, claims = threading.Barrier(4), []

    def claim() -> None:
        start.wait()
        claims.append(claim_run(run.pk, threading.current_thread().name))
        connection.close()

    threads = [threading.Thread(target=claim, name=f"worker {number}") for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [claim for claim in claims if claim is not None]
    run.refresh_from_db()
    assert (run.lease_holder, run.fence) == (winner.holder, 1)


#: Each service that a worker writes with, and the step that it needs the run to be at.
WRITES: dict[str, tuple[str, Callable[..., Any], dict[str, Any]]] = {
    "begin": ("pending", services.begin_run, {}),
    "block": ("pending", services.block_run, {"reason": "x"}),
    "start_step": ("at a step", services.start_step, {}),
    "skip_step": ("at a step", services.skip_step, {}),
    "pause": ("at a step", services.pause_at_checkpoint, {}),
    "interrupt": ("in a step", services.interrupt_run, {"reason": "x"}),
    "add_entries": ("in a step", services.add_entries, {"delivery": Delivery()}),
    "finish_step": ("in a step", services.finish_step, {}),
    "fail_step": ("in a step", services.fail_step, {"error": "x"}),
    "retry_step": ("in a step", services.retry_step, {"error": "x"}),
    "pass_step": ("in a step", services.pass_step, {"error": "x"}),
    "take_up_step": ("approved", services.take_up_step, {}),
    "complete": ("at its end", services.complete_run, {}),
}


def run_for_write(world: World, where: str) -> FlowRun:
    if where == "pending":
        return world.start()
    if where == "in a step":
        return world.run_that_is(RunStatus.RUNNING)
    if where == "approved":
        run = world.run_that_is(RunStatus.PAUSED)
        return world.decide(services.approve_checkpoint, run)
    run = world.start()
    world.call(services.begin_run, run)
    if where == "at its end":
        world.finish_steps(run, 3)
    return run


def write(world: World, name: str, run: FlowRun, fence: int) -> Any:
    _, service, given = WRITES[name]
    actor = {} if name in {"add_entries", "take_up_step"} else {"actor": world.actor}
    return service(tenant_id=run.tenant_id, run_id=run.pk, fence=fence, **actor, **given)


@pytest.mark.parametrize("name", WRITES)
def test_a_stale_worker_writes_nothing_with_any_service(world, name):
    run = run_for_write(world, WRITES[name][0])
    stale = claim_run(run.pk, "slept")
    lapse(run)
    present = claim_run(run.pk, "awake")
    assert stale is not None
    assert present is not None
    before = picture_of(run)
    with pytest.raises(LeaseLost):
        write(world, name, run, stale.fence)
    assert picture_of(run) == before
    write(world, name, run, present.fence)
    assert name == "add_entries" or picture_of(run) != before


@pytest.mark.parametrize("name", WRITES)
def test_a_cancelled_run_is_never_set_back(world, name):
    run = run_for_write(world, WRITES[name][0])
    claim = claim_run(run.pk, "worker")
    assert claim is not None
    world.call(services.cancel_run, run)
    before = picture_of(run)
    with pytest.raises(LeaseLost):
        write(world, name, run, claim.fence)
    assert picture_of(run) == before


def test_a_worker_that_wakes_up_in_the_middle_of_a_step_leaves_it_to_the_other(bench):
    """It hung inside of the work, another worker took over and finished, then it goes on."""

    def hang(work: Work, stop: Stop) -> Performance:
        yield say(work, "before")
        lapse(run)
        bench.runtime.doings = {}
        advance(bench.claim(run, "other"), Stop(), find_runtime=bench.runtime.find)
        before.update(picture_of(run))
        yield say(work, "after", "it woke up")
        return Outcome(result="stale")

    before: dict[str, Any] = {}
    bench.runtime.doings = {"true": hang}
    run = bench.start({}, {})
    with pytest.raises(LeaseLost):
        advance(bench.claim(run), Stop(), find_runtime=bench.runtime.find)
    assert before["run"]["status"] == "completed"
    assert picture_of(run) == before
    assert "it woke up" not in [line.text for line in lines_of(run)]
    first = StepRun.objects.get(run=run, position=1, attempt=1)
    assert (first.status, first.was_cut_off, first.error) == (
        "failed",
        True,
        "The worker of step 1 “s1” was lost in the middle of it.",
    )


def test_a_step_that_loses_ten_workers_interrupts_its_run_and_can_be_resumed(bench):
    run = bench.start({})
    bench.world.call(services.begin_run, run)
    for number in range(1, 11):
        claim = bench.claim(run)
        if number > 1:
            bench.world.call(services.retry_step, run, error="lost", was_cut_off=True)
        bench.world.call(services.start_step, run, fence=claim.fence)
        lapse(run)
    interrupted = bench.advance(run)
    assert (interrupted.status, bench.runtime.keys) == ("interrupted", [])
    assert interrupted.error.startswith(
        "recovery gave up: the worker of step 1 “s1” was lost 10 times in a row"
    )
    bench.world.call(services.resume_run, run, now=None)
    assert bench.advance(run).status == "completed"


@pytest.mark.django_db(transaction=True)
def test_a_message_that_comes_twice_does_nothing(bench):
    def look(work: Work, stop: Stop) -> Performance:
        yield say(work, "once")
        assert take_up(run.pk, find_runtime=bench.runtime.find) is False
        return Outcome()

    bench.runtime.doings = {"true": look}
    run = bench.start({})
    assert take_up(run.pk, find_runtime=bench.runtime.find) is True
    done = picture_of(run)
    assert done["run"]["status"] == "completed"
    assert take_up(run.pk, find_runtime=bench.runtime.find) is False
    assert picture_of(run) == done


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (lambda world, run: world.call(services.cancel_run, run), StopReason.CANCELLED),
        (lambda world, run: FlowRun.objects.filter(pk=run.pk).update(fence=7), StopReason.LEASE_LOST),
    ],
    ids=["cancelled", "taken over"],
)
def test_who_holds_a_run_learns_soon_that_it_is_over(bench, happens, reason):
    run, stop = bench.start({}), Stop()
    with keep(bench.claim(run), stop):
        happens(bench.world, run)
        assert stop.wait(4)
    assert stop.reason is reason


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_renewed_while_the_work_goes_on(bench, monkeypatch):
    monkeypatch.setattr("flows.leases.RENEW_SECONDS", 0.5)
    monkeypatch.setattr("flows.leases.LOOK_SECONDS", 0.1)
    run, stop = bench.start({}), Stop()

    def until() -> Any:
        return FlowRun.objects.values_list("lease_expires_at", flat=True).get(pk=run.pk)

    with keep(bench.claim(run), stop):
        first = until()
        eventually(lambda: until() > first + timedelta(seconds=1))
    assert not stop.is_set()


@pytest.mark.django_db(transaction=True)
def test_a_fault_of_the_engine_interrupts_the_run_and_is_no_endless_loop(bench):
    run = bench.start({})

    def find(key: str) -> Any:
        raise ZeroDivisionError

    assert take_up(run.pk, find_runtime=find) is True
    run.refresh_from_db()
    assert (run.status, run.lease_holder) == ("interrupted", "")
    assert run.error.startswith("recovery gave up: ZeroDivisionError in the engine.")


def test_the_sweep_wakes_what_nobody_is_at_and_nothing_else(bench, monkeypatch):
    sent: list[Any] = []
    monkeypatch.setattr("flows.waking.current_app.send_task", lambda job, args, **_: sent.extend(args))
    old = timezone.now() - timedelta(minutes=1)
    fresh, waits, held, lost, ended = (bench.start({}, name=f"flow {number}") for number in range(5))
    FlowRun.objects.filter(pk=waits.pk).update(changed_at=old)
    bench.claim(held)
    FlowRun.objects.filter(pk=held.pk).update(changed_at=old)
    bench.claim(lost)
    lapse(lost)
    bench.world.call(services.cancel_run, ended, now=old)
    assert wake_lost_runs() == 2
    assert set(sent) == {str(waits.pk), str(lost.pk)}
    Tenant.objects.filter(pk=fresh.tenant_id).update(suspended_at=old)
    assert wake_lost_runs() == 0


def test_however_many_runs_wait_who_has_done_one_sends_one_and_a_lost_one_first(bench, monkeypatch):
    sent: list[Any] = []
    monkeypatch.setattr("flows.waking.current_app.send_task", lambda job, args, **_: sent.extend(args))
    monkeypatch.setattr("flows.waking.MOST_WAITING", 2)
    runs = [bench.start({}, name=f"flow {number}") for number in range(5)]
    old = timezone.now() - timedelta(minutes=1)
    FlowRun.objects.update(changed_at=old)
    wake_next_run()
    assert sent == [str(runs[0].pk)]
    bench.claim(runs[3])
    lapse(runs[3])
    wake_next_run()
    assert sent[1:] == [str(runs[3].pk)]
    assert wake_lost_runs() == 3
    assert sent[2:] == [str(runs[3].pk), str(runs[0].pk), str(runs[1].pk)]
