from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from audit.diffs import hunks_of
from audit.entries import EntryKind, NewEntry
from audit.models import RenderedEntry
from audit.presenting import Links, format_arguments, present_entries
from audit.rendering import render_markdown
from audit.services import append_entries
from audit.transcripts import find_transcript, read_window
from tests.factories.workspace import TenantFactory

LINKS = Links("/page", "/entries/0/", {"call": ("Look around", "/tasks/1")})
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def views(*entries: NewEntry, **options):
    tenant, session = TenantFactory(), ("chat", uuid.uuid4())
    append_entries(tenant_id=tenant.pk, session=session, entries=entries)
    transcript = find_transcript(tenant.pk, session)
    assert transcript is not None
    window = read_window(transcript)
    return present_entries(window.entries, window.results, links=LINKS, **options)


def call(**fields):
    return NewEntry(kind=EntryKind.TOOL_CALL, native_id="c", call_id="call", tool_name="Bash", **fields)


def result(**fields):
    return NewEntry(kind=EntryKind.TOOL_RESULT, native_id="r", call_id="call", **fields)


@pytest.mark.django_db
def test_a_call_and_its_result_are_one_entry_with_both_anchors():
    (view,) = views(
        call(arguments={"command": "make test\nmake check"}, occurred_at=AT),
        result(text="ok", occurred_at=AT + timedelta(seconds=3)),
    )
    assert view.tool is not None
    assert (view.tool.argument_line, view.tool.output, view.tool.outcome_label) == ("make test", "ok", "ok")
    assert view.tool.seconds == 3
    assert view.tool.child == ("Look around", "/tasks/1")
    assert (view.seq, view.anchors) == (1, (2,))


@pytest.mark.django_db
def test_a_call_without_a_result_says_so_and_a_failed_one_too():
    (open_call,) = views(call())
    assert open_call.tool is not None
    assert open_call.tool.outcome_label == "no result"
    (failed,) = views(call(), result(text="Exit code 1", is_error=True, duration_ms=1500))
    assert failed.tool is not None
    assert (failed.tool.tone, failed.tool.seconds) == ("problem", 1.5)


@pytest.mark.django_db
def test_long_output_is_cut_and_its_own_page_has_all_of_it():
    output = "\n".join(f"line {n}" for n in range(812))
    (cut,) = views(call(), result(text=output))
    assert cut.tool is not None
    assert (cut.tool.output_lines, cut.tool.show_all_url) == (812, "/entries/1/")
    assert len(cut.tool.output.splitlines()) == 40
    (whole,) = views(call(), result(text=output), whole=True)
    assert whole.tool is not None
    assert whole.tool.output == output


@pytest.mark.django_db
def test_text_is_rendered_once_and_kept_beside_the_entry():
    for _ in range(2):
        (view,) = views(NewEntry(kind=EntryKind.MESSAGE, native_id="m", text="**bold** <script>x</script>"))
        assert "<strong>bold</strong>" in view.text
        assert "<script>" not in view.text
    assert RenderedEntry.objects.count() == 2


@pytest.mark.django_db
def test_injected_text_and_thinking_are_folded():
    injected, thinking, said = views(
        NewEntry(kind=EntryKind.MESSAGE, native_id="1", text="reminder\nmore", is_meta=True),
        NewEntry(kind=EntryKind.THINKING, native_id="2", text="hm"),
        NewEntry(kind=EntryKind.MESSAGE, native_id="3", text="hello"),
    )
    assert (injected.is_folded, thinking.is_folded, said.is_folded) == (True, True, False)
    assert injected.preview == "reminder"


@pytest.mark.django_db
def test_a_file_edit_counts_its_lines():
    (view,) = views(
        NewEntry(
            kind=EntryKind.FILE_EDIT, native_id="e", path="a.py", before="one\ntwo\n", after="one\n2\nthree\n"
        )
    )
    assert view.edit is not None
    assert (view.edit.path, view.edit.added, view.edit.removed, view.edit.is_partial) == ("a.py", 2, 1, False)


def test_a_diff_of_two_texts_has_line_numbers_of_both():
    (hunk,) = hunks_of(before="a\nb\nc\n", after="a\nB\nc\n", patch="")
    assert [(line.sign, line.text, line.old, line.new) for line in hunk.lines] == [
        (" ", "a", 1, 1),
        ("-", "b", 2, None),
        ("+", "B", None, 2),
        (" ", "c", 3, 3),
    ]


def test_a_patch_keeps_its_own_line_numbers_and_bare_hunks_have_none():
    (hunk,) = hunks_of(before=None, after=None, patch="@@ -10,2 +10,2 @@\n same\n-old\n+new\n")
    assert [(line.old, line.new) for line in hunk.lines] == [(10, 10), (11, None), (None, 11)]
    (bare,) = hunks_of(before=None, after=None, patch="@@\n same\n-old\n+new")
    assert [(line.sign, line.old, line.new) for line in bare.lines] == [
        (" ", None, None),
        ("-", None, None),
        ("+", None, None),
    ]


def test_a_new_file_is_all_additions_and_an_empty_change_has_no_hunk():
    (hunk,) = hunks_of(before=None, after="x\ny\n", patch="")
    assert [line.sign for line in hunk.lines] == ["+", "+"]
    assert hunks_of(before="x", after="x", patch="") == []


def test_arguments_read_as_lines_and_not_as_json():
    text = format_arguments({"path": "a.py", "edits": [{"old": "x\ny", "all": True}], "limit": None})
    assert text == "path: a.py\nedits:\n  -\n    old:\n      x\n      y\n    all: yes\nlimit: -"


@pytest.mark.parametrize(
    ("text", "kept", "gone"),
    [
        ("[x](javascript:alert(1))", "x", "href="),
        ("![alt](https://example.com/pixel.png)", "alt", "<img"),
        ("<iframe src=x></iframe>", "iframe", "<iframe"),
        ('<a href="#" onclick="x()">y</a>', "y", "<a href"),
        ("# Title", "<h4>Title</h4>", "<h1>"),
        ("## Title\n#### Deep\n# Top", "<h4>Title</h4>\n<h5>Deep</h5>\n<h4>Top</h4>", "<h6>"),
        ("| | a |\n|-|-|\n| x | y |", "<th>a</th>", "<th></th>"),
        ("```python\nx = 1\n```", 'class="t-', "style="),
        ("```nosuchlanguage\n<b>\n```", "&lt;b&gt;", "<b>"),
    ],
)
def test_markdown_is_safe_html(text, kept, gone):
    html = render_markdown(text)
    assert kept in html
    assert gone not in html
