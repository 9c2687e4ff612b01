"""The tools that a model may be given. Which ones exist for it is decided before it is asked anything."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from agents.prompting.files import MAX_FILE_BYTES, ToolError, read_bytes, walk, write_text
from agents.prompting.searching import search
from agents.runtimes.protocol import Stop, Work
from audit.entries import JSON
from audit.imports import Delivery

__all__ = ["READING", "WRITING", "Change", "Desk", "Tool", "ToolError", "ToolResult", "check_arguments"]

MAX_LINES = 2_000
MAX_CHARACTERS = 100_000
MAX_LISTED = 1_000
MIN_FREE_BYTES = 100 << 20


@dataclass(frozen=True, slots=True)
class Change:
    """A file that a tool wrote. `before` is None where it was no text that could be kept."""

    path: str
    before: str | None = field(repr=False)
    after: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a call. `is_recorded`: the transcript has its text already."""

    text: str = field(repr=False)
    change: Change | None = None
    is_error: bool = False
    is_recorded: bool = False


@dataclass(frozen=True, slots=True)
class Desk:
    """What a call has to go by: `work` is the work that it is part of, under a key of its own."""

    work: Work
    stop: Stop


@dataclass(frozen=True, slots=True)
class Parameter:
    """`default` None: it has to be given."""

    type: Literal["string", "integer", "boolean"]
    description: str
    default: str | int | bool | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """`run` takes the desk and the checked arguments. It raises `ToolError` with words for the model.

    One that takes a while yields what comes of it, and returns the result at its end.
    """

    name: str
    description: str
    parameters: Mapping[str, Parameter]
    run: Callable[..., ToolResult | Generator[Delivery, None, ToolResult]]

    def schema(self) -> dict[str, object]:
        return {
            "type": "object",
            "properties": {
                name: {"type": one.type, "description": one.description}
                for name, one in self.parameters.items()
            },
            "required": [name for name, one in self.parameters.items() if one.default is None],
            "additionalProperties": False,
        }


def check_arguments(tool: Tool, arguments: Mapping[str, JSON]) -> dict[str, str | int | bool]:
    """The arguments with defaults put in. Raises `ToolError`, naming each that is wrong."""
    wrong = [f"there is no “{name}”" for name in arguments if name not in tool.parameters]
    checked: dict[str, str | int | bool] = {}
    for name, one in tool.parameters.items():
        value = arguments.get(name)
        value = one.default if value is None else value
        if value is None:
            wrong.append(f"“{name}” is missing")
        elif not _is_of(one.type, value):
            wrong.append(f"“{name}” has to be of type {one.type}")
        elif isinstance(value, str | int):
            checked[name] = value
    if wrong:
        raise ToolError(f"{tool.name}: {'; '.join(wrong)}")
    return checked


def _is_of(type_name: str, value: JSON) -> bool:
    if type_name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, bool if type_name == "boolean" else str)


def _read_file(desk: Desk, path: str, first_line: int, lines: int) -> ToolResult:
    data, size = read_bytes(desk.work.folder, path)
    if b"\0" in data:
        raise ToolError(f"{path} is no text ({size} bytes)")
    text = data.decode("utf-8", "replace")
    first, wanted = max(1, first_line), max(1, min(lines, MAX_LINES))
    is_whole = first == 1 and len(text) <= MAX_CHARACTERS and size <= MAX_FILE_BYTES
    if is_whole and text.count("\n") < wanted:
        return ToolResult(text or "(the file is empty)")
    # Part of a credential would not be known for one: parts are cut from what was redacted as a whole.
    every = desk.work.redactor.redact_text(text).text.splitlines(keepends=True)
    part = "".join(every[first - 1 : first - 1 + wanted])[:MAX_CHARACTERS]
    more = f" at least, of {size} bytes" if size > MAX_FILE_BYTES else ""
    return ToolResult(f"{part}\n(from line {first}; there are {len(every)} lines{more})")


def _list_files(desk: Desk, path: str, glob: str) -> ToolResult:
    lines: list[str] = []
    for seen in walk(desk.work.folder, path, glob):
        if len(lines) == MAX_LISTED:
            lines.append(f"(the first {MAX_LISTED}; there are more)")
            break
        lines.append(f"{seen.path}{seen.sign}" if seen.size is None else f"{seen.path} {seen.size}")
    return ToolResult("\n".join(lines) or "(nothing there)")


def _search(desk: Desk, pattern: str, path: str, glob: str, ignore_case: bool) -> ToolResult:
    return ToolResult(
        search(desk.work.folder, desk.work.redactor, pattern, path, glob, ignores_case=ignore_case)
    )


def _write_file(desk: Desk, path: str, content: str) -> ToolResult:
    if shutil.disk_usage(desk.work.folder).free < MIN_FREE_BYTES:
        raise ToolError("the disk is full")
    _spare_credentials(desk, path, content)
    before, size = write_text(desk.work.folder, path, content)
    text = None if before is None or size > MAX_FILE_BYTES or b"\0" in before else _as_text(before)
    change = Change(path, "" if before is None else text, content)
    return ToolResult(f"{'made' if before is None else 'wrote'} {path}", change)


def _spare_credentials(desk: Desk, path: str, content: str) -> None:
    """Refuse to put a credential's mark, all that the model has seen, in the place of the credential."""
    try:
        text = _as_text(read_bytes(desk.work.folder, path)[0])
    except ToolError:
        return
    done = desk.work.redactor.redact_text(text) if text else None
    marks = {done.text[found.start : found.end] for found in done.findings} if done else set()
    if any(mark in content for mark in marks):
        raise ToolError(
            f"{path} holds credentials that you have seen as their names; written like this they would be"
            " lost. Change the file by a command that leaves those places alone"
        )


def _as_text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


_PATH = Parameter("string", "a path relative to the folder")
_BELOW = Parameter("string", "only below this folder", ".")
_GLOB = Parameter("string", "only files whose name or path matches, such as *.py", "*")

READING: Sequence[Tool] = (
    Tool(
        "read_file",
        "Read a text file, or some of its lines.",
        {
            "path": _PATH,
            "first_line": Parameter("integer", "from 1", 1),
            "lines": Parameter("integer", f"how many, at most {MAX_LINES}", MAX_LINES),
        },
        _read_file,
    ),
    Tool(
        "list_files",
        "List what is in the folder and all folders in it: path and size; a folder ends in /, a link in @.",
        {"path": _BELOW, "glob": _GLOB},
        _list_files,
    ),
    Tool(
        "search",
        "Find lines of files by a regular expression (no references back, no looking around).",
        {
            "pattern": Parameter("string", "a regular expression"),
            "path": _BELOW,
            "glob": _GLOB,
            "ignore_case": Parameter("boolean", "whether A is a", False),
        },
        _search,
    ),
)
WRITING: Sequence[Tool] = (
    Tool(
        "write_file",
        "Make this the whole content of a file; it and its folders are made where there are none.",
        {"path": _PATH, "content": Parameter("string", "the whole text")},
        _write_file,
    ),
)
