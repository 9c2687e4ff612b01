"""File edits in Claude Code's sessions: the text before and after, or the hunks where it has no more."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from audit.entries import JSON
from intake.readers.fields import Object, number_of, objects_of, text_of


@dataclass(frozen=True, slots=True)
class FileEdit:
    """One changed file. `before` is "" for a file that was made; None where the session does not have it."""

    path: str = field(repr=False)
    before: str | None = field(repr=False)
    after: str | None = field(repr=False)
    patch: str = field(repr=False, default="")
    is_created: bool = False
    is_user_modified: bool = False

    @property
    def is_partial(self) -> bool:
        return self.before is None or self.after is None


def read_edit(result: Object) -> FileEdit | None:
    """The edit that a tool's typed result tells of, known by its shape rather than by the tool's name."""
    path = text_of(result, "filePath") or text_of(result, "notebook_path")
    if not path:
        return None
    if "notebook_path" in result:
        return _notebook(path, result)
    if not isinstance(result.get("structuredPatch"), list):
        return None
    if "content" in result:
        return _write(path, result)
    return _replacement(path, result)


def _write(path: str, result: Object) -> FileEdit:
    is_created = result.get("type") == "create"
    before = _optional(result, "originalFile")
    return FileEdit(
        path,
        "" if is_created and before is None else before,
        _optional(result, "content"),
        hunks(result),
        is_created=is_created,
        is_user_modified=result.get("userModified") is True,
    )


def _replacement(path: str, result: Object) -> FileEdit:
    """Edit, and MultiEdit with its list of edits."""
    before = _optional(result, "originalFile")
    if before is None:
        before = _optional(result, "originalFileContents")
    steps = [_Step.of(step) for step in objects_of(result, "edits")] or [_Step.of(result)]
    is_created = before is None and not steps[0].old and not _removes(result)
    if is_created:
        before = ""
    is_user_modified = result.get("userModified") is True
    after = None if before is None else _after(before, steps, result, is_user_modified)
    return FileEdit(path, before, after, hunks(result), is_created, is_user_modified)


def _after(before: str, steps: "Sequence[_Step]", result: Object, is_user_modified: bool) -> str | None:
    """The text after the edit. What a person changed by hand before allowing it is only in the hunks."""
    by_hunks = _apply_hunks(before, objects_of(result, "structuredPatch"))
    if is_user_modified and by_hunks is not None:
        return by_hunks
    after: str | None = before
    for step in steps:
        after = step.apply(after) if after is not None else None
    return by_hunks if after is None else after


def _notebook(path: str, result: Object) -> FileEdit | None:
    if text_of(result, "error"):
        return None
    return FileEdit(
        path, _optional(result, "original_file"), _optional(result, "updated_file"), _cell(result)
    )


def _cell(result: Object) -> str:
    """What a changed cell holds, where the whole notebook is not there."""
    if "updated_file" in result:
        return ""
    return "\n".join("+" + line for line in text_of(result, "new_source").split("\n"))


@dataclass(frozen=True, slots=True)
class _Step:
    old: str
    new: str
    is_everywhere: bool

    @classmethod
    def of(cls, source: Object) -> "_Step":
        return cls(
            text_of(source, "oldString") or text_of(source, "old_string"),
            text_of(source, "newString") or text_of(source, "new_string"),
            source.get("replaceAll") is True or source.get("replace_all") is True,
        )

    def apply(self, text: str) -> str | None:
        """The text with the step done; None where it does not fit."""
        if not self.old:
            return self.new if not text else None
        old = self.old
        # Taking out a whole line takes its line end with it: the tool does so too.
        if not self.new and not old.endswith("\n") and old + "\n" in text:
            old += "\n"
        if old not in text:
            return None
        return text.replace(old, self.new) if self.is_everywhere else text.replace(old, self.new, 1)


def hunks(result: Object) -> str:
    """The hunks of a result as a unified diff without file names."""
    lines: list[str] = []
    for hunk in objects_of(result, "structuredPatch"):
        spans = [number_of(hunk, key) or 0 for key in ("oldStart", "oldLines", "newStart", "newLines")]
        lines.append("@@ -{},{} +{},{} @@".format(*spans))
        lines += _texts(hunk)
    return "\n".join(lines) + "\n" if lines else ""


def _apply_hunks(before: str, patches: Sequence[Object]) -> str | None:
    """The text after the hunks; None unless every line of them fits."""
    old, new, at = before.split("\n"), list[str](), 0
    for hunk in patches:
        start = (number_of(hunk, "oldStart") or 1) - 1
        new += old[at:start]
        at = start
        for line in _texts(hunk):
            mark, text = line[:1], line[1:]
            if mark == "\\":
                continue
            if mark != "+":
                if at >= len(old) or old[at] != text:
                    return None
                at += 1
            if mark != "-":
                new.append(text)
    return "\n".join(new + old[at:]) if patches else None


def _removes(result: Object) -> bool:
    patches = objects_of(result, "structuredPatch")
    return any(line.startswith(("-", " ")) for hunk in patches for line in _texts(hunk))


def _texts(hunk: Object) -> list[str]:
    lines = hunk.get("lines")
    return [line for line in lines if isinstance(line, str)] if isinstance(lines, list) else []


def _optional(owner: Object, key: str) -> str | None:
    value: JSON = owner.get(key)
    return value if isinstance(value, str) else None
