"""File edits in Codex's sessions: what its patches change.

Later versions record what a patch did (`patch_apply_end`), with the whole text of files that were made or
removed. Earlier ones have only the patch: as the input of a tool or inside a shell command.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from audit.entries import JSON
from intake.readers.fields import Object, object_of, text_of

_BEGIN = "*** Begin Patch"
_END = "*** End Patch"
_FILE = re.compile(r"\*\*\* (Add|Update|Delete) File: (.+)")
_MOVE = "*** Move to: "
_TOOL = re.compile(r"\bapply_?patch\b")


@dataclass(frozen=True, slots=True)
class PatchedFile:
    """One file that a patch changes. None is a text that the session does not have; "" before: it was made.

    `moved_to` is the path that the file has after it.
    """

    path: str = field(repr=False)
    before: str | None = field(repr=False, default=None)
    after: str | None = field(repr=False, default=None)
    patch: str = field(repr=False, default="")
    moved_to: str = field(repr=False, default="")
    is_created: bool = False
    is_deleted: bool = False

    @property
    def is_partial(self) -> bool:
        return self.before is None or self.after is None


def patch_in(arguments: JSON) -> str:
    """The patch that a call's input or command hands to `apply_patch`; "" if it hands none.

    A patch is told by its grammar, and a command also by naming the tool before it: a command that prints or
    searches for a patch changes nothing.
    """
    if isinstance(arguments, str):
        return _between(arguments) if arguments.lstrip().startswith(_BEGIN) else ""
    if not isinstance(arguments, dict):
        return ""
    for key in ("input", "patch"):
        if text_of(arguments, key).lstrip().startswith(_BEGIN):
            return _between(text_of(arguments, key))
    command = command_of(arguments)
    at = command.find(_BEGIN)
    return _between(command[at:]) if at > 0 and _TOOL.search(command, 0, at) else ""


def command_of(arguments: Object) -> str:
    """The command of a shell call, a list of words or one text, as one text."""
    for key in ("command", "cmd"):
        words = arguments.get(key)
        if isinstance(words, str):
            return words
        if isinstance(words, list):
            return " ".join(word for word in words if isinstance(word, str))
    return ""


def _between(text: str) -> str:
    begin, end = text.find(_BEGIN), text.rfind(_END)
    return text[begin:end] if end > begin else text[begin:]


def read_patch(patch: str) -> Iterator[PatchedFile]:
    """The files of a patch in its own grammar, in which hunks carry no line numbers."""
    path = action = moved_to = ""
    lines: list[str] = []
    for line in patch.replace("\r\n", "\n").split("\n"):
        found = _FILE.match(line)
        if not found and not (line.startswith(_MOVE) and path):
            if not line.startswith(("*** Begin Patch", "*** End Patch", "*** End of File")):
                lines.append(line)
            continue
        if not found:
            moved_to = line.removeprefix(_MOVE).strip()
            continue
        if path:
            yield _patched(action, path, moved_to, lines)
        action, path, moved_to, lines = found[1], found[2].strip(), "", []
    if path:
        yield _patched(action, path, moved_to, lines)


def _patched(action: str, path: str, moved_to: str, lines: list[str]) -> PatchedFile:
    while lines and not lines[-1]:
        lines.pop()
    text = "\n".join(lines) + "\n" if lines else ""
    if action == "Add":
        after = "".join(line[1:] + "\n" for line in lines if line.startswith("+"))
        return PatchedFile(path, "", after, text, is_created=True)
    if action == "Delete":
        return PatchedFile(path, None, "", is_deleted=True)
    return PatchedFile(path, None, None, text, moved_to)


def read_changes(event: Object) -> Iterator[PatchedFile]:
    """The files that a patch changed, as the record of its end tells of them."""
    changes = object_of(event, "changes")
    for path in changes:
        change = object_of(changes, path)
        # Versions differ in how they write a change: {"type": "add", ...} or {"add": {...}}.
        kind = text_of(change, "type") or next(iter(change), "")
        body = change if "type" in change else object_of(change, kind)
        content = body.get("content")
        text = content if isinstance(content, str) else None
        if kind == "add":
            yield PatchedFile(path, "", text, is_created=True)
        elif kind == "delete":
            yield PatchedFile(path, text, "", is_deleted=True)
        else:
            diff, moved_to = text_of(body, "unified_diff"), text_of(body, "move_path")
            yield PatchedFile(path, None, None, diff, moved_to)
