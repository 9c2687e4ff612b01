"""Transcript entries as a page shows them: folded calls with their results, edits as hunks, texts as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from audit.diffs import Hunk, hunks_of
from audit.entries import EntryKind
from audit.marking import Marker, markers_of
from audit.models import TranscriptEntry
from audit.rendering import rendered_texts

__all__ = ["EditView", "EntryView", "ToolView", "argument_line", "format_arguments", "present_entries"]

#: Tool output is folded past this many lines, a diff past this many.
OUTPUT_LINES = 40
DIFF_LINES = 200
#: Nobody reads a longer line in a list; the entry's own page shows all of it.
MAX_TEXT = 20_000

ICONS = {
    EntryKind.MESSAGE: "message-square",
    EntryKind.THINKING: "brain",
    EntryKind.TOOL_CALL: "wrench",
    EntryKind.TOOL_RESULT: "corner-down-right",
    EntryKind.FILE_EDIT: "file-diff",
    EntryKind.CHECKPOINT: "circle-pause",
    EntryKind.APPROVAL: "badge-check",
    EntryKind.STATUS: "activity",
    EntryKind.ERROR: "circle-x",
    EntryKind.SYSTEM: "info",
}
LABELS = {
    EntryKind.THINKING: "Thinking",
    EntryKind.TOOL_CALL: "Tool call",
    EntryKind.TOOL_RESULT: "Result",
    EntryKind.FILE_EDIT: "File edit",
    EntryKind.CHECKPOINT: "Checkpoint",
    EntryKind.APPROVAL: "Decision",
    EntryKind.STATUS: "Status",
    EntryKind.ERROR: "Error",
    EntryKind.SYSTEM: "System",
}
ROLES = {"user": "User", "assistant": "Agent", "system": "System"}


@dataclass(frozen=True, slots=True)
class EditView:
    """A file edit; `hunks` may be cut, `show_all_url` then leads to all. `note`: what else it was."""

    path: str
    hunks: Sequence[Hunk]
    added: int
    removed: int
    is_partial: bool
    is_open: bool
    show_all_url: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ToolView:
    """A tool call with its result, or a result whose call stands elsewhere. `seconds` is None if unknown."""

    name: str
    argument_line: str
    arguments: str
    output: str
    output_lines: int
    seconds: float | None
    tone: str
    icon: str
    outcome_label: str
    is_open: bool
    show_all_url: str = ""
    child: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry, complete. `anchors` are the numbers of results shown inside it."""

    seq: int
    kind: str
    role: str
    icon: str
    label: str
    at: datetime | None
    permalink: str
    entry_url: str
    is_target: bool
    attempt: int
    model: str
    text: str
    preview: str
    is_folded: bool
    anchors: tuple[int, ...] = ()
    edit: EditView | None = None
    tool: ToolView | None = None


@dataclass(frozen=True, slots=True)
class Links:
    """Where a page's entries link to; `children` maps a call id to (title, URL) of what it started.

    With the workspace's `slug` redactions link to the pages of their names.
    """

    page_url: str
    entry_url: str
    children: Mapping[str, tuple[str, str]]
    slug: str = ""

    def permalink(self, seq: int) -> str:
        return f"{self.page_url}?at={seq}#e-{seq}"

    def entry(self, seq: int) -> str:
        return self.entry_url.replace("/0/", f"/{seq}/")


def present_entries(
    entries: Sequence[TranscriptEntry],
    results: Mapping[str, Sequence[TranscriptEntry]],
    *,
    links: Links,
    target: int | None = None,
    whole: bool = False,
) -> list[EntryView]:
    """The entries as views. A result whose call is among the entries is shown inside the call.

    Pieces of one result are one text: in their call, or where the first of them stands.
    `whole` leaves nothing out: for the page of a single entry.
    """
    html = rendered_texts(entries)
    markers = markers_of([*entries, *(piece for pieces in results.values() for piece in pieces)], links.slug)
    pieces_of = dict(_group_pieces(entries, results))
    shown_inside = {piece.pk for pieces in pieces_of.values() for piece in pieces}
    views = []
    for entry in entries:
        if entry.pk in shown_inside and entry.pk not in pieces_of:
            continue
        pieces = pieces_of.get(entry.pk, ())
        view = _present(entry, pieces, html.get(entry.pk), links, target, whole)
        of_result = markers[entry.pk].joined_with(markers[piece.pk] for piece in pieces)
        views.append(_with_chips(view, markers[entry.pk], of_result))
    return views


