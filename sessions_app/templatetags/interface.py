"""Small pieces that every page draws: icons, times, durations, initials."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime

register = template.Library()
#: Whatever the reader's clock says: what has happened is never told as to come, nor the other way round.
SHAPES = {"narrow": 'format="micro"', "long": 'tense="past"', "coming": 'tense="future"'}

SPRITE = "vendor/lucide-sprite-1.62.0.svg"
UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@register.simple_tag
@lru_cache(maxsize=512)
def icon(name: str) -> SafeString:
    """A decorative icon of the sprite. Meaning must stand in a word beside it. Made once a process: a page
    of rows draws hundreds."""
    return format_html(
        '<svg class="icon icon-{0}" width="16" height="16" aria-hidden="true"><use href="{1}#{0}"/></svg>',
        name,
        static(SPRITE),
    )


@register.simple_tag
def when(moment: datetime | None, style: str = "narrow") -> SafeString | str:
    """A time as people read it: relative where scripts run, absolute where not, and the same for everybody.

    `style` is "narrow" ("5m") for rows, "long" ("5 minutes ago") for text and "coming" ("in 5 minutes") for
    what lies ahead; "-" stands for no time. A script puts the absolute time, in the zone of the page
    (`<html time-zone>`), into the title.
    """
    if moment is None:
        return "-"
    shape = SHAPES[style]
    at = moment.isoformat()
    shown = f"{moment.astimezone(UTC):%-d %b %Y, %H:%M} UTC"
    html = f'<relative-time datetime="{at}" {shape}><time datetime="{at}">{shown}</time></relative-time>'
    return mark_safe(html)  # noqa: S308 - made of literals and a time


@register.simple_tag
def clock(moment: datetime) -> SafeString:
    """The time of day in the reader's zone, for what happened in a row; the title has the date as well."""
    local = localtime(moment)
    return format_html(
        '<time datetime="{0}" title="{1}">{2}</time>',
        moment.isoformat(),
        f"{local:%-d %b %Y, %H:%M:%S %Z}",
        f"{local:%H:%M:%S}",
    )


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as "2m 14s": the two largest units, "-" for none."""
    if seconds is None:
        return "-"
    if 0 < seconds < 1:
        return f"{round(seconds * 1000)}ms"
    rest = int(seconds)
    parts = []
    for unit, size in UNITS:
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return " ".join(parts[:2]) or "0s"


@register.filter
def prose(text: str) -> SafeString:
    """Text to read: HTML from the renderer as it is, anything else escaped with its line breaks kept."""
    plain = "" if isinstance(text, SafeString) else " plain"
    return format_html('<div class="prose{}">{}</div>', plain, text)


@register.filter
def initials(name: str) -> str:
    """Up to two letters that stand for a person: "Maya Kern" is MK, "scheduler" is S."""
    words = name.replace(".", " ").replace("@", " ").split()
    return "".join(word[0] for word in words[:2]).upper() or "?"
