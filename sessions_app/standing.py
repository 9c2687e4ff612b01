"""What a page asks that is open: what changed since it was read, and where rows stand in its list now."""

from __future__ import annotations

import uuid
from typing import TypedDict

from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from sessions_app import queries
from sessions_app.filters import TABS
from sessions_app.frames import Frame, Signal, make_ops
from sessions_app.hydration import SessionKey
from sessions_app.kinds import Moment
from sessions_app.listing import summarise
from sessions_app.parameters import BadParameter, read_parameters
from sessions_app.registry import all_kinds
from sessions_app.revs import changes_since, current_rev, is_rev
from workspace.access import MemberRequest, for_members

__all__ = ["session_changes", "session_standing"]

MOST_ROWS = 100


class Counts(TypedDict):
    """What stands beside tabs and groups, as text."""

    tabs: list[str]
    active: str
    rest: str
    summary: str


class Standing(Frame):
    """A frame whose rows say whether they belong to the list asked about, with that list's counts."""

    counts: Counts


@never_cache
@require_safe
@for_members
def session_changes(request: MemberRequest) -> HttpResponse:
    """`since=REV`: a frame of every row that changed after it, or the signal to read everything anew."""
    tenant, since = request.seat.tenant, request.GET.get("since", "")
    moment = Moment.of(tenant, timezone.now())
    changes = changes_since(tenant, since, moment) if is_rev(since) else None
    if changes is None:
        return JsonResponse(Signal(op="resync"))
    ops, _ = make_ops(tenant, changes.keys, moment)
    return JsonResponse(Frame(rev=changes.rev, ops=ops))


@never_cache
@require_safe
@for_members
def session_standing(request: MemberRequest) -> HttpResponse:
    """`row=KIND:ID`, repeated, and a list's own filters: these rows as they stand, and the list's counts."""
    seat = request.seat
    given = request.GET.copy()
    texts = given.pop("row", [])
    try:
        keys = [_read_key(text) for text in dict.fromkeys(texts)]
        asked = read_parameters(given, tenant_id=seat.tenant.pk, me_id=seat.user.pk)
    except (BadParameter, ValueError) as error:
        return JsonResponse({"problem": str(error)}, status=400)
    if len(keys) > MOST_ROWS:
        return JsonResponse({"problem": f"at most {MOST_ROWS} rows"}, status=400)
    rev = current_rev(seat.tenant.pk)
    moment = Moment.of(seat.tenant, timezone.now())
    belonging = queries.belonging(tenant=seat.tenant, filters=asked.filters, moment=moment, keys=keys)
    ops, _ = make_ops(seat.tenant, keys, moment)
    for op in ops:
        if op["op"] == "upsert":
            op["belongs"] = _read_key(op["id"]) in belonging
    counts = queries.count_list(tenant=seat.tenant, filters=asked.filters, moment=moment)
    labels = Counts(
        tabs=[str(counts.tabs[tab or "all"]) for tab in ("", *TABS)],
        active=str(counts.live),
        rest=str(counts.rest),
        summary=summarise(counts),
    )
    return JsonResponse(Standing(rev=rev, ops=ops, counts=labels))


def _read_key(text: str) -> SessionKey:
    """Raises ValueError for what names no session of a kind that there is."""
    kind, _, session_id = text.partition(":")
    if kind not in {known.key for known in all_kinds()}:
        raise ValueError(f"there is no kind {kind[:50]!r}")
    return kind, uuid.UUID(session_id)
