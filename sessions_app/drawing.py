"""The line of a session as HTML, and its parts. Nothing in it depends on who reads it.

Drawn 50 times a page and once for each change that open pages are told of. As a template it took eight times
as long as everything else of a page (`docs/adr/0045-the-list-at-scale.md`).
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from html import escape

from django.utils.safestring import SafeString, mark_safe

from sessions_app.kinds import SessionRow
from sessions_app.templatetags.interface import icon, initials, when

__all__ = ["draw_chips", "draw_evidence", "draw_progress", "draw_row", "draw_waiting"]


@lru_cache(maxsize=2048)
def draw_row(row: SessionRow, place: str = "") -> SafeString:
    """The list item, complete; `place` begins its id where another list may stand on the same page.

    Kept while the row stays as it is: nothing else goes into it.
    """
    url, title, owner = escape(row.url), escape(row.title), escape(row.owner_name)
    chips = draw_chips(row)
    return mark_safe(  # noqa: S308 - made of literals and escaped texts
        f'<li class="row" id="{place}row-{row.kind}-{row.id}" data-session="{row.key}" data-tone="{row.tone}"'
        f' data-live="{"true" if row.is_live else "false"}" data-owner="{row.owner_id}"'
        f' data-version="{row.version}" data-order="{row.order_key}"{_awaits(row)}>\n'
        f"{'' if place else _select(row, title)}"
        f"{draw_evidence(row)}\n"
        f'<span class="row-kind" title="{escape(row.kind_label)}">{icon(row.kind_icon)}'
        f'<span class="sr-only">{escape(row.kind_label)}</span></span>\n'
        f'<div class="row-main"><a class="row-title" href="{url}">{title}</a>{draw_waiting(row)}'
        f"{f'<span class="row-chips">{chips}</span>' if chips else ''}</div>\n"
        f'<div class="row-progress">{draw_progress(row)}</div>\n'
        f'<span class="row-owner" title="{owner}"><span class="avatar" aria-hidden="true">'
        f'{escape(initials(row.owner_name))}</span><span class="owner-name clip">{owner}</span></span>\n'
        f'<span class="row-time">{when(row.changed_at)}</span>\n'
        f'<span class="row-action">{_action(row, url, title)}</span>\n'
        f"{_error(row)}</li>"
    )


def draw_evidence(row: SessionRow) -> SafeString:
    """The status as a button that opens its evidence: the rule, the last event, the lease, who set it."""
    label = escape(row.status_label)
    lines = [_fact(line.label, escape(line.text), line.at) for line in row.evidence]
    if row.liveness:
        since = f", last confirmed {when(row.liveness_since, 'long')}" if row.liveness_since else ""
        lines.append(_fact("Process", escape(row.liveness) + since))
    if not lines:
        lines.append(_fact("Rule", "set by the service that owns it"))
    return mark_safe(  # noqa: S308 - made of literals and escaped texts
        f'<details class="evidence" name="popover"><summary class="status" data-tone="{row.tone}">'
        f"{icon(row.status_icon)}<span>{label}</span></summary>\n"
        f'<div class="popover"><p class="popover-title">Why “{label}”</p><dl class="facts">\n'
        f"{'\n'.join(lines)}\n</dl></div></details>"
    )


def _fact(label: str, html: str, at: datetime | None = None) -> str:
    shown = f' <span class="muted">{when(at, "long")}</span>' if at else ""
    return f"<div><dt>{escape(label)}</dt><dd>{html}{shown}</dd></div>"


def draw_chips(row: SessionRow) -> SafeString:
    """Initiative and plan, as links."""
    places = (
        ("initiative", "Initiative", "flag", row.initiative_name, row.initiative_url),
        ("plan", "Plan", "map", row.plan_name, row.plan_url),
    )
    chips = (
        f'<a class="chip" data-chip="{key}" href="{escape(url)}">{icon(sign)}'
        f'<span class="sr-only">{label}</span> <span class="clip">{escape(name)}</span></a>'
        for key, label, sign, name, url in places
        if name
    )
    return mark_safe("".join(chips))  # noqa: S308 - made of literals and escaped texts


def draw_waiting(row: SessionRow) -> SafeString:
    """On whom or what it waits, and that nobody has heard of it, since when."""
    notes = ""
    if row.waiting_on:
        since = f"<span>· {when(row.waiting_since)}</span>" if row.waiting_since else ""
        on = f'<span class="clip">on {escape(row.waiting_on)}</span>'
        notes += f'\n<span class="row-note" data-tone="attention">{on}{since}</span>'
    if row.liveness == "unconfirmed":
        since = f" · {when(row.liveness_since)}" if row.liveness_since else ""
        sign = icon("circle-question-mark")
        notes += (
            f'\n<span class="row-note fixed" data-tone="neutral">{sign}<span>unconfirmed{since}</span></span>'
        )
    return mark_safe(notes)  # noqa: S308 - made of literals and escaped texts


def draw_progress(row: SessionRow) -> SafeString:
    """How far it has come, with a bar where there is an end."""
    progress, label = row.progress, escape(row.progress.label)
    if not label:
        return SafeString()
    bar = f'<progress max="{progress.total}" value="{progress.done}" aria-label="{label}"></progress>'
    shown = bar if progress.total else ""
    html = f'<span class="progress"><span class="progress-label">{label}</span>{shown}</span>'
    return mark_safe(html)  # noqa: S308 - made of literals and escaped texts


def _select(row: SessionRow, title: str) -> str:
    """The box that selects it for an action on several at once; it belongs to the form below the list."""
    return (
        f'<label class="row-select"><input type="checkbox" name="s" value="{row.key}" form="bulk">'
        f'<span class="sr-only">Select {title}</span></label>\n'
    )


def _awaits(row: SessionRow) -> str:
    return f' data-awaits="{" ".join(row.awaits)}"' if row.awaits else ""


def _action(row: SessionRow, url: str, title: str) -> str:
    if row.primary_action is None:
        return ""
    name, label = escape(row.primary_action.name), escape(row.primary_action.label)
    return (
        f'<a class="button small" href="{url}#act-{name}">{label}<span class="sr-only">: {title}</span></a>'
    )


def _error(row: SessionRow) -> str:
    if not row.error:
        return ""
    text = escape(row.error)
    return f'<p class="row-error" title="{text}"><span class="sr-only">Error: </span>{text}</p>\n'
