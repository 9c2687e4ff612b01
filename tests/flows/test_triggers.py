"""Triggers: each time that comes due starts one run, once, and says what there is to say of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from audit.models import AuditEntry
from flows import jobs, services, triggers
from flows.models import FlowRun, FlowTrigger, RunStatus
from sessions_app.kinds import Origin
from tests.flows.worlds import World, audit_of, lines_of
from workspace.actors import Actor
from workspace.models import Membership, Role, Tenant
from workspace.secrets import create_secret

MONDAY = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)


def schedule(world: World, **given: Any) -> FlowTrigger:
    """Each day at nine, for the owner."""
    values = {
        "flow_id": world.flow.pk,
        "owner_id": world.owner.user_id,
        "actor": world.actor,
        "cron": "0 9 * * *",
        "time_zone": "UTC",
        "parameters": {"environment": "staging"},
        "now": MONDAY,
        **given,
    }
    return triggers.create_trigger(tenant_id=world.tenant.pk, **values)


def fresh(trigger: FlowTrigger) -> FlowTrigger:
    return FlowTrigger.objects.get(pk=trigger.pk)


def start_due(at: datetime) -> list[FlowRun]:
    """The runs that are started at this instant."""
    before = set(FlowRun.objects.values_list("pk", flat=True))
    triggers.start_due_triggers(at)
    return list(FlowRun.objects.exclude(pk__in=before))


def actions_of(trigger: FlowTrigger) -> list[tuple[str, str]]:
    entries = AuditEntry.objects.filter(object_kind="flow_trigger", object_id=trigger.pk).order_by("id")
    return [(entry.action, entry.actor_name) for entry in entries]


def test_a_due_time_starts_a_run_of_its_owner_with_its_values(world):
    trigger = schedule(world)
    assert start_due(NINE - timedelta(seconds=1)) == []
    (run,) = start_due(NINE)
    assert (run.owner_id, run.origin) == (world.owner.user_id, Origin.SCHEDULE)
    assert run.parameters["environment"] == "staging"
    assert (fresh(trigger).next_at, fresh(trigger).last_run) == (NINE + A_DAY, run)
    assert audit_of(run)[0].actor_name == "schedule"
    assert [line.text for line in lines_of(run)] == ["schedule started “Release”, version 1"]
    assert start_due(NINE) == []


def test_times_that_nobody_was_there_for_start_one_run_which_says_so(world):
    trigger = schedule(world)
    late = NINE + 3 * A_DAY + timedelta(hours=1)
    (run,) = start_due(late)
    said = "Started late, once for the time of 2 Mar 2026, 09:00 UTC and 3 more"
    assert fresh(trigger).note.startswith(said)
    assert lines_of(run)[-1].text == fresh(trigger).note
    assert fresh(trigger).next_at == NINE + 4 * A_DAY


def test_two_workers_start_a_due_time_once(transactional_db):
    world = World()
    trigger = schedule(world)

    def work(_: int) -> None:
        try:
            triggers.start_due_triggers(NINE)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert FlowRun.objects.count() == 1
    assert fresh(trigger).next_at == NINE + A_DAY


def test_a_worker_that_dies_before_it_commits_has_claimed_nothing(world, monkeypatch):
    trigger = schedule(world)

    def lose_the_machine(*given: Any, **more: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(triggers, "write_line", lose_the_machine)
        with pytest.raises(SystemExit):
            triggers.start_due_triggers(NINE + A_DAY)
    assert not FlowRun.objects.exists()
    assert fresh(trigger).next_at == NINE
    assert len(start_due(NINE)) == 1


def test_a_time_is_skipped_while_the_last_run_is_under_way_if_the_trigger_says_so(world):
    careful, eager = schedule(world, skips_overlap=True), schedule(world)
    assert len(start_due(NINE)) == 2
    (run,) = start_due(NINE + A_DAY)
    assert fresh(eager).last_run == run
    assert (
        fresh(careful).note == "The time of 3 Mar 2026, 09:00 UTC was skipped: its last run is still pending."
    )
    world.call(services.cancel_run, fresh(careful).last_run)
    assert len(start_due(NINE + 2 * A_DAY)) == 2
    assert fresh(careful).note == ""


def test_a_paused_trigger_starts_nothing_and_makes_up_for_nothing(world):
    trigger = schedule(world)
    key = {"tenant_id": world.tenant.pk, "trigger_id": trigger.pk, "actor": world.actor}
    triggers.pause_trigger(**key, now=MONDAY)
    assert start_due(NINE + 2 * A_DAY) == []
    triggers.resume_trigger(**key, now=NINE + 2 * A_DAY + timedelta(hours=1))
    assert fresh(trigger).next_at == NINE + 3 * A_DAY
    assert start_due(NINE + 2 * A_DAY + timedelta(hours=2)) == []
    name = world.owner.user.name
    assert actions_of(trigger) == [(f"{verb}_trigger", name) for verb in ("create", "pause", "resume")]


def test_a_trigger_whose_owner_has_left_is_paused_with_the_reason(world):
    trigger = schedule(world)
    world.owner.delete()
    assert start_due(NINE) == []
    assert fresh(trigger).paused_at == NINE
    assert "is no member any more" in fresh(trigger).note
    assert actions_of(trigger)[-1] == ("pause_trigger", "schedule")


def test_a_trigger_whose_owner_only_reads_now_is_paused_with_the_reason(world):
    trigger = schedule(world)
    Membership.objects.filter(pk=world.owner.pk).update(role=Role.VIEWER)
    assert start_due(NINE) == []
    assert "may not run things any more" in fresh(trigger).note


def test_a_trigger_whose_values_do_not_fit_any_more_is_paused_with_the_reason(world):
    trigger = schedule(world)
    FlowTrigger.objects.filter(pk=trigger.pk).update(parameters={"stage": "x"})
    other = schedule(world)
    (run,) = start_due(NINE)
    assert fresh(other).last_run == run
    assert "there is no parameter “stage”" in fresh(trigger).note
    assert fresh(trigger).paused_at == NINE
    with pytest.raises(ValidationError):
        triggers.resume_trigger(tenant_id=world.tenant.pk, trigger_id=trigger.pk, actor=world.actor)


def test_a_trigger_of_an_archived_flow_is_paused_with_the_reason(world):
    trigger = schedule(world)
    services.archive_flow(tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=world.actor)
    assert start_due(NINE) == []
    assert "is archived" in fresh(trigger).note


def test_nothing_is_started_in_a_suspended_workspace(world):
    schedule(world)
    Tenant.objects.filter(pk=world.tenant.pk).update(suspended_at=timezone.now())
    assert start_due(NINE) == []


def test_one_that_breaks_keeps_the_others_from_nothing(world, caplog):
    broken, sound = schedule(world), schedule(world)
    FlowTrigger.objects.filter(pk=broken.pk).update(cron="broken")
    (run,) = start_due(NINE)
    assert fresh(sound).last_run == run
    assert f"trigger {broken.pk} could not be taken up" in caplog.text


def test_those_that_break_again_and_again_starve_nobody(world):
    broken = [schedule(world) for _ in range(3)]
    FlowTrigger.objects.update(cron="broken")
    sound = schedule(world, cron="1 9 * * *")
    for minute in range(3):
        triggers.start_due_triggers(NINE + timedelta(minutes=minute), limit=2)
    assert fresh(sound).last_run is not None
    assert fresh(broken[0]).note == (
        "The time of 2 Mar 2026, 09:00 UTC could not be used: something is wrong in this installation, "
        "whose log has more. It is tried again at 2 Mar 2026, 09:05 UTC."
    )
    FlowTrigger.objects.filter(cron="broken").update(cron="0 9 * * *")
    assert len(start_due(NINE + timedelta(minutes=7))) == 3
    assert {fresh(one).next_at for one in broken} == {NINE + A_DAY}


def test_it_is_used_now_by_who_asks_for_it_and_keeps_its_time(world):
    trigger = schedule(world, skips_overlap=True)
    key = {"tenant_id": world.tenant.pk, "trigger_id": trigger.pk}
    runs = [triggers.run_trigger_now(**key, actor=Actor.member(world.admin.user), now=MONDAY) for _ in "ab"]
    assert {run.owner_id for run in runs} == {world.owner.user_id}
    assert audit_of(runs[0])[0].actor_name == world.admin.user.name
    assert (fresh(trigger).next_at, fresh(trigger).last_run) == (NINE, runs[1])


def test_a_changed_trigger_goes_by_its_new_times(world):
    trigger = schedule(world)
    triggers.update_trigger(
        tenant_id=world.tenant.pk,
        trigger_id=trigger.pk,
        actor=world.actor,
        cron=" 0  12 * * * ",
        time_zone="Europe/Berlin",
        parameters={"environment": "production"},
        skips_overlap=True,
        now=MONDAY,
    )
    now = fresh(trigger)
    assert (now.cron, now.next_at) == ("0 12 * * *", datetime(2026, 3, 2, 11, 0, tzinfo=UTC))
    entry = AuditEntry.objects.get(object_id=trigger.pk, action="update_trigger")
    assert entry.changes["cron"] == ["0 9 * * *", "0 12 * * *"]
    (run,) = start_due(now.next_at)
    assert run.parameters["environment"] == "production"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({"time_zone": "Nowhere"}, "time_zone"),
        ({"parameters": {}}, "environment"),
        ({"parameters": {"environment": 3}}, "environment"),
        ({"parameters": {"environment": "x", "colour": "red"}}, "colour"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_field(world, wrong, field):
    with pytest.raises(ValidationError) as refused:
        schedule(world, **wrong)
    assert refused.value.message_dict.keys() == {field}
    assert not FlowTrigger.objects.exists()


def test_a_deleted_trigger_leaves_its_runs_and_its_record(world):
    trigger = schedule(world)
    (run,) = start_due(NINE)
    triggers.delete_trigger(tenant_id=world.tenant.pk, trigger_id=trigger.pk, actor=world.actor)
    assert FlowRun.objects.get() == run
    assert actions_of(trigger)[-1] == ("delete_trigger", world.owner.user.name)


def test_a_secret_among_the_values_is_kept_by_its_name(world):
    value = "kn0wn" + "-value-of-a-secret"
    create_secret(tenant_id=world.tenant.pk, name="API_KEY", value=value, actor=world.actor)
    trigger = schedule(world, parameters={"environment": value})
    assert value not in str(fresh(trigger).parameters)


def test_the_job_starts_what_is_due_by_the_clock(world):
    trigger = schedule(world)
    jobs.start_due_triggers()
    assert fresh(trigger).last_run is not None
    assert fresh(trigger).next_at > timezone.now()
    assert FlowRun.objects.get().status == RunStatus.PENDING


def test_a_time_that_is_taken_up_in_the_second_of_two_equal_hours_starts_one_run(world):
    before = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    schedule(world, cron="30 2 * * *", time_zone="Europe/Berlin", now=before)
    late = datetime(2026, 10, 25, 1, 5, tzinfo=UTC)
    assert len(start_due(late)) == 1
    assert start_due(late + timedelta(minutes=1)) == []


def test_a_trigger_of_an_archived_flow_is_not_resumed(world):
    trigger = schedule(world)
    triggers.pause_trigger(tenant_id=world.tenant.pk, trigger_id=trigger.pk, actor=world.actor)
    services.archive_flow(tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=world.actor)
    with pytest.raises(ValidationError, match="is archived"):
        triggers.resume_trigger(tenant_id=world.tenant.pk, trigger_id=trigger.pk, actor=world.actor)
    assert fresh(trigger).paused_at is not None
