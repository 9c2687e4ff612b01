"""What the list is asked for by the benchmark: one name for each query, with what it is to cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from bench.ground import Ground
from bench.plans import explain, statements_of
from bench.seed import SPAN
from bench.transcripts import make_transcripts, transcript_pages
from chats.models import Chat
from sessions_app.bands import Band
from sessions_app.center import Scope, needs_of, read_active, read_center, read_recent, read_waiting
from sessions_app.cursors import Cursor, Direction
from sessions_app.facets import FACETS, count_kinds, list_facets, tally
from sessions_app.filters import Filters
from sessions_app.kinds import Moment, Tone
from sessions_app.queries import count_list, page, row
from workspace.access import Seat
from workspace.models import Membership

__all__ = ["Query", "list_queries", "scan"]


@dataclass(frozen=True)
class Query:
    """`statements` are what PostgreSQL is asked; `is_page`: it shows a page of rows or less."""

    name: str
    statements: tuple[str, ...]
    is_page: bool = True

    @property
    def buffers(self) -> int:
        return sum(explain(sql).buffers for sql in self.statements)


def scan(ground: Ground) -> Query:
    """The yardstick: 50 rows in their order through one index."""
    with connection.cursor() as cursor:
        owner = ground.place.owners[3].pk
        sql = cursor.mogrify(
            "SELECT * FROM chats_chat WHERE tenant_id = %s AND owner_id = %s AND NOT is_folded"
            " AND NOT is_open ORDER BY changed_at DESC, id DESC LIMIT 50",
            [ground.place.tenant.pk, owner],
        )
    return Query("scan", (sql,))


def list_queries(ground: Ground) -> Iterator[Query]:
    """Every query of the list, asked of the largest workspace."""
    place, moment = ground.place, Moment(ground.now)
    tenant = place.tenant

    def make(name: str, action: Callable[[], object], *, is_page: bool = True) -> Query:
        return Query(name, tuple(statements_of(action)), is_page)

    def page_of(name: str, filters: Filters, cursor: Cursor | None = None) -> Query:
        return make(name, lambda: page(tenant=tenant, filters=filters, moment=moment, cursor=cursor))

    none = Filters()
    yield page_of("first_page", none)
    middle = _half_way(ground)
    for direction in Direction:
        cursor = Cursor(moment.as_of, Band.REST, middle, tenant.pk, direction)
        yield page_of(f"half_way_{direction}", none, cursor)
    yield page_of("rare_owner", none.with_value("owner", place.owners[-1].pk))
    yield page_of("rare_initiative", none.with_value("initiative", place.initiatives[-1].pk))
    yield page_of("rare_plan", none.with_value("plan", place.plans[-1].pk))
    yield page_of("rare_repo", none.with_value("repo", place.repos[-1]))
    yield page_of("rare_origin", none.with_value("origin", "schedule"))
    yield page_of("frequent_owner", none.with_value("owner", place.owners[0].pk))
    for tone in Tone:
        yield page_of(f"tone_{tone}", none.with_value("tone", tone))
    yield page_of("needs_attention", Filters(tab="needs-you"))
    yield page_of("rare_status", none.with_value("status", "unknown"))
    yield page_of("text_rare", Filters(words=("nonesuch",)))
    yield page_of("text_middling", Filters(words=("error",)))
    yield page_of("text_common", Filters(words=("fix",)))
    chat = Chat.objects.filter(tenant=tenant).order_by("pk")[:1].get()
    yield make("one_row", lambda: row(tenant=tenant, kind="chat", session_id=chat.pk, moment=moment))
    count = {"tenant": tenant, "filters": none, "moment": moment}
    yield make("tab_counts", lambda: count_list(**count), is_page=False)
    yield make("facets", lambda: list_facets(**count), is_page=False)
    for name in FACETS:
        yield make(f"facet_{name}", lambda name=name: _facet(ground, name), is_page=False)
    seat, scope = _seat(ground), Scope()
    needs = needs_of(seat)
    yield make("center_needs", lambda: read_waiting(seat, scope, moment, needs_of(seat)))
    yield make("center_active", lambda: read_active(seat, scope, moment, needs))
    yield make("center_recent", lambda: read_recent(seat, scope, moment, needs))
    for name, read in transcript_pages(make_transcripts(tenant.pk)).items():
        yield make(name, read)
    yield make("command_center", lambda: read_center(seat, scope, moment))


def _facet(ground: Ground, name: str) -> object:
    """One facet counted by itself, as when it is the one that is filtered by."""
    tenant_id, moment = ground.place.tenant.pk, Moment(ground.now)
    if name == "kind":
        return count_kinds(tenant_id, Filters(), moment)
    return tally(tenant_id, Filters(), moment, [name])


def _seat(ground: Ground) -> Seat:
    """Somebody who owns more than most."""
    user = ground.place.owners[0]
    member = Membership.objects.get(tenant=ground.place.tenant, user=user)
    return Seat(ground.place.tenant, member, user)


def _half_way(ground: Ground) -> datetime:
    return ground.now - SPAN / 2
