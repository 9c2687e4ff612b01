"""Acting in place: bound to what was seen, decided once, and who is second hears by whom."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from audit.entries import EntryKind, NewEntry
from audit.services import append_entries
from flows import services
from flows.models import FlowRun, RunStatus, StepRun
from tests.factories.chats import ChatFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.flows.worlds import World, receipts_of
from workspace.models import Membership

pytestmark = pytest.mark.django_db

IN_PLACE = {"HX-Request": "true"}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def paused(world: World) -> FlowRun:
    run = world.start()
    world.call(services.begin_run, run)
    world.call(services.pause_at_checkpoint, run)
    return FlowRun.objects.get(pk=run.pk)


def url_of(session: Any, kind: str, part: str) -> str:
    return f"/w/{session.tenant.slug}/sessions/{kind}/{session.pk}/{part}/"


def client_of(member: Membership) -> Client:
    client = Client()
    client.force_login(member.user)
    return client


def act(member: Membership, session: Any, kind: str, action: str, **data: Any) -> Any:
    data = {"action": action, "version": session.version, **data}
    return client_of(member).post(url_of(session, kind, "action"), data, headers=IN_PLACE)


def peek(member: Membership, session: Any, kind: str, query: str = "", **headers: str) -> str:
    answer = client_of(member).get(url_of(session, kind, "peek") + query, headers=headers or IN_PLACE)
    return answer.content.decode()


def test_a_decision_is_refused_when_what_stands_there_is_not_what_was_seen(world, paused):
    answer = act(world.owner, paused, "flow_run", "approve", content_hash="0" * 64)
    assert answer.status_code == 409
    assert FlowRun.objects.get(pk=paused.pk).status == RunStatus.PAUSED
    assert receipts_of(paused) == []


def test_a_refusal_keeps_what_was_typed_and_an_answer_does_not(world, paused):
    typed = {"comment": "Not the third one."}
    refused = act(world.owner, paused, "flow_run", "approve", content_hash="0" * 64, **typed)
    assert "Not the third one.</textarea>" in refused.content.decode()
    done = act(world.owner, paused, "flow_run", "approve", content_hash=paused.checkpoint_hash, **typed)
    assert done.status_code == 200
    assert "Not the third one.</textarea>" not in done.content.decode()


def test_what_changed_under_the_same_version_is_not_approved_by_a_page_that_showed_it_before(world, paused):
    shown = paused.checkpoint_hash
    StepRun.objects.filter(run=paused, position=1).update(parameters={"target": "production"})
    answer = act(world.owner, paused, "flow_run", "approve", content_hash=shown)
    assert answer.status_code == 409
    assert FlowRun.objects.get(pk=paused.pk).status == RunStatus.PAUSED


def test_the_hash_that_the_peek_shows_is_the_one_that_is_accepted(world, paused):
    shown = peek(world.owner, paused, "flow_run")
    assert f'name="content_hash" value="{paused.checkpoint_hash}"' in shown
    answer = act(world.owner, paused, "flow_run", "approve", content_hash=paused.checkpoint_hash)
    assert answer.status_code == 200
    assert "Approved: the run goes on." in answer.content.decode()
    assert FlowRun.objects.get(pk=paused.pk).status == RunStatus.RUNNING


def test_who_clicks_twice_or_second_decides_nothing_and_hears_who_did_and_when(world, paused):
    first = act(world.owner, paused, "flow_run", "approve", content_hash=paused.checkpoint_hash)
    second = act(world.teammate, paused, "flow_run", "reject", content_hash=paused.checkpoint_hash)
    assert (first.status_code, second.status_code) == (200, 409)
    told = second.content.decode()
    assert f"approved by {world.owner.user.name}" in told
    assert f"{receipts_of(paused)[0].created_at:%H:%M} UTC" in told
    assert "Running" in told
    assert len(receipts_of(paused)) == 1


def test_a_task_that_was_accepted_meanwhile_says_so_with_its_evidence(world):
    task = BackgroundTaskFactory(waiting_review=True, tenant=world.tenant, owner=world.owner.user)
    assert act(world.owner, task, "background_task", "accept").status_code == 200
    told = act(world.teammate, task, "background_task", "dismiss")
    assert told.status_code == 409
    assert f"<dd>{world.owner.user.name}" in told.content.decode()


@pytest.mark.parametrize("action", ["accept", "dismiss"])
def test_a_review_is_of_the_result_that_was_shown(world, action):
    task = BackgroundTaskFactory(waiting_review=True, tenant=world.tenant, owner=world.owner.user)
    shown = peek(world.teammate, task, "background_task")
    page = client_of(world.teammate).get(f"/w/{task.tenant.slug}/tasks/{task.pk}/").content.decode()
    (seen_hash,) = set(re.findall('name="content_hash" value="([0-9a-f]{64})"', shown + page))
    type(task).objects.filter(pk=task.pk).update(result="something else")
    assert act(world.teammate, task, "background_task", action, content_hash=seen_hash).status_code == 409
    type(task).objects.filter(pk=task.pk).update(result=task.result)
    assert act(world.teammate, task, "background_task", action, content_hash=seen_hash).status_code == 200


def test_an_action_without_scripts_leads_back_to_the_session(world):
    chat = ChatFactory(tenant=world.tenant, owner=world.owner.user)
    answer = client_of(world.owner).post(
        url_of(chat, "chat", "action"), {"action": "end", "version": chat.version}
    )
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith(f"/chats/{chat.pk}/")


def test_who_may_not_is_refused_in_place_too(world):
    chat = ChatFactory(tenant=world.tenant, owner=world.owner.user)
    assert act(world.teammate, chat, "chat", "end").status_code == 403


def test_the_peek_shows_the_checkpoint_with_step_arguments_and_message(world, paused):
    shown = peek(world.teammate, paused, "flow_run")
    for part in ("Checkpoint before step 1", paused.checkpoint_message, "make ship", 'value="approve"'):
        assert part in shown
    assert "<html" not in shown
    assert "<html" in peek(world.teammate, paused, "flow_run", Accept="text/html")


def test_the_peek_of_a_viewer_offers_nothing(world, paused):
    assert "<button" not in peek(world.viewer, paused, "flow_run")


def test_the_peek_shows_the_question_and_the_last_message(world):
    chat = ChatFactory(awaiting_you=True, tenant=world.tenant, owner=world.owner.user)
    said = [
        NewEntry(kind=EntryKind.MESSAGE, native_id=str(n), role=role, text=text)
        for n, (role, text) in enumerate([("assistant", "first"), ("assistant", "<last>"), ("user", "hm")])
    ]
    append_entries(tenant_id=world.tenant.pk, session=("chat", chat.pk), entries=said)
    shown = peek(world.owner, chat, "chat")
    assert "Which branch?" in shown
    assert "&lt;last&gt;" in shown
    assert "first" not in shown
    assert ">hm" not in shown


def test_the_evidence_names_the_lease_and_the_open_call_with_its_age(world):
    task = BackgroundTaskFactory(
        running=True,
        tenant=world.tenant,
        owner=world.owner.user,
        lease_holder="worker-7",
        lease_expires_at=world.now,
    )
    at = world.tick()
    for call, is_answered in (("c1", True), ("c2", False)):
        entries = [
            NewEntry(
                kind=EntryKind.TOOL_CALL,
                native_id=call,
                tool_name="Bash",
                call_id=call,
                arguments={"command": f"make {call}"},
                occurred_at=at,
            )
        ]
        if is_answered:
            entries.append(
                NewEntry(kind=EntryKind.TOOL_RESULT, native_id=f"{call}r", call_id=call, text="ok")
            )
        append_entries(tenant_id=world.tenant.pk, session=("background_task", task.pk), entries=entries)
    told = peek(world.teammate, task, "background_task", "?part=evidence")
    assert "held by worker-7 until 2 Mar, 09:00:00 UTC" in told
    assert "Bash make c2" in told
    assert at.isoformat() in told
    assert "make c1" not in told
    assert f'unconfirmed, last confirmed <relative-time datetime="{task.lease_expires_at.isoformat()}' in (
        told.replace(' <span class="muted">', " ")
    )


def test_the_peek_costs_the_same_however_long_the_transcript_is(world, django_assert_max_num_queries):
    chat = ChatFactory(tenant=world.tenant, owner=world.owner.user)
    client, costs = client_of(world.owner), []
    for count in (3, 60):
        entries = [
            NewEntry(kind=EntryKind.MESSAGE, native_id=f"{count}-{n}", role="assistant", text="word")
            for n in range(count)
        ]
        append_entries(tenant_id=world.tenant.pk, session=("chat", chat.pk), entries=entries)
        with django_assert_max_num_queries(30) as asked:
            client.get(url_of(chat, "chat", "peek"), headers=IN_PLACE)
        costs.append(len(asked))
    assert costs[0] == costs[1]


def test_a_version_past_all_numbers_is_a_bad_request(world, paused):
    assert act(world.owner, paused, "flow_run", "approve", version="9" * 5000).status_code == 400
