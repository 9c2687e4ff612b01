"""File edits have the text before and after, or the hunks and a mark that they are partial."""

from pathlib import Path
from typing import Any

import pytest

from audit.entries import EntryKind, NewEntry
from tests.intake.claude_records import INLINE_SIDECHAINS, PRESENT_DAY, Session, entries, read

OLD = "a = 1\nb = 1\nc = 1\n"
HUNK = {
    "oldStart": 1,
    "oldLines": 3,
    "newStart": 1,
    "newLines": 3,
    "lines": [" a = 1", "-b = 1", "+b = 2", " c = 1"],
}


def edit(typed: dict[str, Any], **fields: Any) -> NewEntry:
    session = Session()
    session.call("c", "Edit", file_path="/x.py")
    session.result("c", "done", {"filePath": "/x.py", "structuredPatch": [], **typed}, **fields)
    return session.only(EntryKind.FILE_EDIT)


def edits_of(path: Path) -> list[NewEntry]:
    return [entry for entry in entries(read(path.read_bytes())) if entry.kind is EntryKind.FILE_EDIT]


def test_an_edit_replaces_the_first_place_in_the_original() -> None:
    entry = edit({"originalFile": OLD, "oldString": "= 1", "newString": "= 9", "structuredPatch": [HUNK]})
    assert (entry.before, entry.after) == (OLD, "a = 9\nb = 1\nc = 1\n")
    assert (entry.path, entry.tool_name, entry.call_id, entry.is_partial) == ("/x.py", "Edit", "c", False)
    assert entry.patch == "@@ -1,3 +1,3 @@\n a = 1\n-b = 1\n+b = 2\n c = 1\n"


def test_an_edit_of_all_places_replaces_all() -> None:
    entry = edit({"originalFile": OLD, "oldString": "= 1", "newString": "= 9", "replaceAll": True})
    assert entry.after == OLD.replace("= 1", "= 9")


def test_taking_out_a_line_takes_its_line_end_too() -> None:
    assert edit({"originalFile": OLD, "oldString": "b = 1", "newString": ""}).after == "a = 1\nc = 1\n"


def test_an_edit_without_the_original_shows_its_hunks_and_says_that_it_is_partial() -> None:
    entry = edit({"originalFile": None, "oldString": "1", "newString": "2", "structuredPatch": [HUNK]})
    assert (entry.before, entry.after, entry.is_partial) == (None, None, True)
    assert "+b = 2" in entry.patch


def test_an_edit_whose_string_is_not_there_goes_by_its_hunks() -> None:
    entry = edit({"originalFile": OLD, "oldString": "zzz", "newString": "y", "structuredPatch": [HUNK]})
    assert (entry.after, entry.is_partial) == ("a = 1\nb = 2\nc = 1\n", False)


def test_hunks_that_do_not_fit_leave_the_text_after_unknown() -> None:
    wrong = {**HUNK, "lines": [" nothing like it", "+x"]}
    entry = edit({"originalFile": OLD, "oldString": "zzz", "newString": "y", "structuredPatch": [wrong]})
    assert (entry.before, entry.after, entry.is_partial) == (OLD, None, True)


def test_what_a_person_changed_before_allowing_it_comes_from_the_hunks() -> None:
    typed = {"originalFile": OLD, "oldString": "b = 1", "newString": "b = 3", "structuredPatch": [HUNK]}
    entry = edit({**typed, "userModified": True})
    assert (entry.after, entry.data) == ("a = 1\nb = 2\nc = 1\n", {"user_modified": True})


@pytest.mark.parametrize("original", [{"originalFile": None}, {}])
def test_a_made_file_has_nothing_before(original: dict[str, None]) -> None:
    entry = edit({"type": "create", "content": "new\n", **original})
    assert (entry.before, entry.after, entry.is_partial, entry.data) == (
        "",
        "new\n",
        False,
        {"created": True},
    )


def test_a_file_written_over_without_its_original_is_partial() -> None:
    entry = edit({"type": "update", "content": "new\n", "structuredPatch": [HUNK]})
    assert (entry.before, entry.after, entry.is_partial) == (None, "new\n", True)


def test_a_file_written_over_has_both_texts() -> None:
    entry = edit({"type": "update", "content": "new\n", "originalFile": OLD})
    assert (entry.before, entry.after, entry.is_partial) == (OLD, "new\n", False)


def test_several_edits_of_one_call_apply_in_their_order() -> None:
    steps = [
        {"old_string": "a", "new_string": "b"},
        {"old_string": "b", "new_string": "c", "replace_all": True},
    ]
    entry = edit({"originalFileContents": "a b\n", "edits": steps})
    assert (entry.before, entry.after) == ("a b\n", "c c\n")


def test_a_notebook_with_both_texts_is_whole_and_one_with_a_cell_is_partial() -> None:
    session = Session()
    session.result("c", "", {"notebook_path": "/n.ipynb", "original_file": "{}", "updated_file": "{1}"})
    session.result("c", "", {"notebook_path": "/n.ipynb", "new_source": "x = 1\ny = 2"})
    whole, cell = [entry for entry in session.entries if entry.kind is EntryKind.FILE_EDIT]
    assert (whole.before, whole.after, whole.is_partial) == ("{}", "{1}", False)
    assert (cell.before, cell.patch, cell.is_partial) == (None, "+x = 1\n+y = 2", True)


def test_a_failed_edit_is_no_edit() -> None:
    session = Session()
    session.result("c", "String not found", "Error: String not found", is_error=True)
    session.result("d", "x", {"filePath": "/x", "structuredPatch": [], "content": "x"}, is_error=True)
    assert {entry.kind for entry in session.entries} == {EntryKind.TOOL_RESULT}


def test_reading_a_file_is_no_edit() -> None:
    session = Session()
    session.result("c", "1\ta", {"type": "text", "file": {"filePath": "/x", "content": "a"}})
    assert {entry.kind for entry in session.entries} == {EntryKind.TOOL_RESULT}


def test_the_edits_of_the_fixtures() -> None:
    modern = edits_of(PRESENT_DAY)
    assert [(entry.path, entry.after) for entry in modern] == [
        ("D:\\shop\\money.py", "def price(x):\n    return to_cents(x)\n")
    ]
    assert [(entry.before, entry.after, entry.is_partial) for entry in edits_of(INLINE_SIDECHAINS)] == [
        (None, "new\n", True),
        ("", "new\n", False),
        ("new\n", "newer\nlast\n", False),
    ]
