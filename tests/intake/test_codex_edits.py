"""File edits in Codex's rollouts: from the record of a patch's end, else from the patch itself."""

from __future__ import annotations

import pytest

from audit.entries import EntryKind
from tests.intake.codex_records import Rollout

PATCH = """*** Begin Patch
*** Add File: docs/new.md
+# New
+
+Text
*** Update File: src/price.py
*** Move to: src/prices.py
@@ def total():
-    return round(x)
+    return half_up(x)
*** Delete File: old.txt
*** End Patch
"""
DONE = "Exit code: 0\nWall time: 0 seconds\nOutput:\nSuccess. Updated the following files:\nM src/price.py\n"


def patched(rollout: Rollout) -> list[tuple[object, ...]]:
    edits = rollout.all(EntryKind.FILE_EDIT)
    return [(edit.path, edit.before, edit.after, edit.is_partial, edit.data) for edit in edits]


FROM_GRAMMAR = [
    ("docs/new.md", "", "# New\n\nText\n", False, {"created": True}),
    ("src/price.py", None, None, True, {"moved_to": "src/prices.py"}),
    ("old.txt", None, "", True, {"deleted": True}),
]


@pytest.mark.parametrize("form", ["custom", "function", "words", "heredoc"])
def test_a_patch_is_read_from_whichever_call_carries_it(form: str) -> None:
    rollout = Rollout()
    if form == "custom":
        rollout.item("custom_tool_call", name="apply_patch", call_id="c1", input=PATCH, status="completed")
    elif form == "function":
        rollout.call("c1", "apply_patch", input=PATCH)
    elif form == "words":
        rollout.call("c1", "shell", command=["apply_patch", PATCH])
    else:
        rollout.call("c1", "exec_command", cmd=f"cd /srv && apply_patch <<'EOF'\n{PATCH}EOF\n")
    rollout.item("custom_tool_call_output", call_id="c1", output=DONE)
    assert patched(rollout) == FROM_GRAMMAR
    update = rollout.all(EntryKind.FILE_EDIT)[1]
    assert update.patch == "@@ def total():\n-    return round(x)\n+    return half_up(x)\n"
    assert update.call_id == "c1"


def test_the_record_of_a_patchs_end_counts_before_the_patch_and_keeps_what_was_deleted() -> None:
    rollout = Rollout()
    rollout.item("custom_tool_call", name="apply_patch", call_id="c1", input=PATCH)
    changes = {
        "/srv/docs/new.md": {"type": "add", "content": "# New\n"},
        "/srv/src/price.py": {"type": "update", "unified_diff": "@@ -1 +1 @@\n-a\n+b\n", "move_path": None},
        "/srv/old.txt": {"type": "delete", "content": "gone\n"},
    }
    rollout.event("patch_apply_end", call_id="c1", success=True, changes=changes)
    rollout.item("custom_tool_call_output", call_id="c1", output=DONE)
    assert patched(rollout) == [
        ("/srv/docs/new.md", "", "# New\n", False, {"created": True}),
        ("/srv/src/price.py", None, None, True, {}),
        ("/srv/old.txt", "gone\n", "", False, {"deleted": True}),
    ]
    assert rollout.all(EntryKind.FILE_EDIT)[1].patch == "@@ -1 +1 @@\n-a\n+b\n"


def test_a_record_of_the_end_after_the_result_doubles_nothing() -> None:
    rollout = Rollout()
    rollout.item("custom_tool_call", name="apply_patch", call_id="c1", input=PATCH)
    rollout.item("custom_tool_call_output", call_id="c1", output=DONE)
    changes = {"/srv/old.txt": {"delete": {"content": "gone"}}}
    rollout.event("patch_apply_end", call_id="c1", success=True, changes=changes)
    assert patched(rollout) == FROM_GRAMMAR


@pytest.mark.parametrize(
    "output", ["patch rejected: writing outside of the project", "apply_patch verification failed: no file"]
)
def test_a_patch_that_failed_edits_nothing(output: str) -> None:
    rollout = Rollout()
    rollout.item("custom_tool_call", name="apply_patch", call_id="c1", input=PATCH)
    rollout.event(
        "patch_apply_end", call_id="c1", success=False, changes={"a": {"type": "add", "content": ""}}
    )
    rollout.item("custom_tool_call_output", call_id="c1", output=output)
    assert patched(rollout) == []
    assert rollout.only(EntryKind.TOOL_RESULT).is_error


@pytest.mark.parametrize("command", ["cat <<'EOF'\n" + PATCH + "EOF", "grep -r '*** Begin Patch' docs"])
def test_a_command_that_only_shows_a_patch_edits_nothing(command: str) -> None:
    rollout = Rollout()
    rollout.call("c1", "exec_command", cmd=command)
    rollout.result("c1", DONE)
    assert patched(rollout) == []


def test_an_update_that_was_cut_is_told_as_far_as_it_goes() -> None:
    rollout = Rollout()
    rollout.call("c1", "apply_patch", input="*** Begin Patch\n*** Update File: a.py\n@@\n-x\n+y")
    rollout.result("c1", DONE)
    assert rollout.only(EntryKind.FILE_EDIT).patch == "@@\n-x\n+y\n"


def test_late_versions_tell_of_changed_files_when_an_item_is_completed() -> None:
    rollout = Rollout()
    rollout.item("custom_tool_call", name="apply_patch", call_id="c1", input=PATCH)
    item = {"type": "FileChange", "id": "c1", "status": "completed"}
    changes = {"/srv/old.txt": {"type": "delete", "content": "gone"}}
    rollout.event("item_completed", item={**item, "changes": changes})
    rollout.item("custom_tool_call_output", call_id="c1", output=DONE)
    rollout.event("item_completed", item={**item, "id": "c2", "status": "declined", "changes": changes})
    assert patched(rollout) == [("/srv/old.txt", "gone", "", False, {"deleted": True})]
