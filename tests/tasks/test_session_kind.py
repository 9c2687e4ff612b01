"""A background task as a row of the list: its words, its band, its actions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from sessions_app.kinds import IllegalMove, Moment, StaleVersion, Tone
from sessions_app.registry import get_kind
from tasks import services
from tasks.models import BackgroundTask, TaskStatus, WaitingOn
from tests.factories.chats import ChatFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import MembershipFactory, TenantFactory
from workspace.actors import SYSTEM, Actor
from workspace.models import Membership

pytestmark = pytest.mark.django_db

KIND = get_kind("background_task")
WAITING = [f"waiting_{on}" for on in WaitingOn]
STATES = [*(str(status) for status in TaskStatus if status != TaskStatus.WAITING), *WAITING]
MOMENT = Moment(timezone.now())


def names(task: BackgroundTask, member: Membership) -> list[str]:
    return [action.name for action in KIND.actions(task, member)]


def seat(task: BackgroundTask, **role: bool) -> Membership:
    return MembershipFactory(tenant=task.tenant, **role)


def owner_seat(task: BackgroundTask) -> Membership:
    return Membership.objects.get(user=task.owner)


def make_carrier(**more: Any) -> BackgroundTask:
    chat = ChatFactory(tenant=TenantFactory())
    return BackgroundTaskFactory(
        tenant=chat.tenant,
        owner=chat.owner,
        is_carrier=True,
        source_kind="chat",
        source_id=chat.pk,
        **more,
    )


def test_every_status_has_its_tone() -> None:
    tones = {status: info.tone for status, info in KIND.statuses.items()}
    assert tones == {
        "queued": Tone.ACTIVE,
        "provisioning": Tone.ACTIVE,
        "running": Tone.ACTIVE,
        "waiting": Tone.ATTENTION,
        "completed": Tone.SUCCESS,
        "failed": Tone.PROBLEM,
        "cancelled": Tone.NEUTRAL,
        "dismissed": Tone.NEUTRAL,
        "unknown": Tone.NEUTRAL,
    }
    assert len({(info.icon, info.label) for info in KIND.statuses.values()}) == len(TaskStatus)


def test_live_and_rest_share_out_all_tasks_as_python_does() -> None:
    for state in STATES:
        BackgroundTaskFactory(**{state: True})
    live = set(BackgroundTask.objects.filter(KIND.live_q(MOMENT)))
    (rest_q,) = KIND.rest_qs(MOMENT)
    rest = set(BackgroundTask.objects.filter(rest_q))
    assert live == {task for task in BackgroundTask.objects.all() if KIND.is_live(task, MOMENT)}
    assert rest == set(BackgroundTask.objects.all()) - live
    assert {task.status for task in live} == {"queued", "provisioning", "running", "waiting"}


@pytest.mark.parametrize(
    ("columns", "label", "bar"),
    [
        ({"turn_count": 0}, "0 turns", (0, 0)),
        ({"turn_count": 1}, "1 turn", (0, 0)),
        ({"turn_count": 12_345}, "12,345 turns", (0, 0)),
        ({"turn_count": 9, "child_count": 5, "child_done_count": 3}, "3 of 5 sub-agents", (3, 5)),
        ({"child_count": 1}, "0 of 1 sub-agent", (0, 1)),
        ({"child_count": 1200, "child_done_count": 1000}, "1,000 of 1,200 sub-agents", (1000, 1200)),
    ],
)
def test_progress_counts_sub_agents_or_turns(
    columns: dict[str, int], label: str, bar: tuple[int, int]
) -> None:
    progress = KIND.progress(BackgroundTask(**columns))
    assert (progress.label, (progress.done, progress.total)) == (label, bar)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("waiting_input", "your input: Which branch?"),
        ("waiting_review", "a review: The work is done."),
        ("waiting_approval", "an approval: Run the migration?"),
        ("waiting_children", "its sub-agents: Its sub-agents are at work."),
        ("running", ""),
    ],
)
def test_a_waiting_row_says_on_whom_and_since_when(state: str, words: str) -> None:
    task = BackgroundTaskFactory(**{state: True})
    assert KIND.waiting_on(task) == (words, task.waiting_since)


def test_a_reason_that_is_missing_leaves_no_colon() -> None:
    task = BackgroundTaskFactory(waiting_input=True, waiting_reason="")
    assert KIND.waiting_on(task)[0] == "your input"


def test_only_the_review_is_offered_on_the_row() -> None:
    for state in STATES:
        action = KIND.primary_action(BackgroundTaskFactory(**{state: True}))
        assert (action is not None) == (state == "waiting_review")
    for state in ("waiting_approval", "waiting_input", "waiting_review"):
        assert KIND.primary_action(make_carrier(**{state: True})) is not None


OFFERED = {state: ["dismiss"] for state in ("completed", "failed", "cancelled", "unknown")}
OFFERED |= {state: ["cancel"] for state in ("queued", "provisioning", "running", *WAITING)}
OFFERED |= {"dismissed": [], "waiting_review": ["accept", "dismiss", "cancel"]}


@pytest.mark.parametrize("state", STATES)
def test_owner_and_admin_control_a_task_and_any_member_reviews_it(state: str) -> None:
    task = BackgroundTaskFactory(**{state: True})
    review = ["accept", "dismiss"] if state == "waiting_review" else []
    assert names(task, owner_seat(task)) == OFFERED[state]
    assert names(task, seat(task, admin=True)) == OFFERED[state]
    assert names(task, seat(task)) == review
    assert names(task, seat(task, viewer=True)) == []
    assert names(task, MembershipFactory(admin=True)) == []


def test_an_owner_who_may_only_view_is_offered_nothing() -> None:
    task = BackgroundTaskFactory(running=True)
    Membership.objects.filter(user=task.owner).update(role="viewer")
    assert names(task, owner_seat(task)) == []


@pytest.mark.parametrize("state", STATES)
def test_every_action_that_is_offered_does_what_it_says(state: str) -> None:
    for name in OFFERED[state]:
        task = BackgroundTaskFactory(**{state: True})
        said = perform(task, name)
        task.refresh_from_db()
        done = {"cancel": "cancelled", "dismiss": "dismissed", "accept": "completed"}[name]
        assert task.status == done
        assert said.endswith(".")


def perform(task: BackgroundTask, name: str, version: int | None = None) -> str:
    return KIND.perform(
        name,
        session_id=task.pk,
        actor=Actor.member(task.owner),
        tenant_id=task.tenant_id,
        version=version or task.version,
        comment="",
    )


def test_a_decision_on_what_has_changed_since_is_refused_and_a_cancel_is_not() -> None:
    task = BackgroundTaskFactory(waiting_review=True, version=3)
    with pytest.raises(StaleVersion):
        perform(task, "accept", version=2)
    assert perform(task, "cancel", version=2)


def test_an_action_that_is_not_there_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no action 'retry'"):
        perform(BackgroundTaskFactory(failed=True), "retry")


def test_a_carrier_offers_what_its_source_offers_and_the_source_does_it() -> None:
    task = make_carrier(running=True)
    assert names(task, owner_seat(task)) == ["end"]
    assert names(task, seat(task)) == []
    assert perform(task, "end") == "Ended. Nothing beside the chat was touched."
    source = ChatFactory._meta.model.objects.get(pk=task.source_id)
    assert source.status == "ended"
    with pytest.raises(IllegalMove):
        perform(task, "end")


def test_a_carrier_that_has_moved_on_since_passes_no_decision_on_but_lets_its_source_be_stopped() -> None:
    task = make_carrier(running=True, version=4)
    with pytest.raises(StaleVersion):
        perform(task, "resume", version=3)
    assert perform(task, "end", version=3) == "Ended. Nothing beside the chat was touched."


def test_a_carrier_without_its_source_offers_nothing() -> None:
    task = make_carrier(running=True)
    BackgroundTask.objects.filter(pk=task.pk).update(source_kind="no_such_kind")
    task.refresh_from_db()
    assert names(task, owner_seat(task)) == []
    with pytest.raises(ValueError, match="is not there"):
        perform(task, "end")


def test_the_review_of_a_carrier_is_its_own() -> None:
    task = make_carrier(waiting_review=True)
    assert names(task, seat(task)) == ["accept", "dismiss"]
    assert perform(task, "accept") == "Accepted: the task is complete."


def test_liveness_comes_from_the_lease_and_a_carrier_has_none() -> None:
    now = timezone.now()
    running = BackgroundTaskFactory(running=True, lease_expires_at=now + timedelta(minutes=1))
    assert KIND.liveness(running, now) == ("alive", None)
    assert KIND.liveness(BackgroundTaskFactory(queued=True), now) == ("", None)
    assert KIND.liveness(make_carrier(running=True), now) == ("", None)


def test_hydrating_costs_one_query_whatever_the_number(django_assert_num_queries: Any) -> None:
    tenant = TenantFactory()
    tasks = BackgroundTaskFactory.create_batch(5, tenant=tenant)
    with django_assert_num_queries(1):
        found = KIND.hydrate(tenant.pk, [task.pk for task in tasks])
        labels = [KIND.progress(task).label for task in found.values()]
    assert len(labels) == 5
    assert KIND.hydrate(TenantFactory().pk, [tasks[0].pk]) == {}


def test_text_fields_hold_all_text_that_the_services_store() -> None:
    task = BackgroundTaskFactory(running=True)
    key = {"tenant_id": task.tenant_id, "task_id": task.pk, "actor": SYSTEM}
    mark = "needle"
    services.record_progress(tenant_id=task.tenant_id, task_id=task.pk, substate=mark)
    services.complete(**key, result=mark, needs_review=True)
    row = BackgroundTask.objects.filter(pk=task.pk).values().get()
    holding = {name for name, value in row.items() if mark in str(value)}
    assert holding <= set(KIND.text_fields)
    assert holding == {"result", "waiting_reason"}