def _group_pieces(
    entries: Sequence[TranscriptEntry], results: Mapping[str, Sequence[TranscriptEntry]]
) -> Iterator[tuple[object, Sequence[TranscriptEntry]]]:
    """The pieces of results by the entry that shows them: their call, or the first of them."""
    taken: set[object] = set()
    for entry in entries:
        if _is_call(entry) and entry.call_id in results:
            taken.update(piece.pk for piece in results[entry.call_id])
            yield entry.pk, results[entry.call_id]
    alone: dict[str, list[TranscriptEntry]] = {}
    for entry in entries:
        if entry.kind == EntryKind.TOOL_RESULT and entry.pk not in taken:
            before = alone.get(entry.call_id)
            if before is not None and before[-1].is_partial and entry.call_id:
                before.append(entry)
            else:
                alone[entry.call_id] = [entry]
                yield entry.pk, alone[entry.call_id]


def _with_chips(view: EntryView, marker: Marker, of_result: Marker) -> EntryView:
    """The view with its redactions as chips: output by the findings of the result, all else by its own."""
    tool, edit = view.tool, view.edit
    if tool:
        tool = replace(
            tool,
            argument_line=marker.mark(tool.argument_line, is_linked=False),
            arguments=marker.mark(tool.arguments),
            output=of_result.mark(tool.output),
        )
    if edit:
        hunks = [
            Hunk(hunk.header, [replace(line, text=marker.mark(line.text)) for line in hunk.lines])
            for hunk in edit.hunks
        ]
        edit = replace(edit, path=marker.mark(edit.path, is_linked=False), hunks=hunks)
    preview = marker.mark(view.preview, is_linked=False)
    return replace(view, text=marker.mark(view.text), preview=preview, tool=tool, edit=edit)


def _is_call(entry: TranscriptEntry) -> bool:
    return entry.kind == EntryKind.TOOL_CALL and bool(entry.call_id)


def _present(
    entry: TranscriptEntry,
    pieces: Sequence[TranscriptEntry],
    html: str | None,
    links: Links,
    target: int | None,
    whole: bool,
) -> EntryView:
    kind = EntryKind(entry.kind)
    is_target = target is not None and target in {entry.seq, *(piece.seq for piece in pieces)}
    tool = edit = None
    if kind in {EntryKind.TOOL_CALL, EntryKind.TOOL_RESULT}:
        tool = _present_tool(entry, pieces, links, is_open=whole or is_target, whole=whole)
    elif kind == EntryKind.FILE_EDIT:
        edit = _present_edit(entry, links, is_open=True, whole=whole)
    text = html if html is not None and (whole or len(entry.text) <= MAX_TEXT) else _cut(entry.text, whole)
    return EntryView(
        seq=entry.seq,
        kind=entry.kind,
        role=entry.role,
        icon=ICONS[kind],
        label=ROLES.get(entry.role, "Message") if kind == EntryKind.MESSAGE else LABELS[kind],
        at=entry.occurred_at,
        permalink=links.permalink(entry.seq),
        entry_url=links.entry(entry.seq),
        is_target=is_target,
        attempt=entry.attempt,
        model=entry.model,
        text=text,
        preview=_first_line(entry.text),
        is_folded=not whole and not is_target and (entry.is_meta or kind == EntryKind.THINKING),
        anchors=tuple(piece.seq for piece in pieces if piece.pk != entry.pk),
        edit=edit,
        tool=tool,
    )


def _present_tool(
    entry: TranscriptEntry, pieces: Sequence[TranscriptEntry], links: Links, *, is_open: bool, whole: bool
) -> ToolView:
    is_result = entry.kind == EntryKind.TOOL_RESULT
    result = pieces[-1] if pieces else None
    output = _join(pieces)
    lines = output.splitlines()
    is_long = not whole and (len(lines) > OUTPUT_LINES or len(output) > MAX_TEXT)
    tone, icon, outcome = _outcome(result)
    return ToolView(
        name=entry.tool_name or ("Result" if is_result else "Tool"),
        argument_line=argument_line(entry.arguments) if not is_result else "",
        arguments="" if is_result else format_arguments(entry.arguments),
        output="\n".join(lines[:OUTPUT_LINES])[:MAX_TEXT] if is_long else output,
        output_lines=len(lines),
        seconds=_seconds(entry, result),
        tone=tone,
        icon=icon,
        outcome_label=outcome,
        is_open=is_open,
        show_all_url=links.entry(entry.seq) if is_long else "",
        child=links.children.get(entry.call_id),
    )


