"""Redactions as chips: what stands where a credential was is drawn from its finding, never by its looks."""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from audit.models import RedactionFinding, TranscriptEntry
from audit.reverse_index import redaction_url

__all__ = ["Marker", "markers_of"]

KEY_SUFFIX = " (key)"
#: A link of rendered text: a chip in it cannot be one itself.
LINK = re.compile(r"(<a\b.*?</a>)", re.DOTALL)


class Marker:
    """Draws the placeholders of one entry's findings as chips."""

    def __init__(self, chips: Mapping[str, tuple[str, str]]) -> None:
        """`chips` maps each placeholder, as it stands in the entry's texts, to its finding's name and page.

        Without the address of a page it is no link.
        """
        self._given = chips
        self._chips = {str(escape(placeholder)): chip for placeholder, chip in chips.items()}
        longest_first = sorted(self._chips, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def joined_with(self, others: Iterable[Marker]) -> Marker:
        """One for a text that was put together of these entries' texts."""
        return Marker({**self._given, **{name: chip for one in others for name, chip in one._given.items()}})

    def mark(self, text: str, *, is_linked: bool = True) -> str:
        """The text as it is if it holds none of them, else as HTML that keeps the lines of plain text.

        A chip links to the page of its name, but for `is_linked` and within a link.
        """
        html = str(text) if isinstance(text, SafeString) else str(escape(text))
        pattern = self._pattern
        if pattern is None or not pattern.search(html):
            return text

        def draw(found: re.Match[str]) -> str:
            return _draw(*self._chips[found[0]], is_linked=is_linked)

        def draw_plain(found: re.Match[str]) -> str:
            return _draw(*self._chips[found[0]], is_linked=False)

        parts = LINK.split(html)
        marked = "".join(pattern.sub(draw_plain if at % 2 else draw, part) for at, part in enumerate(parts))
        if not isinstance(text, SafeString):
            marked = f'<span class="as-written">{marked}</span>'
        return mark_safe(marked)  # noqa: S308 - escaped, or of the renderer, with chips of our own


#: For an entry in which nothing was found.
NOTHING = Marker({})


def markers_of(entries: Iterable[TranscriptEntry], slug: str = "") -> defaultdict[uuid.UUID, Marker]:
    """A marker for each entry; costs one query. With the workspace's slug its chips are links."""
    by_key = {entry.pk: entry for entry in entries}
    markers: defaultdict[uuid.UUID, Marker] = defaultdict(lambda: NOTHING)
    if not by_key:
        return markers
    tenant_id = next(iter(by_key.values())).tenant_id
    chips: defaultdict[uuid.UUID, dict[str, tuple[str, str]]] = defaultdict(dict)
    found = RedactionFinding.objects.for_tenant(tenant_id).filter(entry_id__in=by_key)
    columns = ("entry_id", "field", "start", "end", "name", "is_known")
    for key, field, start, end, name, is_known in found.values_list(*columns):
        if key and (placeholder := _text_at(by_key[key], field)[start:end]):
            url = redaction_url(slug, is_known=is_known, name=name) if slug else ""
            chips[key][placeholder] = (name, url)
    markers.update({key: Marker(names) for key, names in chips.items()})
    return markers


def _draw(name: str, url: str, *, is_linked: bool) -> str:
    shown = format_html('<a href="{}">{}</a>', url, name) if url and is_linked else name
    return format_html('<mark class="redaction" title="A credential: its value is not kept">{}</mark>', shown)


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
