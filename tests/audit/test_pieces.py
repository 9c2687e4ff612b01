"""A result that comes in pieces is read as one, wherever the windows of its transcript begin."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.entries import EntryKind, NewEntry
from audit.looking import open_call
from audit.presenting import Links, present_entries
from audit.services import append_entries
from audit.transcripts import find_transcript, read_window, results_of
from tests.factories.workspace import TenantFactory
from workspace.actors import SYSTEM
from workspace.services import set_secret

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LINKS = Links("/page", "/entries/0/", {})
CALL = NewEntry(kind=EntryKind.TOOL_CALL, native_id="k:call", call_id="k", tool_name="shell", occurred_at=AT)
END = NewEntry(
    kind=EntryKind.TOOL_RESULT, native_id="k:end", call_id="k", duration_ms=900, data={"exit_code": 0}
)


def pieces(*texts: str) -> list[NewEntry]:
    return [
        NewEntry(
            kind=EntryKind.TOOL_RESULT,
            native_id=f"k:out:{number}",
            call_id="k",
            text=text,
            is_partial=True,
            occurred_at=AT + timedelta(seconds=number),
        )
        for number, text in enumerate(texts)
    ]


class Pages:
    """A transcript of these entries, and what its windows show."""

    def __init__(self, *entries: NewEntry) -> None:
        self.tenant, self.session = TenantFactory(), ("chat", uuid.uuid4())
        self.append(*entries)

    def append(self, *entries: NewEntry) -> None:
        append_entries(tenant_id=self.tenant.pk, session=self.session, entries=entries)

    def window(self, **where):
        transcript = find_transcript(self.tenant.pk, self.session)
        window = read_window(transcript, size=5, **where)
        return present_entries(window.entries, window.results, links=LINKS, target=where.get("at"))


def test_pieces_are_one_output_inside_of_their_call():
    pages = Pages(CALL, *pieces("one\ntw", "o\n"))
    (running,) = pages.window()
    assert (running.tool.output, running.tool.outcome_label) == ("one\ntwo\n", "no end yet")
    assert running.tool.seconds is None
    pages.append(END)
    (ended,) = pages.window()
    assert (ended.tool.output, ended.tool.outcome_label) == ("one\ntwo\n", "ok")
    assert (ended.tool.seconds, ended.anchors) == (0.9, (2, 3, 4))


def test_an_error_stands_on_a_line_of_its_own_below_the_output():
    failed = NewEntry(
        kind=EntryKind.TOOL_RESULT, native_id="k:end", call_id="k", text="exit code 3", is_error=True
    )
    (view,) = Pages(CALL, *pieces("no newline"), failed).window()
    assert (view.tool.output, view.tool.tone) == ("no newline\nexit code 3", "problem")


def test_output_goes_on_in_the_next_window_and_the_call_knows_how_it_ended():
    pages = Pages(CALL, *pieces(*"abcdefg"), END)
    (call,) = pages.window()
    assert (call.tool.output, call.tool.outcome_label) == ("abcd", "ok")
    (rest,) = pages.window(after=5)
    assert (rest.tool.output, rest.tool.outcome_label, rest.anchors) == ("efg", "ok", (7, 8, 9))
    (found,) = pages.window(at=8)
    assert found.is_target


def test_a_call_at_the_end_of_its_window_shows_its_first_piece():
    said = [NewEntry(kind=EntryKind.STATUS, native_id=str(number), text="x") for number in range(4)]
    *_, call = Pages(*said, CALL, *pieces("first\n", "second\n"), END).window()
    assert (call.tool.output, call.tool.outcome_label) == ("first\n", "ok")


def test_the_page_of_a_call_has_all_of_its_output():
    pages = Pages(CALL, *pieces(*(f"{number}\n" for number in range(60))), END)
    transcript = find_transcript(pages.tenant.pk, pages.session)
    (entry, *_) = read_window(transcript).entries
    (view,) = present_entries([entry], results_of([entry], whole=True), links=LINKS, whole=True)
    assert view.tool.output == "".join(f"{number}\n" for number in range(60))


def test_credentials_of_each_piece_are_chips():
    pages = Pages()
    value = "-".join(["correct", "horse", "battery"])
    set_secret(tenant_id=pages.tenant.pk, name="DEPLOY_KEY", value=value, actor=SYSTEM)
    pages.append(CALL, *pieces("plain\n", f"with {value}\n"), END)
    (view,) = pages.window()
    assert value not in view.tool.output
    assert '<mark class="redaction"' in view.tool.output


def test_a_call_whose_result_has_not_ended_is_open():
    pages = Pages(CALL, *pieces("one"))
    (evidence,) = open_call(pages.tenant.pk, pages.session)
    assert "shell" in evidence.text
    pages.append(END)
    assert open_call(pages.tenant.pk, pages.session) == []


def test_a_window_costs_the_same_however_many_pieces_there_are():
    reads = []
    for count in (20, 200):
        pages = Pages(CALL, *pieces(*("x" * count)), END)
        with CaptureQueriesContext(connection) as queries:
            pages.window()
        reads.append(len(queries))
    assert reads[0] == reads[1]
