"""The page of a run shows its flow, its steps by their last attempt, and all that a decision is bound to."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile
from django.test import Client

from flows import services
from flows.models import Artifact, RunStatus
from tests.flows.worlds import World


def page_of(world: World, run, client: Client) -> str:
    client.force_login(world.owner.user)
    answer = client.get(f"/w/{world.tenant.slug}/flow-runs/{run.pk}/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_names_the_flow_and_its_version(world, client):
    page = page_of(world, world.start(), client)
    assert "Release (version 1)" in page
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
    assert "1 retry" in step
    assert "exit code 2" not in step


def test_the_parameters_of_a_run_stand_apart_from_what_is_known_of_every_session(world, client):
    page = page_of(world, world.start(), client)
    parameters = page.partition("<h2>Parameters</h2>")[2].partition("</dl>")[0]
    assert "<dt>environment</dt><dd>staging</dd>" in parameters


@pytest.mark.parametrize("is_file", [False, True])
def test_an_artifact_comes_as_a_file_of_its_name_that_no_browser_shows(
    world, client, is_file, settings, tmp_path
):
    settings.MEDIA_ROOT = tmp_path
    run = world.start()
    artifact = Artifact(
        tenant=world.tenant,
        run=run,
        name="Übersicht.html",
        content_type="text/html",
        size_bytes=9,
        is_scanned=True,
    )
    if is_file:
        artifact.file.save("x.html", ContentFile("<b>hi</b>"), save=False)
    else:
        artifact.text = "<b>hi</b>"
    artifact.save()
    client.force_login(world.owner.user)
    answer = client.get(f"/w/{world.tenant.slug}/flow-runs/{run.pk}/artifacts/{artifact.pk}/")
    assert answer.getvalue() == b"<b>hi</b>"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=utf-8''%C3%9Cbersicht.html"
