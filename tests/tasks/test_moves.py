"""The state machine of a task, walked as a table: every move from every state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from audit.models import AuditEntry
from sessions_app.kinds import IllegalMove, StaleVersion
from tasks import services
from tasks.models import BackgroundTask, TaskStatus, WaitingOn
from tasks.states import CARRIER_MOVES, MOVES
from tests.factories.chats import ChatFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import MembershipFactory, TenantFactory
from workspace.actors import Actor

pytestmark = pytest.mark.django_db

WAITING = [f"waiting_{on}" for on in WaitingOn]
STATES = [*(str(status) for status in TaskStatus if status != TaskStatus.WAITING), *WAITING]
LIVE = {"queued", "provisioning", "running", *WAITING}

type Call = Callable[..., Any]

#: Each move: the function that makes it, what else it takes, the states that it starts from, where it ends.
TABLE: dict[str, tuple[Call, dict[str, Any], set[str], str]] = {
    "start_provisioning": (services.start_provisioning, {}, {"queued"}, "provisioning"),
    "start": (services.start, {}, {"provisioning"}, "running"),
    "wait": (services.wait, {"on": WaitingOn.INPUT, "reason": "Which?"}, {"running"}, "waiting_input"),
    "resume": (services.resume, {}, {"waiting_input", "waiting_children", "unknown"}, "running"),
    "answer": (services.answer, {"text": "The second."}, {"waiting_input"}, "running"),
    "approve": (services.decide_approval, {"is_approved": True}, {"waiting_approval"}, "running"),
    "deny": (services.decide_approval, {"is_approved": False}, {"waiting_approval"}, "running"),
    "complete": (services.complete, {"result": "Done."}, {"running", "unknown"}, "completed"),
    "request_review": (
        services.complete,
        {"result": "Done.", "needs_review": True},
        {"running"},
        "waiting_review",
    ),
    "accept": (services.accept, {}, {"waiting_review"}, "completed"),
    "send_back": (services.send_back, {"comment": "Shorter."}, {"waiting_review"}, "running"),
    "fail": (services.fail, {"error": "Error: exit code 1"}, LIVE | {"unknown"}, "failed"),
    "cancel": (services.cancel, {}, LIVE, "cancelled"),
    "dismiss": (
        services.dismiss,
        {},
        {"waiting_review", "completed", "failed", "cancelled", "unknown"},
        "dismissed",
    ),
    "retry": (services.retry, {}, {"failed", "cancelled"}, "queued"),
    "mark_unknown": (services.mark_unknown, {"rule": "Its record stops."}, {"running"}, "unknown"),
    "fan_out": (
        services.fan_out,
        {"children": [services.ChildSpec(title="A part", prompt="Do it.")]},
        {"running"},
        "running",
    ),
}

LEGAL = [(move, state) for move, row in TABLE.items() for state in STATES if state in row[2]]
ILLEGAL = [(move, state) for move, row in TABLE.items() for state in STATES if state not in row[2]]


def state_of(task: BackgroundTask) -> str:
    return task.state.replace("/", "_")


def make_task(state: str, **more: Any) -> tuple[BackgroundTask, Actor]:
    task = BackgroundTaskFactory(**{state: True}, **more)
    return task, Actor.member(task.owner)


def call(move: str, task: BackgroundTask, actor: Actor, **more: Any) -> Any:
    function, extra, _, _ = TABLE[move]
    return function(
        tenant_id=task.tenant_id,
        task_id=task.pk,
        actor=actor,
        **extra,
        **{"seen_version": task.version, **more},
    )


def columns(task: BackgroundTask) -> dict[str, Any]:
    return BackgroundTask.objects.filter(pk=task.pk).values().get()


def test_the_table_here_names_every_move_that_there_is() -> None:
    assert set(TABLE) == set(MOVES)


@pytest.mark.parametrize(("move", "state"), LEGAL)
def test_a_legal_move_is_made_recorded_and_moves_the_version(move: str, state: str) -> None:
    task, actor = make_task(state)
    call(move, task, actor, seen_version=task.version)
    moved = BackgroundTask.objects.get(pk=task.pk)
    assert state_of(moved) == TABLE[move][3]
    assert moved.version == task.version + 1
    assert [item["label"] for item in moved.evidence] == ["Rule", "Last event", "Set by"]
    assert moved.evidence[0]["text"]
    entry = AuditEntry.objects.get(object_id=task.pk)
    assert (entry.action, entry.actor_id, entry.tenant_id) == (move, task.owner_id, task.tenant_id)
    assert entry.changes["status"] == [task.status, moved.status]
    assert (entry.session_kind, entry.session_id) == ("background_task", task.pk)


@pytest.mark.parametrize(("move", "state"), ILLEGAL)
def test_an_illegal_move_says_what_is_allowed_and_changes_nothing(move: str, state: str) -> None:
    task, actor = make_task(state)
    before = columns(task)
    with pytest.raises(IllegalMove) as refused:
        call(move, task, actor)
    assert refused.value.tried == move
    assert set(refused.value.allowed) == {name for name, row in TABLE.items() if state in row[2]}
    assert columns(task) == before
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(("move", "state"), [(move, min(row[2])) for move, row in TABLE.items()])
def test_a_stale_version_changes_nothing(move: str, state: str) -> None:
    task, actor = make_task(state)
    before = columns(task)
    with pytest.raises(StaleVersion, match="Look again"):
        call(move, task, actor, seen_version=task.version - 1)
    assert columns(task) == before
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(("move", "state"), [(move, min(row[2])) for move, row in TABLE.items()])
def test_a_stranger_finds_no_task(move: str, state: str) -> None:
    task, _ = make_task(state)
    stranger = MembershipFactory(admin=True)
    function, extra, _, _ = TABLE[move]
    with pytest.raises(BackgroundTask.DoesNotExist):
        function(
            tenant_id=stranger.tenant_id,
            task_id=task.pk,
            actor=Actor.member(stranger.user),
            seen_version=task.version,
            **extra,
        )
    assert columns(task)["version"] == task.version


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("move", TABLE)
def test_a_carrier_has_no_moves_of_its_own_but_its_review(move: str, state: str) -> None:
    tenant = TenantFactory()
    task, actor = make_task(
        state, tenant=tenant, is_carrier=True, source_kind="chat", source_id=ChatFactory(tenant=tenant).pk
    )
    if move in {"accept", "dismiss"} and state == "waiting_review":
        assert call(move, task, actor).status == CARRIER_MOVES[move].target
    else:
        before = columns(task)
        with pytest.raises(IllegalMove):
            call(move, task, actor)
        assert columns(task) == before
