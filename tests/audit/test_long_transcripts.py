"""A page of a transcript costs the same however long that is: asked of 1,000 and of 100,000 entries."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from audit.models import Transcript
from audit.transcripts import SEARCH_REACH, WINDOW, Only, Window, read_window
from bench.plans import Plan, plans_of
from bench.transcripts import LONG, SHORT, fill
from tests.factories.workspace import TenantFactory

pytestmark = pytest.mark.django_db

#: A page of a long transcript: an index is a level deeper there, and rows lie on as many pages.
MOST_TIMES_SHORT = 1.5

WINDOWS: dict[str, Any] = {
    "first paint": {},
    "latest": {"latest": True},
    "in the middle": {"after": 500},
    "before the middle": {"before": 500},
    "permalink": {"at": 517},
    **{f"only {only}": {"only": only} for only in Only},
    **{f"only {only}, from the end": {"only": only, "latest": True} for only in Only},
    **{f"permalink in {only}": {"only": only, "at": 501} for only in Only},
    "a word everywhere": {"q": "entry"},
    "a word among errors": {"q": "wrong", "only": Only.ERRORS},
}


@pytest.fixture(scope="module")
def transcripts(django_db_setup, django_db_blocker):
    """A short and a long one, as they are once autovacuum has been there; gone again at the end."""
    from django.db import transaction

    with django_db_blocker.unblock():
        atomic = transaction.atomic()
        atomic.__enter__()
        try:
            made = fill(TenantFactory().pk, SHORT), fill(TenantFactory().pk, LONG)
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE audit_transcriptentry")
            yield made
        finally:
            transaction.set_rollback(True)
            atomic.__exit__(None, None, None)


def cost(transcript: Transcript, where: dict[str, Any]) -> tuple[list[Plan], int]:
    plans = plans_of(lambda: read_window(transcript, **where))
    return plans, sum(plan.buffers for plan in plans)


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_of_a_long_transcript_costs_what_one_of_a_short_one_does(name, transcripts):
    short, long = transcripts
    few, buffers = cost(short, WINDOWS[name])
    many, most = cost(long, WINDOWS[name])
    assert len(few) == len(many)
    assert not [plan.sql for plan in many if plan.scanned]
    assert most <= MOST_TIMES_SHORT * buffers + WINDOW


def test_a_search_looks_through_so_many_entries_and_says_how_to_go_on(transcripts):
    _, long = transcripts
    window = read_window(long, q="nonesuch")
    assert (window.entries, window.searched, window.newer_from) == ([], (1, SEARCH_REACH), SEARCH_REACH)
    plans, _ = cost(long, {"q": "nonesuch"})
    assert max(plan.rows_read for plan in plans) <= SEARCH_REACH
    back = read_window(long, q="nonesuch", latest=True)
    assert (back.searched, back.older_from) == ((LONG + 1 - SEARCH_REACH, LONG), LONG + 1 - SEARCH_REACH)


def walk(transcript: Transcript, where: dict[str, Any], *, forward: bool) -> list[int]:
    """The numbers of all windows from one end to the other, as their links lead."""
    seen: list[int] = []
    step: dict[str, Any] = {} if forward else {"latest": True}
    while True:
        window: Window = read_window(transcript, **where, **step)
        numbers = [entry.seq for entry in window.entries]
        seen = seen + numbers if forward else numbers + seen
        beyond = window.newer_from if forward else window.older_from
        if beyond is None:
            return seen
        step = {"after": beyond} if forward else {"before": beyond}


@pytest.mark.parametrize("forward", [True, False])
def test_following_a_search_to_its_end_finds_each_entry_once(forward, transcripts):
    _, long = transcripts
    assert walk(long, {"q": "wrong"}, forward=forward) == list(range(1, LONG + 1, 500))


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("only", Only)
def test_following_a_filter_to_its_end_shows_each_entry_once(only, forward, transcripts):
    short, _ = transcripts
    kept = {
        Only.MESSAGES: lambda seq: seq % 20 == 0,
        Only.EDITS: lambda seq: seq % 10 == 5,
        Only.TOOLS: lambda seq: seq % 20 != 0 and seq % 10 != 5,
        Only.ERRORS: lambda seq: seq % 500 == 1,
    }[only]
    assert walk(short, {"only": only}, forward=forward) == [n for n in range(1, SHORT + 1) if kept(n)]
