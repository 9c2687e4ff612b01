"""A step is changed at its checkpoint before it is approved: what was seen and what was approved are kept."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from audit.services import content_hash
from flows import services
from flows.models import FlowRun, RunStatus, StepRun
from flows.moves import find_current_step
from sessions_app.kinds import StaleVersion
from tests.flows.worlds import World, lines_of, picture_of, receipts_of
from workspace.models import Membership
from workspace.secrets import create_secret

ARGUMENTS = {"target": "all", "count": 3, "flags": {"fast": True}}


@pytest.fixture
def asked(world: World) -> FlowRun:
    """A run at a checkpoint before its first step."""
    run = world.start()
    world.call(services.begin_run, run)
    world.call(services.pause_at_checkpoint, run, arguments=ARGUMENTS)
    return FlowRun.objects.get(pk=run.pk)


def fresh(run: FlowRun) -> FlowRun:
    return FlowRun.objects.get(pk=run.pk)


def approve(world: World, run: FlowRun, arguments: dict[str, Any], **given: Any) -> StepRun:
    world.decide(services.approve_checkpoint, run, arguments=arguments, **given)
    return find_current_step(run)


def address(run: FlowRun) -> str:
    return f"/w/{run.tenant.slug}/flow-runs/{run.pk}/edit/"


def enter(member: Membership, run: FlowRun, **entered: Any) -> Any:
    client = Client()
    client.force_login(member.user)
    fields = {f"argument-{name}": text for name, text in entered.pop("arguments", {}).items()}
    posted = {"version": run.version, "content_hash": run.checkpoint_hash, **fields, **entered}
    return client.post(address(run), posted)


def test_the_step_goes_on_with_what_was_approved(world, asked):
    step = approve(world, asked, {"target": "docs", "count": 3})
    assert (fresh(asked).status, step.status) == (RunStatus.RUNNING, "running")
    assert step.parameters == {**ARGUMENTS, "target": "docs"}


def test_the_receipt_binds_what_was_seen_and_what_was_approved(world, asked):
    approve(world, asked, {"target": "docs"}, comment="Only these", seen_hash=asked.checkpoint_hash)
    (receipt,) = receipts_of(asked)
    assert (receipt.outcome, receipt.comment) == ("edited", "Only these")
    assert receipt.seen["arguments"] == ARGUMENTS
    assert receipt.seen["edits"] == {"target": ["all", "docs"]}
    assert receipt.content_hash == content_hash(receipt.seen) != asked.checkpoint_hash
    said = [line.text for line in lines_of(asked) if line.kind == "approval"]
    assert said == [f"{world.owner.user.name} edited and approved step 1 “build”: Only these"]


def test_parameters_that_are_entered_as_they_were_are_a_plain_approval(world, asked):
    approve(world, asked, dict(ARGUMENTS))
    (receipt,) = receipts_of(asked)
    assert (receipt.outcome, receipt.content_hash) == ("approved", asked.checkpoint_hash)


def test_a_number_that_became_true_is_a_change(world, asked):
    assert approve(world, asked, {"count": True}).parameters["count"] is True
    assert receipts_of(asked)[0].outcome == "edited"


def test_a_parameter_that_the_step_has_not_is_refused_and_nothing_changes(world, asked):
    before = picture_of(asked)
    with pytest.raises(ValidationError, match="has no parameter “branch”; it takes"):
        approve(world, asked, {"branch": "main"})
    assert picture_of(asked) == before


def test_what_changed_since_is_not_approved_with_edits_either(world, asked):
    StepRun.objects.filter(run=asked, position=1).update(parameters={"target": "production"})
    with pytest.raises(StaleVersion):
        approve(world, asked, {"target": "docs"}, seen_hash=asked.checkpoint_hash)
    assert receipts_of(asked) == []


def test_a_secret_that_is_entered_is_stored_by_its_name_alone(world, asked):
    value = "kn0wn" + "-value-of-a-secret"
    create_secret(tenant_id=world.tenant.pk, name="API_KEY", value=value, actor=world.actor)
    step = approve(world, asked, {"target": f"--key {value}"})
    assert "API_KEY" in step.parameters["target"]
    assert value not in str(picture_of(asked))


def test_the_page_shows_each_parameter_in_a_field_of_its_own(world, asked, client):
    client.force_login(world.owner.user)
    shown = client.get(address(asked)).content.decode()
    assert 'name="argument-target"' in shown
    assert "&quot;fast&quot;: true" in shown
    assert f'name="content_hash" value="{asked.checkpoint_hash}"' in shown
    assert "make ship" in shown


def test_what_is_entered_on_the_page_is_approved(world, asked):
    changed = {"target": "docs\r\nsite", "count": "5", "flags": '{"fast": false}'}
    answer = enter(world.teammate, asked, arguments=changed, comment="Smaller")
    assert (answer.status_code, answer.headers["Location"]) == (302, address(asked).removesuffix("edit/"))
    step = find_current_step(asked)
    assert step.parameters == {"target": "docs\nsite", "count": 5, "flags": {"fast": False}}
    (receipt,) = receipts_of(asked)
    assert (receipt.decided_by_id, receipt.outcome) == (world.teammate.user_id, "edited")


def test_the_runs_page_shows_before_and_after(world, asked, client):
    approve(world, asked, {"target": "docs"})
    client.force_login(world.owner.user)
    shown = client.get(f"/w/{world.tenant.slug}/flow-runs/{asked.pk}/").content.decode()
    assert "<code>target</code> <del>all</del> <ins>docs</ins>" in shown


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"count": "many"}, "this is not JSON: Expecting value, line 1 column 1"),
        ({"count": ""}, "this is not JSON"),
        ({"count": "NaN"}, "NaN is no JSON"),
        ({"count": "[1e999]"}, "1e999 is too large"),
        ({"flags": "[" * 100_000}, "nested too deeply"),
        ({"flags": "[" * 300 + "]" * 300}, "nested too deeply"),
        ({"branch": "main"}, "this step has no parameter “branch”"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(world, asked, arguments, problem):
    before = picture_of(asked)
    answer = enter(world.owner, asked, arguments={"target": "my words", **arguments})
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert problem in shown
    assert "my words" in shown
    assert picture_of(asked) == before


@pytest.mark.parametrize(
    "stale", [{"version": 1}, {"content_hash": "0" * 64}, {"version": "x"}, {"version": "9" * 5000}]
)
def test_an_approval_from_a_page_that_is_out_of_date_is_refused_with_words(world, asked, stale):
    answer = enter(world.owner, asked, arguments={"target": "docs"}, **stale)
    assert answer.status_code == 302
    assert fresh(asked).status == RunStatus.PAUSED


def test_who_is_second_hears_who_decided(world, asked, client):
    world.decide(services.approve_checkpoint, asked)
    world.call(services.finish_step, asked)
    world.call(services.pause_at_checkpoint, asked)
    client.force_login(world.teammate.user)
    posted = {"version": asked.version, "content_hash": asked.checkpoint_hash}
    answer = client.post(address(asked), posted, follow=True)
    assert f"This was decided already: approved by {world.owner.user.name}" in answer.content.decode()


def test_only_those_who_decide_get_the_page(world, client):
    world.name_approver(world.teammate)
    run = world.run_that_is(RunStatus.PAUSED)
    answers = {}
    for seat in ("teammate", "owner", "admin", "viewer"):
        client.force_login(getattr(world, seat).user)
        answers[seat] = client.get(address(run)).status_code
    assert answers == {"teammate": 200, "owner": 403, "admin": 403, "viewer": 403}


def test_a_run_that_waits_at_no_checkpoint_leads_back_to_its_page(world, client):
    run = world.run_that_is(RunStatus.RUNNING)
    client.force_login(world.owner.user)
    answer = client.get(address(run), follow=True)
    assert answer.redirect_chain == [(address(run).removesuffix("edit/"), 302)]
    assert "waits at no checkpoint" in answer.content.decode()


def test_the_cards_lead_to_the_page_and_it_is_no_action_to_post(world, asked, client):
    client.force_login(world.owner.user)
    at = f"/w/{world.tenant.slug}"
    peek = f"{at}/sessions/flow_run/{asked.pk}/peek/"
    for page in (f"{at}/flow-runs/{asked.pk}/", peek):
        assert f'href="{address(asked)}"' in client.get(page).content.decode()
    posted = {"action": "edit", "version": asked.version}
    url = f"{at}/sessions/flow_run/{asked.pk}/action/"
    assert client.post(url, posted).status_code == 403
