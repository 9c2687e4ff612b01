from __future__ import annotations

import uuid

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit.models import TranscriptEntry
from audit.pages import find_session
from audit.presenting import Links, format_arguments, present_entries
from audit.transcripts import find_entry, find_transcript, raw_record_of, results_of
from sessions_app.registry import get_kind
from workspace.access import MemberRequest, for_members


@require_safe
@for_members
def entry_detail(request: MemberRequest, kind: str, session_id: uuid.UUID, seq: int) -> HttpResponse:
    """One entry, nothing folded, with the redacted record that it was read from."""
    slug, tenant_id = request.seat.tenant.slug, request.seat.tenant.pk
    transcript = find_transcript(tenant_id, (kind, session_id))
    if transcript is None:
        raise Http404("no such transcript")
    try:
        session_kind, entry = get_kind(kind), find_entry(transcript, seq)
    except (KeyError, TranscriptEntry.DoesNotExist):
        raise Http404("no such entry") from None
    session = find_session(session_kind, tenant_id, session_id)
    page_url = session_kind.url(session, slug)
    entry_url = reverse("audit:entry-detail", args=[slug, kind, session_id, 0])
    links = Links(page_url, entry_url, {}, slug)
    views = present_entries([entry], results_of([entry], whole=True), links=links, whole=True)
    raw = raw_record_of(entry)
    context = {
        "session_title": session.title,
        "crumbs": [
            ("Sessions", reverse("sessions_app:session-list", args=[slug])),
            (session.title, views[0].permalink),
        ],
        "entry": views[0],
        "is_entry_page": True,
        "raw": raw,
        "raw_text": format_arguments(raw.body) if raw else "",
    }
    return render(request, "audit/entry_detail.html", context)
