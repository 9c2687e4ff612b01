"""Several sessions decided at once: shown side by side, each bound to what was seen, each by itself."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.entries import EntryKind, NewEntry
from audit.services import append_entries
from flows import services
from flows.models import FlowRun, RunStatus, StepRun
from sessions_app import bulk
from tests.factories.chats import ChatFactory
from tests.factories.flows import FlowRunFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.flows.worlds import World, receipts_of
from workspace.models import Membership

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


def pause(world: World, target: str = "all", **given: Any) -> FlowRun:
    """A run that asks before its first step."""
    run = world.start(**given)
    world.call(services.begin_run, run)
    world.call(services.pause_at_checkpoint, run, arguments={"target": target, "force": False})
    return FlowRun.objects.get(pk=run.pk)


def key_of(session: Any) -> str:
    kinds = {"FlowRun": "flow_run", "BackgroundTask": "background_task", "Chat": "chat"}
    return f"{kinds[type(session).__name__]}:{session.pk}"


def client_of(member: Membership) -> Client:
    client = Client()
    client.force_login(member.user)
    return client


def address(world: World) -> str:
    return f"/w/{world.tenant.slug}/sessions/bulk/"


def look(member: Membership, world: World, *sessions: Any, **query: str) -> str:
    answer = client_of(member).get(address(world), {"s": [key_of(each) for each in sessions], **query})
    assert answer.status_code == 200
    return answer.content.decode()


def decide(member: Membership, world: World, action: str, *sessions: Any, **more: Any) -> Any:
    """As the page posts it that shows these sessions as they are in memory."""
    posted: dict[str, Any] = {"action": action, "s": [key_of(each) for each in sessions], **more}
    for each in sessions:
        posted.setdefault(f"version:{key_of(each)}", each.version)
        posted.setdefault(f"hash:{key_of(each)}", getattr(each, "checkpoint_hash", ""))
    return client_of(member).post(address(world), posted)


def status_of(run: FlowRun) -> str:
    return str(FlowRun.objects.get(pk=run.pk).status)


def results_of(answer: Any) -> dict[str, str]:
    """What the page says of each session, by its key."""
    items = re.findall(r'<li data-session="([^"]+)">(.*?)</li>', answer.content.decode(), re.DOTALL)
    return {key: " ".join(re.sub("<[^>]+>", " ", text).split()) for key, text in items}


def test_one_decision_and_one_comment_are_kept_for_each(world):
    runs = [pause(world) for _ in range(3)]
    answer = decide(world.teammate, world, "approve", *runs, comment="All of them are fine")
    assert answer.status_code == 200
    assert "3 done, 0 skipped" in answer.content.decode()
    for run in runs:
        assert status_of(run) == RunStatus.RUNNING
        (receipt,) = receipts_of(run)
        assert (receipt.outcome, receipt.comment) == ("approved", "All of them are fine")
        assert (receipt.content_hash, receipt.decided_by_id) == (run.checkpoint_hash, world.teammate.user_id)


def test_those_that_moved_on_are_skipped_and_the_page_says_why(world):
    stays, decided, changed, ended = (pause(world) for _ in range(4))
    world.decide(services.reject_checkpoint, decided)
    StepRun.objects.filter(run=changed, position=1).update(parameters={"target": "production"})
    world.call(services.cancel_run, ended)
    answer = decide(world.owner, world, "approve", stays, decided, changed, ended)
    assert "1 done, 3 skipped" in answer.content.decode()
    told = results_of(answer)
    assert "Approved: the run goes on." in told[key_of(stays)]
    assert f"decided already: rejected by {world.owner.user.name}" in told[key_of(decided)]
    assert "has changed since you looked" in told[key_of(changed)]
    assert "has changed since you looked" in told[key_of(ended)]
    assert (status_of(stays), status_of(changed)) == ("running", "paused")
    assert receipts_of(changed) == []


def test_a_run_whose_diff_has_changed_since_is_skipped(world):
    stays, changed = (pause(world) for _ in range(2))
    edit = NewEntry(kind=EntryKind.FILE_EDIT, native_id="late", path="shop/tax.py", before="a\n", after="b\n")
    append_entries(tenant_id=world.tenant.pk, session=("flow_run", changed.pk), entries=[edit])
    answer = decide(world.owner, world, "approve", stays, changed)
    assert "1 done, 1 skipped" in answer.content.decode()
    assert "has changed since you looked" in results_of(answer)[key_of(changed)]
    assert (status_of(changed), receipts_of(changed)) == ("paused", [])


def test_what_is_refused_for_all_of_them_is_a_conflict(world):
    run = pause(world)
    assert decide(world.owner, world, "approve", run, **{f"hash:{key_of(run)}": "0" * 64}).status_code == 409
    assert decide(world.owner, world, "approve", run, **{f"version:{key_of(run)}": ""}).status_code == 409
    assert status_of(run) == RunStatus.PAUSED


def test_a_session_that_offers_something_else_is_skipped_and_left_alone(world):
    run = pause(world)
    task = BackgroundTaskFactory(running=True, tenant=world.tenant, owner=world.owner.user)
    answer = decide(world.owner, world, "approve", run, task)
    assert "does not offer this to you" in results_of(answer)[key_of(task)]
    assert status_of(run) == RunStatus.RUNNING
    task.refresh_from_db()
    assert task.status == "running"


def test_sessions_of_all_kinds_are_ended_by_what_they_offer(world):
    task = BackgroundTaskFactory(running=True, tenant=world.tenant, owner=world.owner.user)
    run = pause(world)
    answer = decide(world.owner, world, "cancel", task, run)
    assert "2 done" in answer.content.decode()
    task.refresh_from_db()
    assert (task.status, status_of(run)) == ("cancelled", "cancelled")


def test_nobody_does_by_many_what_they_may_not_do_to_one(world):
    world.name_approver(world.teammate)
    run = pause(world)
    for member in (world.owner, world.viewer):
        assert decide(member, world, "approve", run).status_code == 409
    stranger = World().owner
    assert decide(stranger, world, "approve", run).status_code == 404
    assert status_of(run) == RunStatus.PAUSED


def test_sessions_of_another_workspace_are_not_there(world):
    other = World()
    mine, theirs = pause(world), pause(other)
    shown = look(world.owner, world, mine, theirs)
    assert str(theirs.pk) not in shown
    assert "Not there any more: 1" in shown
    answer = decide(world.owner, world, "approve", mine, theirs)
    assert "1 done, 1 skipped" in answer.content.decode()
    assert status_of(theirs) == RunStatus.PAUSED


def test_what_differs_is_marked_and_what_is_the_same_is_said_once(world):
    shown = look(world.owner, world, pause(world, "docs"), pause(world, "site"))
    assert '<mark class="differs">target: docs</mark>' in shown
    assert '<mark class="differs">target: site</mark>' in shown
    assert '<mark class="differs">force: no</mark>' not in shown
    common = shown.partition("The same for all")[2].partition("bulk-cards")[0]
    assert "make ship" in common
    assert "Release, version 1" in common
    assert shown.count("make ship") == 1


def test_what_is_long_is_cut_and_its_end_is_counted(world, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_SHOWN", 2_000)
    monkeypatch.setattr(bulk, "LEAST_SHOWN", 500)
    runs = [pause(world, "\n".join(f"line {number} of {each}" for number in range(900))) for each in "ab"]
    shown = look(world.owner, world, *runs)
    for each in "ab":
        assert re.search(f'<mark class="differs"> *line 1 of {each}</mark>', shown)
        assert f"line 899 of {each}" not in shown
    assert len(re.findall(r"… [0-9]{3} more lines: open it to see all", shown)) == 2
    assert shown.count('class="differs"') < 200
    for run in runs:
        assert f'value="{run.checkpoint_hash}"' in shown


def test_a_line_without_an_end_is_cut(world, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_SHOWN", 2_000)
    shown = look(world.owner, world, pause(world, "x" * 90_000 + "\nend"), pause(world))
    assert "x" * 5_000 not in shown
    assert "x…" in shown
    assert re.search(r"… [0-9] more lines?: open it", shown)


def test_the_page_binds_each_to_its_version_and_hash(world):
    runs = [pause(world, "docs"), pause(world, "site")]
    shown = look(world.owner, world, *runs)
    for run in runs:
        assert f'name="version:{key_of(run)}" value="{run.version}"' in shown
        assert f'name="hash:{key_of(run)}" value="{run.checkpoint_hash}"' in shown


def test_those_that_do_not_offer_what_was_chosen_are_not_ticked(world):
    run = pause(world)
    chat = ChatFactory(tenant=world.tenant, owner=world.owner.user)
    shown = look(world.owner, world, run, chat, action="approve")
    assert f'value="{key_of(run)}" checked' in shown
    assert f'value="{key_of(chat)}">' in shown


def test_the_bar_says_what_they_offer_and_to_how_many(world):
    paused = [pause(world), pause(world)]
    task = BackgroundTaskFactory(running=True, tenant=world.tenant, owner=world.owner.user)
    bar = look(world.owner, world, *paused, task, part="bar")
    labels = [" ".join(label.split()) for label in re.findall(r"<button[^>]*>([^<]*)<", bar)]
    assert labels == ["Cancel…", "Approve 2…", "Skip step 2…", "To background 2…", "Reject 2…"]
    assert "Edit and approve" not in bar
    assert "<button" not in look(world.viewer, world, *paused, part="bar")


@pytest.mark.parametrize(
    ("selected", "problem"),
    [
        ([], "select 1 to 100 sessions, not 0"),
        (["flow_run"], "names no session"),
        (["flow_run:1"], "names no session"),
        ([f"secret:{uuid.uuid4()}"], "names no session"),
        ([f"chat:{uuid.uuid4()}" for _ in range(101)], "not 101"),
    ],
)
def test_what_is_no_selection_is_refused_with_what_is_wrong(world, selected, problem):
    client = client_of(world.owner)
    for answer in (client.get(address(world), {"s": selected}), client.post(address(world), {"s": selected})):
        assert answer.status_code == 400
        assert problem in answer.content.decode()


def test_the_bar_costs_the_same_for_ten_sessions_as_for_twenty(world, django_assert_max_num_queries):
    runs = [FlowRunFactory(paused=True, tenant=world.tenant, owner=world.owner.user) for _ in range(20)]
    client, costs = client_of(world.owner), []
    for count in (10, 20):
        query = {"part": "bar", "s": [key_of(run) for run in runs[:count]]}
        with django_assert_max_num_queries(30) as asked:
            client.get(address(world), query)
        costs.append(len(asked))
    assert costs[0] == costs[1]


def test_a_decision_on_many_costs_little_more_for_each(world):
    """What is read for all is read once; a run is read, locked, looked at and written by itself."""
    costs = {}
    for count in (2, 6):
        runs = [pause(world) for _ in range(count)]
        client = client_of(world.owner)
        posted: dict[str, Any] = {"action": "approve", "s": [key_of(run) for run in runs]}
        posted |= {f"version:{key_of(run)}": run.version for run in runs}
        with CaptureQueriesContext(connection) as queries:
            assert "0 skipped" in client.post(address(world), posted).content.decode()
        said = [query["sql"] for query in queries.captured_queries]
        costs[count] = len([sql for sql in said if "SAVEPOINT" not in sql])
    assert (costs[6] - costs[2]) / 4 <= 20


def test_a_viewers_list_has_no_bar(world):
    pause(world)
    lists = f"/w/{world.tenant.slug}/sessions/"
    assert 'id="bulk"' in client_of(world.teammate).get(lists).content.decode()
    assert 'id="bulk"' not in client_of(world.viewer).get(lists).content.decode()


def test_a_version_past_all_numbers_is_skipped_like_any_that_is_wrong(world):
    run = pause(world)
    answer = decide(world.owner, world, "approve", run, **{f"version:{key_of(run)}": "9" * 5000})
    assert answer.status_code == 409
    assert "did not say what you saw" in answer.content.decode()
