"""The page of a session follows it while somebody reads, and takes nothing from under their hands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from audit.entries import EntryKind, NewEntry
from audit.imports import Delivery
from flows import services
from flows.models import FlowRun, RunStatus
from tests.browser.server import run_server
from tests.browser.visits import Visits, violations
from tests.flows.worlds import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def people(chromium: Browser, transactional_db: None, tmp_path: Path) -> Iterator[Visits]:
    with run_server(tmp_path / "log") as address:
        made = Visits(chromium, address)
        yield made
        made.close()
        assert made.problems == []


@pytest.fixture
def world(people: Visits) -> World:
    return World()


def open_run(people: Visits, world: World, run: FlowRun, query: str = "") -> Page:
    page = people.open(f"/w/{world.tenant.slug}/flow-runs/{run.pk}/{query}", world.owner.user)
    expect(page.locator("#center-button")).to_be_visible()
    return page


def say(world: World, run: FlowRun, *texts: str) -> None:
    entries = [
        NewEntry(kind=EntryKind.MESSAGE, role="assistant", native_id=f"m-{text}", text=text) for text in texts
    ]
    services.add_entries(tenant_id=world.tenant.pk, run_id=run.pk, delivery=Delivery(entries=entries))


def test_steps_and_transcript_change_in_place(people: Visits, world: World) -> None:
    run = world.start()
    page = open_run(people, world, run)
    expect(page.locator(".record-head .status").first).to_contain_text("Pending")
    world.call(services.begin_run, run)
    world.call(services.start_step, run)
    say(world, run, "first words")
    expect(page.locator("#step-1 .status")).to_have_text("Running")
    expect(page.locator("#transcript")).to_contain_text("first words")
    world.call(services.finish_step, run, result={"exit_code": 0})
    expect(page.locator("#step-1 .status")).to_have_text("Completed")
    assert violations(page) == []


def test_the_page_says_whether_it_is_live(people: Visits, world: World) -> None:
    run = world.start()
    page = open_run(people, world, run)
    state = page.locator("#live")
    expect(state).to_have_text("Live")
    world.call(services.begin_run, run)
    expect(page.locator(".record-head .status").first).to_contain_text("Running")
    expect(state).to_have_text("Live")
    page.context.set_offline(True)
    expect(state).to_have_text(re.compile("Offline since .+ What you see may be old"))
    assert violations(page, "color-contrast") == []
    page.context.set_offline(False)
    expect(state).to_have_text("Live")


def test_a_checkpoint_appears_is_decided_by_somebody_else_and_goes(people: Visits, world: World) -> None:
    run = world.start()
    page = open_run(people, world, run)
    world.call(services.begin_run, run)
    paused = world.call(services.pause_at_checkpoint, run, message="Shall it go on?")
    card = page.locator("#act-review")
    expect(card).to_contain_text("Shall it go on?")
    services.approve_checkpoint(
        tenant_id=world.tenant.pk, run_id=run.pk, actor=world.actor, seen_version=paused.version
    )
    expect(card).to_have_count(0)
    expect(page.locator("#receipts")).to_contain_text("Approved")


def test_the_card_under_my_hands_stays_and_says_that_it_is_old(people: Visits, world: World) -> None:
    run = world.run_that_is(RunStatus.PAUSED)
    page = open_run(people, world, run)
    card = page.locator("#act-review")
    card.locator("textarea").fill("because of the tests")
    run.refresh_from_db()
    services.approve_checkpoint(
        tenant_id=world.tenant.pk, run_id=run.pk, actor=world.actor, seen_version=run.version
    )
    expect(card.locator(".stale-note")).to_be_visible()
    expect(card.locator("textarea")).to_have_value("because of the tests")
    page.locator("h1").click()
    expect(card).to_have_count(0)


def test_whoever_reads_further_up_is_told_of_new_entries_and_not_moved(people: Visits, world: World) -> None:
    run = world.start()
    world.call(services.begin_run, run)
    world.call(services.start_step, run)
    say(world, run, *(f"entry number {number} " + "word " * 120 for number in range(40)))
    page = open_run(people, world, run)
    expect(page.locator(".entries")).to_contain_text("entry number 39")
    page.evaluate("scrollTo(0, 0)")
    say(world, run, "one more")
    expect(page.locator("#page-pill")).to_have_text("1 new entry")
    assert page.evaluate("scrollY") == 0
    page.locator("#page-pill").click()
    expect(page.locator(".entries").get_by_text("one more")).to_be_in_viewport()


def test_an_earlier_window_stays_and_leads_to_the_latest(people: Visits, world: World) -> None:
    run = world.start()
    world.call(services.begin_run, run)
    world.call(services.start_step, run)
    say(world, run, *(f"entry number {number}" for number in range(130)))
    page = open_run(people, world, run, "?at=5")
    expect(page.locator("#transcript")).to_contain_text("Newer")
    before = page.locator(".entries > .entry").count()
    say(world, run, "one more")
    pill = page.locator("#page-pill")
    expect(pill).to_have_text("1 new entry")
    assert page.locator(".entries > .entry").count() == before
    pill.click()
    expect(page.locator(".entries").get_by_text("one more")).to_be_visible()


def test_nothing_of_a_full_window_is_taken_while_it_is_followed(people: Visits, world: World) -> None:
    run = world.start()
    world.call(services.begin_run, run)
    world.call(services.start_step, run)
    say(world, run, *(f"entry number {number}" for number in range(70)))
    page = open_run(people, world, run)
    first = page.locator(".entries > .entry").first.get_attribute("id")
    say(world, run, *(f"later number {number}" for number in range(20)))
    expect(page.locator(".entries")).to_contain_text("later number 19")
    assert page.locator(".entries > .entry").first.get_attribute("id") == first
    ids = page.locator(".entries > .entry").evaluate_all("all => all.map(entry => Number(entry.id.slice(2)))")
    assert ids == sorted(set(ids))


def test_the_end_of_a_run_shows_its_last_entries(people: Visits, world: World) -> None:
    run = world.start()
    page = open_run(people, world, run)
    world.call(services.begin_run, run)
    world.call(services.start_step, run)
    say(world, run, *(f"entry number {number}" for number in range(60)))
    world.call(services.fail_step, run, error="exit code 2")
    expect(page.locator(".record-head")).to_have_attribute("data-tone", "problem")
    expect(page.locator(".entries")).to_contain_text("exit code 2")


def test_more_than_a_window_at_once_takes_nothing_from_whoever_reads_further_up(
    people: Visits, world: World
) -> None:
    run = world.start()
    world.call(services.begin_run, run)
    world.call(services.start_step, run)
    say(world, run, *(f"entry number {number} " + "word " * 120 for number in range(40)))
    page = open_run(people, world, run)
    expect(page.locator(".entries")).to_contain_text("entry number 39")
    page.evaluate("scrollTo(0, 0)")
    say(world, run, *(f"later number {number}" for number in range(130)))
    pill = page.locator("#page-pill")
    expect(pill).to_have_text("130 new entries")
    expect(page.locator(".entries")).to_contain_text("entry number 5 ")
    pill.click()
    expect(page.locator(".entries").get_by_text("later number 129")).to_be_visible()


def test_a_reading_that_fails_does_not_end_the_following(people: Visits, world: World) -> None:
    page = open_run(people, world, world.start())
    times = page.evaluate(
        """async () => {
            const scripts = document.querySelector('script[src*="js/app"]').src.replace(/app[^/]*$/, "");
            const { paced } = await import(`${scripts}pace.js`);
            addEventListener("unhandledrejection", (event) => event.preventDefault());
            let times = 0;
            await new Promise((done) => {
                const ask = paced(async () => {
                    times += 1;
                    if (times === 2) return done();
                    setTimeout(ask, 50);
                    throw new Error("once");
                }, 10);
                ask();
                setTimeout(done, 5000);
            });
            return times;
        }"""
    )
    assert times == 2
