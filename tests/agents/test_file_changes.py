"""What a command changed in its folder is told with before and after."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from pathlib import Path

import pytest

import agents.file_changes
from agents.file_changes import FolderWatch, look_at
from agents.folders import prepare_folder, session_folder
from agents.runtimes import get_runtime
from audit.entries import EntryKind, NewEntry
from tests.agents.work import make_work, perform

SHELL = get_runtime("shell")


@pytest.fixture
def folder(settings, tmp_path: Path) -> Path:
    settings.WORK_DIR = tmp_path / "work"
    settings.REPO_ROOTS = [tmp_path / "repos"]
    return prepare_folder(session_folder(uuid.uuid4(), uuid.uuid4())).path


def run(folder: Path, body: str) -> list[NewEntry]:
    """The file edits of a command, which must have ended well."""
    seen = perform(SHELL, make_work(folder, body, sandbox="none"))
    assert seen.outcome.is_ok, seen.outcome.error
    kinds = [entry.kind for entry in seen.entries]
    assert kinds[-1] is EntryKind.TOOL_RESULT
    return seen.of(EntryKind.FILE_EDIT)


def told(edits: list[NewEntry]) -> list[tuple[str, str, str | None, str | None]]:
    return [(edit.data["change"], edit.path, edit.before, edit.after) for edit in edits]


def test_files_that_come_change_move_and_go_are_told(folder):
    assert told(run(folder, "printf one > a; mkdir -p deep/er; printf two > deep/er/b")) == [
        ("created", "a", "", "one"),
        ("created", "deep/er/b", "", "two"),
    ]
    assert told(run(folder, "printf ' more' >> a; mv deep/er/b c")) == [
        ("changed", "a", "one", "one more"),
        ("moved", "c", "two", "two"),
    ]
    moved = run(folder, "rm a; mv c d; printf ! >> d; touch e")
    assert told(moved) == [
        ("deleted", "a", "one more", ""),
        ("deleted", "c", "two", ""),
        ("created", "d", "", "two!"),
        ("created", "e", "", ""),
    ]
    assert run(folder, "cat d") == []


def test_a_short_command_is_told_before_what_it_changed(folder):
    seen = perform(SHELL, make_work(folder, "echo one > a.txt; echo done", sandbox="none"))
    assert seen.kinds == ["tool_call", "tool_result", "file_edit", "tool_result"]


def test_a_file_that_was_only_touched_is_no_edit(folder):
    run(folder, "printf one > a")
    assert run(folder, "touch -d '2030-01-01' a; cp a b; mv b a") == []
    assert told(run(folder, "printf two > a")) == [("changed", "a", "one", "two")]


def test_what_others_changed_between_two_commands_is_not_told_as_theirs(folder):
    run(folder, "printf one > a")
    (folder / "a").write_text("by somebody")
    (folder / "b").write_text("new")
    assert told(run(folder, "printf '!' >> a")) == [("changed", "a", "by somebody", "by somebody!")]


def test_what_is_no_text_is_told_by_its_size(folder):
    (edit,) = run(folder, r"printf 'a\0b' > picture")
    assert (edit.before, edit.after, edit.is_partial) == ("", None, True)
    assert edit.text == "created, 3 bytes, not shown"
    (edit,) = run(folder, r"printf 'a\0bcd' > picture")
    assert (edit.before, edit.after, edit.text) == (None, None, "3 → 5 bytes, not shown")
    (big,) = run(folder, "head -c 300000 /dev/zero | tr '\\0' x > big")
    assert (big.after, big.data["size_after"]) == (None, 300_000)


def test_links_are_told_and_never_followed(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("precious")
    edits = run(folder, f"ln -s {outside}/secret one; ln -s {outside} two")
    assert [(edit.path, edit.after, edit.text) for edit in edits] == [
        ("one", None, "created, a link"),
        ("two", None, "created, a link"),
    ]


def test_what_tools_keep_for_themselves_is_left_out(folder):
    names = ".git node_modules/x __pycache__ .venv"
    body = f"mkdir -p {names}; for name in {names}; do echo > $name/f; done"
    assert run(folder, body + '; echo 1 > "$RESULT_FILE"; echo > "$HOME/h"') == []


def test_many_edits_are_cut_and_counted(folder):
    seen = perform(SHELL, make_work(folder, "for i in $(seq 520); do echo $i > f$i; done", sandbox="none"))
    assert len(seen.of(EntryKind.FILE_EDIT)) == 500
    assert [entry.text for entry in seen.of(EntryKind.SYSTEM)] == [
        "It changed 20 more files, which are not shown."
    ]
    assert len({entry.native_id for entry in seen.entries}) == len(seen.entries)


def test_a_folder_of_too_many_files_says_so(folder, monkeypatch):
    monkeypatch.setattr(agents.file_changes, "MAX_FILES", 5)
    seen = perform(SHELL, make_work(folder, "touch 1 2 3 4 5 6", sandbox="none"))
    assert "more than" in seen.of(EntryKind.SYSTEM)[0].text
    seen = perform(SHELL, make_work(folder, "rm *", sandbox="none"))
    assert "more than" in seen.of(EntryKind.SYSTEM)[0].text
    assert seen.outcome.is_ok


def test_texts_beyond_a_total_are_told_without_what_stands_in_them(folder, monkeypatch):
    monkeypatch.setattr(agents.file_changes, "MAX_TOLD_BYTES", 10)
    monkeypatch.setattr(agents.file_changes, "MAX_STORE_BYTES", 15)
    first, second = run(folder, "printf 0123456789 > a; printf 0123456789 > b")
    assert (first.after, second.after) == ("0123456789", None)
    (edit,) = run(folder, "printf x > b")
    assert (edit.before, edit.after, edit.is_partial) == (None, "x", True)


@pytest.fixture
def worktree(folder, tmp_path) -> Path:
    repository = tmp_path / "repos" / "acme" / "demo"
    repository.mkdir(parents=True)
    (repository / "a").write_text("as committed\n")
    for number in range(5000):
        path = repository / f"d{number % 50}" / f"f{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"file {number}\n" * 20)
    names = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *names, *arguments], cwd=repository, check=True)
    return prepare_folder(session_folder(uuid.uuid4(), uuid.uuid4()), "demo", workspace="acme").path


def test_a_worktree_is_not_copied_and_still_told_with_before(worktree):
    (edit,) = run(worktree, "echo more >> a; git status --short")
    assert (edit.path, edit.before, edit.after) == ("a", "as committed\n", "as committed\nmore\n")
    seen = worktree.with_name(f"{worktree.name}.side") / "seen"
    assert len(os.listdir(seen)) == 2
    assert len(json.loads((seen / "index.json").read_text())) == 5001
    (edit,) = run(worktree, "echo more >> a; rm d1/f1")[:1]
    assert edit.before == "as committed\nmore\n"


def test_a_look_at_a_large_folder_costs_little(worktree):
    """As a ratio of processor time: what git takes to say whether anything has changed is the measure."""
    watch = FolderWatch(worktree, worktree.with_name("seen"))
    watch.begin()
    before = os.times()
    subprocess.run(["git", "status", "--porcelain"], cwd=worktree, check=True, capture_output=True)
    after = os.times()
    of_git = after.children_user + after.children_system - before.children_user - before.children_system
    began = time.process_time()
    again = FolderWatch(worktree, worktree.with_name("seen"))
    again.begin()
    assert list(again.changes()) == []
    both_looks = time.process_time() - began
    assert len(look_at(worktree)) == 5001
    assert both_looks < 12 * max(of_git, 0.02)
