from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.entries import EntryKind, NewEntry
from audit.models import Transcript
from audit.services import append_entries
from audit.transcripts import WINDOW, Only, find_transcript, read_window
from tests.factories.workspace import TenantFactory

pytestmark = pytest.mark.django_db


def make_transcript(entries: list[NewEntry]) -> Transcript:
    tenant, session = TenantFactory(), ("chat", uuid.uuid4())
    append_entries(tenant_id=tenant.pk, session=session, entries=entries)
    transcript = find_transcript(tenant.pk, session)
    assert transcript is not None
    return transcript


def messages(count: int) -> list[NewEntry]:
    return [
        NewEntry(kind=EntryKind.MESSAGE, native_id=f"m{n}", text=f"text {n}") for n in range(1, count + 1)
    ]


def seqs(window) -> list[int]:
    return [entry.seq for entry in window.entries]


def test_the_first_window_begins_at_the_beginning():
    window = read_window(make_transcript(messages(120)))
    assert seqs(window) == list(range(1, WINDOW + 1))
    assert (window.has_older, window.has_newer) == (False, True)


def test_the_latest_window_ends_at_the_end():
    window = read_window(make_transcript(messages(120)), latest=True)
    assert seqs(window) == list(range(71, 121))
    assert (window.has_older, window.has_newer) == (True, False)


@pytest.mark.parametrize("size", [1, 7, 50])
def test_walking_forwards_and_back_shows_every_entry_once(size):
    transcript = make_transcript(messages(53))
    seen, after = [], 0
    while True:
        window = read_window(transcript, after=after, size=size)
        seen += seqs(window)
        if not window.has_newer:
            break
        after = window.last_seq
    assert seen == list(range(1, 54))
    back, before = [], None
    while True:
        window = read_window(transcript, before=before, latest=True, size=size)
        back = seqs(window) + back
        if not window.has_older:
            break
        before = window.first_seq
    assert back == seen


@pytest.mark.parametrize("at", [1, 49, 50, 51, 100, 101, 120])
def test_a_permalink_opens_the_window_that_holds_its_entry(at):
    transcript = make_transcript(messages(120))
    assert at in seqs(read_window(transcript, at=at))
    assert at in seqs(read_window(transcript, at=at, latest=True))


def test_filters_keep_their_kinds_and_words():
    entries = [
        *messages(3),
        NewEntry(kind=EntryKind.TOOL_CALL, native_id="c", tool_name="Bash", call_id="x"),
        NewEntry(kind=EntryKind.TOOL_RESULT, native_id="r", call_id="x", is_error=True, text="no such file"),
        NewEntry(kind=EntryKind.FILE_EDIT, native_id="e", path="src/app.py"),
        NewEntry(kind=EntryKind.ERROR, native_id="x", text="overloaded"),
    ]
    transcript = make_transcript(entries)
    assert seqs(read_window(transcript, only=Only.MESSAGES)) == [1, 2, 3]
    assert seqs(read_window(transcript, only=Only.TOOLS)) == [4, 5]
    assert seqs(read_window(transcript, only=Only.EDITS)) == [6]
    assert seqs(read_window(transcript, only=Only.ERRORS)) == [5, 7]
    assert seqs(read_window(transcript, q="APP.py")) == [6]
    assert seqs(read_window(transcript, q="such file")) == [5]
    assert seqs(read_window(transcript, q="100%")) == []


def test_the_result_of_a_call_is_found_outside_the_window():
    entries = [
        NewEntry(kind=EntryKind.TOOL_CALL, native_id="c", tool_name="Bash", call_id="x"),
        *messages(60),
        NewEntry(kind=EntryKind.TOOL_RESULT, native_id="r", call_id="x", text="done"),
    ]
    window = read_window(make_transcript(entries))
    assert [piece.text for piece in window.results["x"]] == ["done"]


def test_a_window_costs_the_same_in_a_long_transcript():
    reads = []
    for count in (60, 600):
        transcript = make_transcript(messages(count))
        with CaptureQueriesContext(connection) as queries:
            read_window(transcript, after=5)
        reads.append(len(queries))
    assert reads[0] == reads[1]


@pytest.mark.parametrize("where", [{}, {"latest": True}, {"at": 4000}, {"before": 4000}, {"after": 2500}])
def test_a_window_of_a_long_transcript_reads_pages_in_proportion_to_what_it_shows(where):
    transcript = make_transcript(messages(5000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE audit_transcriptentry")
    with CaptureQueriesContext(connection) as queries:
        read_window(transcript, **where)
    for query in queries:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT TEXT) " + query["sql"])
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "Seq Scan" not in plan, plan
        hits = int(plan.split("shared hit=")[1].split()[0])
        assert hits <= 3 * WINDOW, plan
