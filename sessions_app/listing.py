"""A list of sessions as a page shows it: tabs, kinds, facets, chips, groups of rows and the way to more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from sessions_app import queries
from sessions_app.bands import Band
from sessions_app.cursors import Cursor, Direction
from sessions_app.facets import Facet, list_facets
from sessions_app.filters import EXCLUDE, TABS, Filters
from sessions_app.kinds import Moment, SessionRow
from sessions_app.names import FACET_LABELS, TONE_LABELS, UPDATED_LABELS
from sessions_app.parameters import BadParameter, read_parameters
from sessions_app.registry import all_kinds
from sessions_app.revs import current_rev
from workspace.access import MemberRequest
from workspace.models import Initiative, Plan

__all__ = ["render_list", "summarise"]

TAB_LABELS = {"": "All", "needs-you": "Needs you", "active": "Active", "failed": "Failed"}
QUIET = {
    "needs-you": "Nothing waits on anybody.",
    "active": "Nothing is running.",
    "failed": "Nothing has failed.",
}
#: The filter that a page about one of these sets by itself.
PLACES: dict[type, str] = {Initiative: "initiative", Plan: "plan"}


@dataclass(frozen=True, slots=True)
class Tab:
    label: str
    url: str
    count_label: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter in use; `remove_url` is the list without it."""

    label: str
    value: str
    remove_url: str
    is_excluded: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one band on this page; `is_continued`: its first rows stand on a page before."""

    key: str
    label: str
    count_label: str
    rows: Sequence[SessionRow]
    is_continued: bool


@dataclass(frozen=True, slots=True)
class ListPage:
    """What `sessions_app/session_list.html` takes as `page`.

    `rev` was read before all else, "" if it is not known; `query` asks for the same list elsewhere.
    """

    title: str
    url: str
    summary: str
    tabs: Sequence[Tab]
    kinds: Sequence[Tab]
    q: str
    kept: Sequence[tuple[str, str]]
    facets: Sequence[Facet]
    chips: Sequence[Chip]
    clear_url: str
    all_url: str
    groups: Sequence[Group]
    older_url: str
    newer_url: str
    empty: str
    start_command: str
    quiet_text: str
    is_partial: bool
    within: str
    rev: str
    query: str


def render_list(
    request: MemberRequest,
    template: str,
    *,
    title: str,
    within: Initiative | Plan | None = None,
    context: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """The list as a page, or the part of it that htmx asked for; 400 naming each bad parameter.

    "Load more" has no target of its own and gets rows alone; every other request of the list's own scripts
    gets all below the heading.
    """
    seat = request.seat
    try:
        asked = read_parameters(
            request.GET,
            tenant_id=seat.tenant.pk,
            me_id=seat.user.pk,
            zone=timezone.get_current_timezone(),
        )
    except BadParameter as bad:
        return _render_bad(request, bad)
    is_more = bool(request.htmx) and request.htmx.target != "lens"
    builder = _Builder(request, title, asked.filters, asked.cursor, within)
    page = builder.rows_only() if is_more else builder.whole()
    part = "#rows" if is_more else "#lens" if request.htmx else ""
    name = f"sessions_app/session_list.html{part}" if part else template
    given = {**(context or {}), "page": page, "tenant_slug": seat.tenant.slug, "appended": is_more}
    response = render(request, name, given)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def summarise(counts: queries.ListCounts) -> str:
    """The line below the heading."""
    return f"{counts.live} active, {counts.rest} other"


def _render_bad(request: MemberRequest, bad: BadParameter) -> HttpResponse:
    """A page that names what is wrong; for htmx a notice at the filters, the list left as it is."""
    problem = {"parameter": bad.parameter, "message": bad.reason, "clear_url": request.path}
    context = {"problem": problem, "problems": bad.problems}
    if not request.htmx:
        return render(request, "400.html", context, status=400)
    response = render(request, "sessions_app/session_list.html#problems", context, status=400)
    response.headers["HX-Retarget"] = response.headers["HX-Reselect"] = "#filter-problems"
    response.headers["HX-Reswap"] = "outerHTML"
    response.headers["HX-Push-Url"] = "false"
    return response


class _Builder:
    """Builds one page: `asked` is what the address says, `filters` what is read (inside a place: both)."""

    def __init__(
        self,
        request: MemberRequest,
        title: str,
        asked: Filters,
        cursor: Cursor | None,
        place: Initiative | Plan | None,
    ) -> None:
        self.tenant, self.user = request.seat.tenant, request.seat.user
        self.path, self.title, self.asked, self.cursor, self.place = request.path, title, asked, cursor, place
        self.filters = queries.within(place, asked) if place else asked
        self.moment = Moment.of(self.tenant, timezone.now())
        self.rev = ""

    def rows_only(self) -> ListPage:
        """The page without what stands above the rows: no counts, no facets."""
        return self._build(counts=None, facets=())

    def whole(self) -> ListPage:
        self.rev = current_rev(self.tenant.pk)
        counts = queries.count_list(tenant=self.tenant, filters=self.filters, moment=self.moment)
        facets = list_facets(tenant=self.tenant, filters=self.filters, moment=self.moment, me=self.user)
        place = PLACES[type(self.place)] if self.place else ""
        return self._build(counts=counts, facets=[facet for facet in facets if facet.param != place])

    def _build(self, *, counts: queries.ListCounts | None, facets: Sequence[Facet]) -> ListPage:
        found = queries.page(tenant=self.tenant, filters=self.filters, moment=self.moment, cursor=self.cursor)
        groups = self._groups(found, counts)
        return ListPage(
            title=self.title,
            url=self.path,
            summary=summarise(counts) if counts and groups else "",
            tabs=self._tabs(counts) if counts else (),
            kinds=self._kinds() if counts else (),
            q=" ".join(self.asked.words),
            kept=self._kept(facets),
            facets=facets,
            chips=self._chips(facets) if counts else (),
            clear_url=self.path,
            all_url=self.path,
            groups=groups,
            older_url=self._url(self.asked, found.next_cursor) if found.next_cursor else "",
            newer_url=self._url(self.asked, found.previous_cursor) if found.previous_cursor else "",
            empty="" if groups else self._why_empty(),
            start_command=(
                ".venv/bin/python manage.py import_sessions ~/.claude/projects "
                f"--workspace {self.tenant.slug} --owner {self.user.email}"
            ),
            quiet_text=QUIET.get(self.asked.tab, ""),
            is_partial=found.is_partial,
            within=PLACES[type(self.place)] if self.place else "",
            rev=self.rev,
            query=self.filters.query(),
        )

    def _url(self, filters: Filters, cursor: str = "") -> str:
        pairs = [*filters.pairs(), *([("cursor", cursor)] if cursor else [])]
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path

    def _groups(self, found: queries.Page, counts: queries.ListCounts | None) -> list[Group]:
        """The bands on this page; rows alone are counted only where a band begins among them."""
        shown = [(band, rows) for band, rows in ((Band.LIVE, found.live), (Band.REST, found.rest)) if rows]
        continued = {band for band, _ in shown[:1] if self._is_continued(band, found)}
        by_band = {Band.LIVE: counts.live, Band.REST: counts.rest} if counts else {}
        if counts is None and any(band not in continued for band, _ in shown):
            by_band = queries.count_bands(tenant=self.tenant, filters=self.filters, moment=self.moment)
        groups = []
        for band, rows in shown:
            key, label = ("active", "Active") if band is Band.LIVE else ("rest", "Everything else")
            groups.append(Group(key, label, str(by_band.get(band, "")), rows, band in continued))
        return groups

    def _is_continued(self, band: Band, found: queries.Page) -> bool:
        """Whether the page before this one ends in the band that this one begins with."""
        if self.cursor is None or not found.previous_cursor:
            return False
        # Of a page that was reached from below only this is known: what stands above live rows is live.
        return self.cursor.direction is Direction.PREVIOUS or self.cursor.band is band

    def _tabs(self, counts: queries.ListCounts | None) -> list[Tab]:
        tabs = []
        for tab in ("", *TABS):
            count = str(counts.tabs[tab or "all"]) if counts else ""
            url = self._url(self.asked.with_value("tab", tab))
            tabs.append(Tab(TAB_LABELS[tab], url, count, self.asked.tab == tab))
        return tabs

    def _kinds(self) -> list[Tab]:
        without = self.asked.without("kind")
        tabs = [Tab("All", self._url(without), "", not self.asked.kind)]
        for kind in all_kinds():
            filters = without.only("kind", kind.key)
            tabs.append(Tab(kind.label_plural, self._url(filters), "", self.asked.kind == filters.kind))
        return tabs

    def _kept(self, facets: Sequence[Facet]) -> list[tuple[str, str]]:
        """What the filter form has no field for and must carry along."""
        fields = {"q", "updated", "updated_after", "updated_before"}
        fields |= {name for facet in facets for name in (facet.param, EXCLUDE + facet.param)}
        return [(name, value) for name, value in self.asked.pairs() if name not in fields]

    def _chips(self, facets: Sequence[Facet]) -> list[Chip]:
        chips = []
        for facet in facets:
            if facet.is_dates:
                continue
            for option in facet.options:
                if option.is_selected or option.is_excluded:
                    url = self._url(self.asked.without_value(facet.param, option.value))
                    chips.append(Chip(facet.label, option.label, url, option.is_excluded))
        for tone, label in TONE_LABELS.items():
            if tone in self.asked.tone.wanted | self.asked.tone.unwanted:
                url = self._url(self.asked.without_value("tone", tone))
                chips.append(Chip(FACET_LABELS["status"], label, url, tone in self.asked.tone.unwanted))
        chips += self._time_chips()
        if self.asked.words:
            chips.append(Chip("Words", " ".join(self.asked.words), self._url(self.asked.without("words"))))
        return chips

    def _time_chips(self) -> list[Chip]:
        chips = []
        if self.asked.updated:
            label = UPDATED_LABELS[self.asked.updated]
            chips.append(Chip("Updated", label, self._url(self.asked.without("updated"))))
        for name, word in (("updated_after", "from"), ("updated_before", "to")):
            if instant := getattr(self.asked, name):
                label = f"{word} {timezone.localtime(instant):%-d %b %Y, %H:%M}"
                chips.append(Chip("Updated", label, self._url(self.asked.without(name))))
        return chips

    def _why_empty(self) -> str:
        if not self.asked:
            return "nothing"
        return "quiet" if self.asked == Filters(tab=self.asked.tab) else "no_match"