def _join(pieces: Sequence[TranscriptEntry]) -> str:
    """The pieces as one text; what is said at the end begins a line."""
    text = "".join(piece.text for piece in pieces[:-1])
    last = pieces[-1].text if pieces else ""
    is_said_apart = text and last and not text.endswith("\n") and not pieces[-1].is_partial
    return f"{text}\n{last}" if is_said_apart else text + last


def _outcome(result: TranscriptEntry | None) -> tuple[str, str, str]:
    if result is None:
        return "neutral", "circle-dashed", "no result"
    if result.is_partial:
        return "neutral", "circle-dashed", "no end yet"
    if result.is_error:
        return "problem", "circle-x", "failed"
    return "success", "circle-check", "ok"


def _seconds(entry: TranscriptEntry, result: TranscriptEntry | None) -> float | None:
    for candidate in (result, entry):
        if candidate is not None and candidate.duration_ms is not None:
            return candidate.duration_ms / 1000
    if result is None or result.is_partial or not result.occurred_at or not entry.occurred_at:
        return None
    between = (result.occurred_at - entry.occurred_at).total_seconds()
    return between if between >= 0 else None


def _present_edit(entry: TranscriptEntry, links: Links, *, is_open: bool, whole: bool) -> EditView:
    hunks = hunks_of(before=entry.before, after=entry.after, patch=entry.patch)
    lines = [line for hunk in hunks for line in hunk.lines]
    is_long = not whole and len(lines) > DIFF_LINES
    return EditView(
        path=entry.path,
        hunks=list(_first_lines(hunks, DIFF_LINES)) if is_long else hunks,
        added=sum(line.sign == "+" for line in lines),
        removed=sum(line.sign == "-" for line in lines),
        is_partial=entry.is_partial,
        is_open=(is_open and 0 < len(lines) <= OUTPUT_LINES) or whole,
        show_all_url=links.entry(entry.seq) if is_long else "",
        note=entry.text,
    )


def _first_lines(hunks: Iterable[Hunk], limit: int) -> Iterable[Hunk]:
    for hunk in hunks:
        if limit <= 0:
            return
        yield Hunk(hunk.header, hunk.lines[:limit])
        limit -= len(hunk.lines)


def format_arguments(value: Any, indent: str = "") -> str:
    """A tool's arguments as people read them: one `name: value` a line, nested ones indented below."""
    if isinstance(value, dict):
        return "\n".join(_format_item(f"{name}:", item, indent) for name, item in value.items())
    if isinstance(value, list):
        return "\n".join(_format_item("-", item, indent) for item in value)
    return "" if value is None else indent + _scalar(value)


def _format_item(label: str, item: Any, indent: str) -> str:
    if isinstance(item, dict | list) and item:
        return f"{indent}{label}\n{format_arguments(item, indent + '  ')}"
    text = _scalar(item)
    if "\n" in text:
        return f"{indent}{label}\n" + "\n".join(f"{indent}  {line}" for line in text.split("\n"))
    return f"{indent}{label} {text}".rstrip()


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ({}, []):
        return "-"
    return str(value)


def argument_line(arguments: Any) -> str:
    """The one argument that says most about a call: what it runs, touches or looks for."""
    if not isinstance(arguments, dict):
        return _first_line(format_arguments(arguments))
    for name in (
        "command",
        "cmd",
        "file_path",
        "path",
        "notebook_path",
        "pattern",
        "query",
        "url",
        "description",
    ):
        value = arguments.get(name)
        if isinstance(value, str) and value:
            return _first_line(value)
        if isinstance(value, list) and value:
            return _first_line(" ".join(map(str, value)))
    return _first_line(next((_scalar(v) for v in arguments.values() if isinstance(v, str | int)), ""))


def _first_line(text: str, limit: int = 200) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _cut(text: str, whole: bool) -> str:
    return text if whole or len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"
