"""The page of a run shows its flow, its steps by their last attempt, and all that a decision is bound to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from audit.entries import EntryKind, NewEntry
from audit.imports import Delivery
from flows import services
from flows.models import FlowRun, RunStatus
from flows.moves import find_current_step
from flows.peeking import peek_at_checkpoint
from tests.flows.worlds import World


def page_of(world: World, run, client: Client) -> str:
    client.force_login(world.owner.user)
    answer = client.get(f"/w/{world.tenant.slug}/flow-runs/{run.pk}/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_names_the_flow_and_its_version_and_leads_to_it(world, client):
    run = world.start()
    page = page_of(world, run, client)
    assert f'<a href="/w/{world.tenant.slug}/flows/{run.flow_id}/">Release (version 1)</a>' in page
    assert "staging" in page


def test_the_card_of_a_checkpoint_shows_what_is_approved(world, client):
    run = world.run_that_is(RunStatus.PAUSED)
    page = page_of(world, run, client)
    card = page.partition('id="act-review"')[2].partition("</section>")[0]
    for seen in ("Deploy it?", "deploy", "make ship", "exit_code: 0", run.checkpoint_hash[:12]):
        assert seen in card


def test_a_retried_step_counts_its_retries_and_shows_its_last_attempt(world, client):
    run = world.run_that_is(RunStatus.FAILED)
    world.call(services.retry_run, run)
    page = page_of(world, run, client)
    step = page.partition('id="step-1"')[2].partition("</li>")[0]
    now, _, earlier = step.partition("Earlier attempt")
    assert "1 retry" in now
    assert "exit code 2" not in now
    assert "Attempt 1" in earlier
    assert "exit code 2" in earlier


@pytest.mark.parametrize(
    ("result", "line"),
    [
        ({"output": "one\ntwo\n\n", "exit_code": 0}, "two"),
        ({"text": "All is well."}, "All is well."),
        ({"output": " "}, escape('{"output": " "}')),
        ({"files": ["a.txt", "b.txt"]}, escape('{"files": ["a.txt", "b.txt"]}')),
        (["a", 1], escape('["a", 1]')),
    ],
)
def test_a_folded_result_says_in_its_line_what_is_in_it(world, client, result, line):
    run = world.run_that_is(RunStatus.RUNNING)
    world.call(services.finish_step, run, result=result)
    page = page_of(world, run, client)
    step = page.partition('id="step-1"')[2].partition("</li>")[0]
    assert line in step.partition("<summary>")[2].partition("</summary>")[0]


def test_a_step_at_work_shows_the_end_of_what_it_prints(world, client):
    run = world.run_that_is(RunStatus.RUNNING)
    said = [
        NewEntry(kind=EntryKind.TOOL_RESULT, native_id=f"line-{number}", text=f"line {number}\n")
        for number in range(9)
    ]
    services.add_entries(tenant_id=world.tenant.pk, run_id=run.pk, delivery=Delivery(entries=said))
    step = page_of(world, run, client).partition('id="step-1"')[2].partition("</li>")[0]
    assert "line 8" in step
    assert "line 2" not in step


def test_the_parameters_of_a_run_stand_apart_from_what_is_known_of_every_session(world, client):
    page = page_of(world, world.start(), client)
    parameters = page.partition("<h2>Parameters</h2>")[2].partition("</dl>")[0]
    assert "<dt>environment</dt><dd>staging</dd>" in parameters


def pause_with_changes(world: World, *paths: str) -> FlowRun:
    """A run that asks before its second step, its first having changed these files."""
    run = world.start()
    world.call(services.begin_run, run)
    world.call(services.start_step, run)
    edits = [
        NewEntry(
            kind=EntryKind.FILE_EDIT, native_id=path, path=path, before="rate = 19\n", after="rate = 20\n"
        )
        for path in paths
    ]
    services.add_entries(tenant_id=world.tenant.pk, run_id=run.pk, delivery=Delivery(entries=edits))
    world.call(services.finish_step, run)
    paused: FlowRun = world.call(services.pause_at_checkpoint, run)
    return paused


def test_the_card_of_a_checkpoint_shows_the_diff_so_far_and_is_bound_to_it(world, client):
    paused = pause_with_changes(world, "shop/tax.py")
    card = page_of(world, paused, client).partition('id="act-review"')[2].partition("</section>")[0]
    assert "shop/tax.py" in card
    assert "-rate = 19\n+rate = 20" in card
    seen = services.see_checkpoint(paused, find_current_step(paused))
    assert [edit["path"] for edit in seen["file_edits"]] == ["shop/tax.py"]
    services.approve_checkpoint(
        tenant_id=world.tenant.pk, run_id=paused.pk, actor=world.actor, seen_version=paused.version
    )
    assert "Approved" in page_of(world, paused, client).partition('id="receipts"')[2]


def test_a_change_without_lines_is_told_in_words_at_a_checkpoint(world):
    run = world.start()
    world.call(services.begin_run, run)
    world.call(services.start_step, run)
    picture = NewEntry(
        kind=EntryKind.FILE_EDIT, native_id="p", path="out/dot.png", text="created, 85 bytes, not shown"
    )
    services.add_entries(tenant_id=world.tenant.pk, run_id=run.pk, delivery=Delivery(entries=[picture]))
    world.call(services.finish_step, run)
    parts = peek_at_checkpoint(world.call(services.pause_at_checkpoint, run)).parts
    assert {part.label: part.text for part in parts}["Change: out/dot.png"] == picture.text


def test_a_retry_that_is_to_come_is_not_told_as_if_it_were_now(world, client):
    run = world.run_that_is(RunStatus.RUNNING)
    due_at = timezone.now() + timedelta(minutes=5)
    world.call(services.retry_step, run, error="no", due_at=due_at)
    note = page_of(world, run, client).partition("Tried again ")[2].partition(">")[0]
    assert f'datetime="{due_at.isoformat()}" tense="future"' in note


def test_among_many_runs_each_shows_fewer_of_its_changes_and_is_bound_to_all(world):
    paused = pause_with_changes(world, "a.py", "b.py", "c.py")
    alone, among = peek_at_checkpoint(paused), peek_at_checkpoint(paused, among=100)
    changes = [[part.label for part in peek.parts if "hange" in part.label] for peek in (alone, among)]
    assert changes[0] == ["Change: a.py", "Change: b.py", "Change: c.py"]
    assert changes[1] == ["Change: a.py", "2 more files changed"]
    assert alone.content_hash == among.content_hash == paused.checkpoint_hash


def test_a_place_in_the_transcript_past_all_numbers_is_a_bad_request(world, client):
    run = world.run_that_is(RunStatus.RUNNING)
    client.force_login(world.owner.user)
    answer = client.get(f"/w/{world.tenant.slug}/flow-runs/{run.pk}/", {"at": "9" * 5000})
    assert answer.status_code == 400
