"""What every session's page shows beside its own parts: header, actions, facts, decisions, transcript."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format

from audit.models import DecisionReceipt, Outcome, Transcript
from audit.presenting import EntryView, Links, format_arguments, present_entries
from audit.reverse_index import names_in
from audit.transcripts import Only, Window, find_transcript, read_window, receipts_of
from sessions_app.kinds import Moment, SessionKind, SessionModel
from workspace.access import MemberRequest

__all__ = [
    "BadWindow",
    "Fact",
    "ReceiptView",
    "TranscriptPage",
    "find_session",
    "render_session_page",
    "session_context",
]

PARAMETERS = {"at", "before", "after", "latest", "only", "q"}
NO_CHILDREN: Mapping[str, tuple[str, str]] = {}
RECEIPT_TONES = {
    Outcome.APPROVED: ("success", "circle-check"),
    Outcome.EDITED: ("success", "pencil"),
    Outcome.REJECTED: ("problem", "circle-x"),
    Outcome.SKIPPED: ("neutral", "skip-forward"),
    Outcome.OVERRIDDEN: ("attention", "triangle-alert"),
    Outcome.EXPIRED: ("neutral", "clock"),
}


class BadWindow(ValueError):
    """A parameter of the transcript that is unknown or has a bad value, and why."""

    def __init__(self, parameter: str, message: str) -> None:
        self.parameter, self.message = parameter, message
        super().__init__(f"{parameter}: {message}")


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the panel beside a transcript; `earlier` is the first value where it changed.

    A duration is given in `seconds` instead of a value.
    """

    label: str
    value: str = ""
    earlier: str = ""
    url: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class FilterTab:
    label: str
    url: str
    is_current: bool
    count_label: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptView:
    tone: str
    icon: str
    outcome_label: str
    subject: str
    actor: str
    at: datetime
    content_hash: str
    comment: str
    edits: Sequence[tuple[str, str, str]] = ()


@dataclass(frozen=True, slots=True)
class TranscriptPage:
    """One window of a transcript with its links; URLs are "" where there is nothing further."""

    url: str
    entries: Sequence[EntryView]
    first: int
    last: int
    total: int
    total_label: str
    older_url: str
    newer_url: str
    latest_url: str
    filters: Sequence[FilterTab]
    kept: Sequence[tuple[str, str]]
    q: str
    is_filtered: bool
    searched_label: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """The validated parameters of a transcript page."""

    at: int | None
    before: int | None
    after: int | None
    latest: bool
    only: Only | None
    q: str


def session_context(
    request: MemberRequest,
    kind: SessionKind,
    obj: SessionModel,
    *,
    extra_facts: Sequence[Fact] = (),
    children: Mapping[str, tuple[str, str]] = NO_CHILDREN,
) -> dict[str, Any]:
    """The context of a session's page. Raises `BadWindow` for a bad transcript parameter."""
    seat = request.seat
    moment = Moment.of(seat.tenant, timezone.now())
    row = kind.present(obj, moment, seat.tenant.slug)
    session = (kind.key, obj.pk)
    transcript = find_transcript(seat.tenant.pk, session)
    asked = _read_parameters(request.GET)
    actions = kind.actions(obj, seat.membership)
    redactions = names_in(seat.tenant, session)
    return {
        "tenant_slug": seat.tenant.slug,
        "session": row,
        "crumbs": [("Sessions", reverse("sessions_app:session-list", args=[seat.tenant.slug]))],
        "actions": actions,
        "action_url": reverse("sessions_app:session-action", args=[seat.tenant.slug, kind.key, obj.pk]),
        "is_readonly": not actions and not seat.can_manage and not seat.owns(obj.owner_id),
        "facts": [*extra_facts, *_facts(transcript, obj)],
        "redactions": redactions,
        "redaction_count": sum(one.count for one in redactions if not one.is_withheld),
        "receipts": [_present_receipt(receipt) for receipt in receipts_of(seat.tenant.pk, session)],
        "transcript": _transcript_page(transcript, asked, row.url, row.is_live, seat.tenant.slug, children)
        if transcript
        else None,
    }


def render_session_page(
    request: MemberRequest, template: str, build: Callable[[], dict[str, Any]]
) -> HttpResponse:
    """The page, or 400 naming the parameter of the transcript that was wrong."""
    try:
        context = build()
    except BadWindow as bad:
        problem = {"parameter": bad.parameter, "message": bad.message, "clear_url": request.path}
        return render(request, "400.html", {"problem": problem}, status=400)
    return render(request, template, context)


def _read_parameters(given: Mapping[str, str]) -> _Asked:
    for name in given:
        if name not in PARAMETERS:
            raise BadWindow(
                name[:40], f"not a parameter of this page; it takes {', '.join(sorted(PARAMETERS))}"
            )
    only = given.get("only", "")
    if only and only not in set(Only):
        raise BadWindow("only", f"{only[:40]!r} is none of {', '.join(Only)}")
    return _Asked(
        at=_read_seq(given, "at"),
        before=_read_seq(given, "before"),
        after=_read_seq(given, "after"),
        latest="latest" in given,
        only=Only(only) if only else None,
        q=given.get("q", "").replace("\x00", "").strip()[:200],
    )


