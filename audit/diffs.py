"""File edits as hunks with line numbers, from a patch or from the texts before and after."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import unified_diff
from itertools import islice

__all__ = ["DiffLine", "Hunk", "hunks_of"]

HEADER = re.compile(r"^@@ -([0-9]{1,9})(?:,[0-9]+)? \+([0-9]{1,9})(?:,[0-9]+)? @@")
#: difflib is quadratic at worst: texts beyond this are compared by their patch or not at all.
MAX_COMPARED = 400_000


@dataclass(frozen=True, slots=True)
class DiffLine:
    """`sign` is "+", "-" or " "; `old` and `new` are line numbers from 1, None where the line has none."""

    sign: str
    text: str
    old: int | None
    new: int | None


@dataclass(slots=True)
class Hunk:
    header: str
    lines: list[DiffLine] = field(default_factory=list)


def hunks_of(*, before: str | None, after: str | None, patch: str) -> list[Hunk]:
    """The hunks of the patch, or of the difference of the two texts where there is no patch.

    Hunks whose header has no line numbers (some agents write bare "@@") have lines without numbers.
    """
    if not patch and after is not None and len(after) + len(before or "") <= MAX_COMPARED:
        lines = unified_diff((before or "").splitlines(), after.splitlines(), lineterm="", n=3)
        patch = "\n".join(islice(lines, 2, None))
    return _read_patch(patch)


def _read_patch(patch: str) -> list[Hunk]:
    hunks: list[Hunk] = []
    old: int | None = None
    new: int | None = None
    for line in patch.split("\n"):
        if line.startswith(("--- ", "+++ ")) and not hunks:
            continue
        if line.startswith("@@"):
            match = HEADER.match(line)
            old, new = (int(match[1]), int(match[2])) if match else (None, None)
            hunks.append(Hunk(line))
            continue
        if line.startswith("\\") or not (line or hunks):
            continue
        if not hunks:
            hunks.append(Hunk(""))
        sign, text = (line[0], line[1:]) if line[:1] in {"+", "-", " "} else (" ", line)
        hunks[-1].lines.append(
            DiffLine(sign, text, old if sign != "+" else None, new if sign != "-" else None)
        )
        old = old + 1 if old is not None and sign != "+" else old
        new = new + 1 if new is not None and sign != "-" else new
    _drop_last_empty_line(hunks)
    return hunks


def _drop_last_empty_line(hunks: list[Hunk]) -> None:
    """A patch that ends in a newline has no empty line after it."""
    if hunks and hunks[-1].lines and hunks[-1].lines[-1].sign == " " and not hunks[-1].lines[-1].text:
        hunks[-1].lines.pop()
