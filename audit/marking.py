"""Redactions as chips: what stands where a credential was is drawn from its finding, never by its looks."""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from audit.models import RedactionFinding, TranscriptEntry

__all__ = ["Marker", "markers_of"]

KEY_SUFFIX = " (key)"


class Marker:
    """Draws the placeholders of one entry's findings as chips."""

    def __init__(self, chips: dict[str, str]) -> None:
        """`chips` maps each placeholder, as it stands in the entry's texts, to the name of its finding."""
        self._chips = {str(escape(placeholder)): _draw(name) for placeholder, name in chips.items()}
        longest_first = sorted(self._chips, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def mark(self, text: str) -> str:
        """The text as it is if it holds none of them, else as HTML that keeps the lines of plain text."""
        html = str(text) if isinstance(text, SafeString) else str(escape(text))
        if self._pattern is None or not self._pattern.search(html):
            return text
        marked = self._pattern.sub(lambda found: self._chips[found[0]], html)
        if not isinstance(text, SafeString):
            marked = f'<span class="as-written">{marked}</span>'
        return mark_safe(marked)  # noqa: S308 - escaped, or of the renderer, with chips of our own


#: For an entry in which nothing was found.
NOTHING = Marker({})


def markers_of(entries: Iterable[TranscriptEntry]) -> defaultdict[uuid.UUID, Marker]:
    """A marker for each entry; costs one query."""
    by_key = {entry.pk: entry for entry in entries}
    markers: defaultdict[uuid.UUID, Marker] = defaultdict(lambda: NOTHING)
    if not by_key:
        return markers
    tenant_id = next(iter(by_key.values())).tenant_id
    chips: defaultdict[uuid.UUID, dict[str, str]] = defaultdict(dict)
    found = RedactionFinding.objects.for_tenant(tenant_id).filter(entry_id__in=by_key)
    for key, field, start, end, name in found.values_list("entry_id", "field", "start", "end", "name"):
        if key and (placeholder := _text_at(by_key[key], field)[start:end]):
            chips[key][placeholder] = name
    markers.update({key: Marker(names) for key, names in chips.items()})
    return markers


def _draw(name: str) -> str:
    return format_html('<mark class="redaction" title="A credential: its value is not kept">{}</mark>', name)


def _text_at(entry: TranscriptEntry, field: str) -> str:
    """The text that a finding's field names, "" if the entry has no such text."""
    if field.endswith(KEY_SUFFIX):
        name = field.removesuffix(KEY_SUFFIX).rpartition("/")[2]
        return name.replace("~1", "/").replace("~0", "~")
    first, *path = [part.replace("~1", "/").replace("~0", "~") for part in field.split("/")[1:]] or [""]
    value: Any = getattr(entry, first, "")
    for part in path:
        if isinstance(value, dict):
            value = value.get(part, "")
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ""
    return value if isinstance(value, str) else ""