def _read_seq(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or int(text) > 2**31 - 1:
        raise BadWindow(name, f"{text[:40]!r} is not the number of an entry")
    return int(text)


def _transcript_page(
    transcript: Transcript,
    asked: _Asked,
    url: str,
    is_live: bool,
    slug: str,
    children: Mapping[str, tuple[str, str]],
) -> TranscriptPage:
    window = read_window(
        transcript,
        at=asked.at,
        before=asked.before,
        after=asked.after,
        latest=asked.latest or is_live,
        only=asked.only,
        q=asked.q,
    )
    entry_url = reverse("audit:entry-detail", args=[slug, transcript.session_kind, transcript.session_id, 0])
    links = Links(url, entry_url, children, slug)
    kept = [(name, value) for name, value in (("only", asked.only), ("q", asked.q)) if value]

    def to(**parameters: object) -> str:
        return f"{url}?{urlencode([*kept, *parameters.items()])}"

    return TranscriptPage(
        url=url,
        entries=present_entries(window.entries, window.results, links=links, target=asked.at),
        first=window.first_seq,
        last=window.last_seq,
        total=transcript.entry_count,
        total_label=number_format(transcript.entry_count, force_grouping=True),
        older_url=to(before=window.older_from) if window.has_older else "",
        newer_url=to(after=window.newer_from) if window.has_newer else "",
        latest_url=to(latest=1) if window.has_newer else "",
        filters=_filter_tabs(url, asked),
        kept=[(name, value) for name, value in kept if name != "q"],
        q=asked.q,
        is_filtered=bool(kept),
        searched_label=_searched_label(window),
    )


def _searched_label(window: Window) -> str:
    if window.searched is None:
        return ""
    first, last = (number_format(seq, force_grouping=True) for seq in window.searched)
    return f"Entries {first} to {last} were searched"


def _filter_tabs(url: str, asked: _Asked) -> list[FilterTab]:
    tabs = []
    for only in (None, *Only):
        parameters = [(name, value) for name, value in (("only", only), ("q", asked.q)) if value]
        query = f"?{urlencode(parameters)}" if parameters else ""
        label = only.value.capitalize() if only else "All"
        tabs.append(FilterTab(label, url + query, only == asked.only))
    return tabs


def _present_receipt(receipt: DecisionReceipt) -> ReceiptView:
    outcome = Outcome(receipt.outcome)
    tone, icon = RECEIPT_TONES[outcome]
    return ReceiptView(
        tone=tone,
        icon=icon,
        outcome_label=str(outcome.label),
        subject=receipt.subject,
        actor=receipt.decided_by.display_name if receipt.decided_by else "nobody",
        at=receipt.created_at,
        content_hash=receipt.content_hash,
        comment=receipt.comment,
        edits=[
            (name, format_arguments(before), format_arguments(after))
            for name, (before, after) in receipt.seen.get("edits", {}).items()
        ],
    )


def _facts(transcript: Transcript | None, obj: SessionModel) -> list[Fact]:
    """Where it ran; what is not known is shown as "-" by the page, what never applies is left out."""
    facts = [Fact("Origin", obj.get_origin_display()), Fact("Repository", obj.repo)]
    if transcript is None:
        return facts
    tokens = (
        ("Input tokens", transcript.input_tokens),
        ("Output tokens", transcript.output_tokens),
        ("Cache read", transcript.cache_read_tokens),
        ("Cache written", transcript.cache_write_tokens),
    )
    runtime = f"{transcript.runtime} {transcript.runtime_version}".strip()
    return [
        *facts,
        _changed("Branch", transcript.branch_first, transcript.branch_last),
        _changed("Folder", transcript.cwd_first, transcript.cwd_last),
        _changed("Commit", transcript.commit_first, transcript.commit_last),
        _changed("Model", transcript.model_first, transcript.model_last),
        Fact("Runtime", runtime),
        Fact("Sandbox", transcript.sandbox),
        Fact("Profile", transcript.profile),
        *(Fact(label, number_format(count, force_grouping=True)) for label, count in tokens if count),
        Fact("Redactions", number_format(transcript.redaction_count, force_grouping=True)),
    ]


def _changed(label: str, first: str, last: str) -> Fact:
    return Fact(label, last, earlier=first if first != last else "")


def find_session(kind: SessionKind, tenant_id: uuid.UUID, session_id: uuid.UUID) -> Any:
    """The session with its owner, initiative and plan in memory. Raises Http404."""
    rows = kind.model._default_manager.select_related("owner", "initiative", "plan").defer("search_text")
    obj = rows.filter(tenant_id=tenant_id, pk=session_id).first()
    if obj is None:
        raise Http404(f"no such {kind.label.lower()}")
    return obj
