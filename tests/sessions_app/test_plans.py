"""Each query of the list goes through its index and reads in proportion to the page, never to the table.

Nothing here is timed: pages read ("buffers") are compared with one index scan of 50 rows of the same tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from pytest_django.plugin import DjangoDbBlocker

from bench.plans import Plan, explain, plans_of
from bench.seed import SHAPES, SPAN, Place, Seeded, analyze, seed
from chats.models import Chat
from sessions_app.bands import Band
from sessions_app.center import (
    MOST_NEEDS,
    SECTION_SIZE,
    Scope,
    Section,
    needs_of,
    read_active,
    read_recent,
    read_waiting,
)
from sessions_app.counting import CAP
from sessions_app.cursors import Cursor, Direction
from sessions_app.facets import list_facets
from sessions_app.filters import Filters
from sessions_app.kinds import Moment
from sessions_app.looking import changed_since, look
from sessions_app.queries import count_list, page, row
from sessions_app.registry import all_kinds
from sessions_app.unread import unread_of
from tasks.models import BackgroundTask
from tests.sessions_app.plans import separate_database
from workspace.access import Seat
from workspace.models import Membership, SeenSession
from workspace.seeing import mark_seen

TABLES = {shape.model._meta.db_table for shape in SHAPES}
MOST_TIMES_A_SCAN = 3
LIVE = {"chat_open", "flowrun_live", "task_live"}
REST = {"chat_open", "chat_ended", "flowrun_rest", "task_rest"}


def each(name: str) -> set[str]:
    return {f"chat_{name}", f"flowrun_{name}", f"task_{name}"}


#: What is asked of the largest workspace, and the indexes that must answer it.
CASES: dict[str, tuple[Callable[[Place], Filters], set[str]]] = {
    "everything": (lambda place: Filters(), LIVE),
    "updated in 24 hours": (lambda place: Filters(updated="24h"), LIVE),
    "tone active": (
        lambda place: Filters().with_value("tone", "active"),
        {"chat_active", "flowrun_live", "task_live"},
    ),
    "tone attention": (lambda place: Filters().with_value("tone", "attention"), each("attention")),
    "tone success": (
        lambda place: Filters().with_value("tone", "success"),
        {"chat_ended", "flowrun_rest", "task_rest"},
    ),
    "tone problem": (lambda place: Filters().with_value("tone", "problem"), each("problem")),
    "tone neutral": (
        lambda place: Filters().with_value("tone", "neutral"),
        {"chat_open", "flowrun_neutral", "task_neutral"},
    ),
    "two tones": (
        lambda place: Filters().with_value("tone", "neutral").with_value("tone", "problem"),
        {"chat_open", "flowrun_neutral", "task_neutral"} | each("problem"),
    ),
    "without success": (lambda place: Filters().with_value("tone", "success", excluded=True), LIVE),
    "tab needs you": (lambda place: Filters(tab="needs-you"), each("attention")),
    "tab active": (lambda place: Filters(tab="active"), LIVE),
    "tab failed": (lambda place: Filters(tab="failed"), each("problem")),
    "one owner": (lambda place: Filters().with_value("owner", place.owners[10].pk), each("owner")),
    "two owners": (
        lambda place: (
            Filters().with_value("owner", place.owners[9].pk).with_value("owner", place.owners[10].pk)
        ),
        each("owner"),
    ),
    "without an owner": (
        lambda place: Filters().with_value("owner", place.owners[0].pk, excluded=True),
        LIVE,
    ),
    "one initiative": (
        lambda place: Filters().with_value("initiative", place.initiatives[9].pk),
        each("initiative"),
    ),
    "one plan": (lambda place: Filters().with_value("plan", place.plans[9].pk), each("plan")),
    "one repo": (lambda place: Filters().with_value("repo", place.repos[9]), each("repo")),
    "a rare origin": (lambda place: Filters().with_value("origin", "schedule"), each("origin")),
    "with a redaction": (lambda place: Filters().with_value("has", "redaction"), each("redacted")),
    "without a redaction": (lambda place: Filters().with_value("has", "redaction", excluded=True), LIVE),
    "chats": (lambda place: Filters().with_value("kind", "chat"), {"chat_open", "chat_ended"}),
    "tasks with those folded": (
        lambda place: Filters().with_value("kind", "background_task"),
        {"task_live", "task_rest"},
    ),
    "flow runs with those folded": (
        lambda place: Filters().with_value("kind", "flow_run"),
        {"flowrun_live", "flowrun_rest"},
    ),
}


#: What answers what waits on a member: their own, and what any member may decide.
NEEDS = each("awaited") - {"task_awaited"} | {"flowrun_paused", "task_in_review"}

#: Lists that have ended half-way down: what is live, and what changed of late.
BEYOND_HALF_WAY = {"updated in 24 hours", "tab active", "tone active"}


@pytest.fixture(scope="module")
def seeded(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Seeded]:
    """50,000 sessions in a database of their own, vacuumed and analysed, the half in one workspace."""
    with django_db_blocker.unblock(), separate_database(f"{connection.settings_dict['NAME']}_plans"):
        made = seed(rows=50_000)
        # Of half a dozen rows the planner takes any index: let more tasks wait.
        BackgroundTask.objects.filter(status="running").update(
            status="waiting", waiting_on="review", waiting_since=F("changed_at")
        )
        analyze()
        yield made


@pytest.fixture(scope="module")
def place(seeded: Seeded) -> Place:
    return seeded.places[0]


@pytest.fixture(scope="module")
def moment(seeded: Seeded) -> Moment:
    return Moment(seeded.now)


@pytest.fixture(scope="module")
def one_scan(place: Place) -> int:
    """The pages that 50 rows in order take through one index."""
    scan = explain(
        "SELECT * FROM chats_chat WHERE tenant_id = %s AND owner_id = %s AND NOT is_folded AND NOT is_open"
        " ORDER BY changed_at DESC, id DESC LIMIT 50",
        [place.tenant.pk, place.owners[3].pk],
    )
    assert scan.indexes == {"chat_owner"}
    return scan.buffers


def assert_in_proportion(plans: list[Plan], one_scan: int) -> None:
    assert not [plan.sql for plan in plans if plan.scanned & TABLES]
    assert sum(plan.buffers for plan in plans) <= MOST_TIMES_A_SCAN * one_scan


def seat_at(place: Place, number: int) -> Seat:
    user = place.owners[number]
    return Seat(place.tenant, Membership.objects.get(tenant=place.tenant, user=user), user)


def used(plans: list[Plan]) -> set[str]:
    return {index for plan in plans for index in plan.indexes}


@pytest.mark.parametrize("name", CASES)
def test_a_first_page_goes_through_its_indexes(
    name: str, place: Place, moment: Moment, one_scan: int
) -> None:
    make, indexes = CASES[name]
    filters = make(place)
    plans = plans_of(lambda: page(tenant=place.tenant, filters=filters, moment=moment))
    assert indexes <= used(plans)
    assert_in_proportion(plans, one_scan)


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("name", [name for name in CASES if name not in BEYOND_HALF_WAY])
def test_a_page_half_way_down_costs_no_more_than_the_first(
    name: str, direction: Direction, place: Place, moment: Moment, one_scan: int
) -> None:
    make, indexes = CASES[name]
    filters = make(place)
    half_way = Cursor(moment.as_of, Band.REST, moment.as_of - SPAN / 2, place.tenant.pk, direction)
    plans = plans_of(lambda: page(tenant=place.tenant, filters=filters, moment=moment, cursor=half_way))
    assert used(plans) & (REST | indexes)
    assert_in_proportion(plans, one_scan)


def test_what_needs_a_member_is_one_cheap_query(place: Place, one_scan: int) -> None:
    """Every page asks it: no session is looked at that does not wait on the member, in each kind."""
    seat = seat_at(place, 0)
    needs = needs_of(seat)
    (plan,) = plans_of(lambda: needs_of(seat))
    assert used([plan]) >= NEEDS
    assert 20 < len(needs) < MOST_NEEDS
    assert plan.rows_read <= len(needs) + 10
    assert plan.buffers <= one_scan / 2


@pytest.mark.parametrize("section", [read_waiting, read_active, read_recent])
@pytest.mark.parametrize("scope", [Scope(), Scope(is_everyone=True)])
def test_a_section_of_the_command_center_costs_no_more_than_a_page(
    section: Callable[..., Section], scope: Scope, place: Place, moment: Moment, one_scan: int
) -> None:
    seat = seat_at(place, 0)
    needs = needs_of(seat)
    plans = plans_of(lambda: section(seat, scope, moment, needs))
    assert_in_proportion(plans, one_scan)
    fetched = [plan.rows_read for plan in plans if "workspace_user" not in plan.sql]
    assert sum(fetched) <= 2 * len(SHAPES) * (SECTION_SIZE + 1) + len(needs)


def test_looking_for_changes_walks_the_live_rows_and_those_written_of_late_and_no_more(
    place: Place, moment: Moment
) -> None:
    since = moment.as_of - timedelta(minutes=1)
    late = Chat.objects.filter(tenant=place.tenant, status="ended").order_by("pk")[:30]
    Chat.objects.filter(pk__in=[chat.pk for chat in late]).update(title="Renamed")
    analyze()
    live = sum(
        kind.model.objects.filter(kind.live_q(moment), tenant=place.tenant).count() for kind in all_kinds()
    )
    touched = sum(
        kind.model.objects.filter(tenant=place.tenant, touched_at__gt=since).count() for kind in all_kinds()
    )
    assert touched >= 30
    asked = [
        lambda: look(place.tenant.pk, since, moment),
        lambda: changed_since(place.tenant.pk, since, moment, limit=200),
    ]
    for action in asked:
        plans = plans_of(action)
        assert used(plans) >= {"chat_open", "flowrun_live", "task_live", *each("touched")}
        assert not set().union(*(plan.scanned for plan in plans)) & TABLES
        assert sum(plan.rows_read for plan in plans) <= live + touched + 50


def test_what_is_unread_is_found_through_indexes(place: Place, moment: Moment, one_scan: int) -> None:
    member = Membership.objects.filter(tenant=place.tenant, user=place.owners[3]).get()
    Membership.objects.filter(pk=member.pk).update(created_at=moment.as_of - SPAN)
    member.refresh_from_db()
    ids = [(session.pk, session.version) for session in Chat.objects.filter(tenant=place.tenant)[:300]]
    for session_id, version in ids:
        mark_seen(membership=member, kind="chat", session_id=session_id, version=version, now=moment.as_of)
    # One member's marks alone are a table that is quickest read from end to end.
    others = Membership.objects.filter(tenant=place.tenant).exclude(pk=member.pk)[:40]
    SeenSession.objects.bulk_create(
        SeenSession(
            tenant=place.tenant,
            membership=other,
            session_kind="chat",
            session_id=session_id,
            version=version,
            seen_at=moment.as_of,
        )
        for other in others
        for session_id, version in ids
    )
    analyze()
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM (ANALYZE) {SeenSession._meta.db_table}")
    plans = plans_of(lambda: unread_of(Seat(place.tenant, member, place.owners[3]), moment.as_of))
    assert len(plans) == 2
    assert each("owner") <= used(plans)
    assert "seen_once_per_member" in used(plans)
    assert not plans[1].scanned
    assert_in_proportion(plans, one_scan)


def test_every_index_of_the_list_is_needed_by_some_query(place: Place, moment: Moment) -> None:
    """An index that nothing here uses is written on each change for nothing."""
    asked = [make(place) for make, _ in CASES.values()] + [Filters(words=("nonesuch",))]
    half_way = Cursor(moment.as_of, Band.REST, moment.as_of - SPAN / 2, place.tenant.pk, Direction.NEXT)
    needed: set[str] = set()
    for filters in asked:
        for cursor in (None, half_way):
            at = {"filters": filters, "moment": moment, "cursor": cursor}
            needed |= used(plans_of(lambda at=at: page(tenant=place.tenant, **at)))
    needed |= used(plans_of(lambda: needs_of(seat_at(place, 0))))
    listed = {
        index.name
        for shape in SHAPES
        for index in shape.model._meta.indexes
        if "is_folded" in index.fields or index.name.endswith("_text")
    }
    assert listed <= needed


def test_rare_words_are_found_through_their_index(place: Place, moment: Moment, one_scan: int) -> None:
    plans = plans_of(lambda: page(tenant=place.tenant, filters=Filters(words=("nonesuch",)), moment=moment))
    assert each("text") <= used(plans)
    assert_in_proportion(plans, one_scan)


@pytest.mark.parametrize("words", [("the",), ("Fix",), ("error",), ("fix", "error"), ("nonesuch",)])
def test_a_search_gives_the_newest_that_hold_all_words(
    words: tuple[str, ...], place: Place, moment: Moment
) -> None:
    found = page(tenant=place.tenant, filters=Filters(words=words), moment=moment)
    plain = []
    for kind in all_kinds():
        rows = kind.model.objects.filter(tenant=place.tenant, is_folded=False)
        for word in words:
            rows = rows.filter(search_text__contains=word.lower())
        for session in rows.order_by("-changed_at")[:200]:
            plain.append((kind.is_live(session, moment), session.changed_at, f"{kind.key}:{session.pk}"))
        plain += [
            (True, session.changed_at, f"{kind.key}:{session.pk}")
            for session in rows.filter(kind.live_q(moment)).order_by("-changed_at")[:50]
        ]
    expected = [key for _, _, key in sorted(set(plain), reverse=True)[:50]]
    assert [row.key for row in found.rows] == expected
    assert not found.is_partial


def test_one_row_reads_one_row(place: Place, moment: Moment, one_scan: int) -> None:
    chat = Chat.objects.filter(tenant=place.tenant).earliest("changed_at")
    plans = plans_of(lambda: row(tenant=place.tenant, kind="chat", session_id=chat.pk, moment=moment))
    assert "chats_chat_pkey" in used(plans)
    assert_in_proportion(plans, one_scan)


def test_counting_stops_at_the_cap(place: Place, moment: Moment) -> None:
    counts = count_list(tenant=place.tenant, filters=Filters(), moment=moment)
    assert str(counts.tabs["all"]) == str(counts.rest) == "10,000+"
    assert not counts.live.is_capped
    (plan,) = plans_of(lambda: count_list(tenant=place.tenant, filters=Filters(), moment=moment))
    assert not plan.scanned & TABLES
    assert plan.rows_read <= 2 * (CAP + 1)


def test_facets_of_a_large_list_count_the_newest_and_say_so(place: Place, moment: Moment) -> None:
    facets = {
        facet.param: facet for facet in list_facets(tenant=place.tenant, filters=Filters(), moment=moment)
    }
    owners = facets["owner"].options
    assert facets["owner"].is_capped
    assert owners[0].count_label.endswith("+")
    assert sum(option.count.value for option in owners) <= CAP + 1
    kinds = {option.value: option.count_label for option in facets["kind"].options}
    assert kinds["chat"] == "10,000+"
    updated = {option.value: option.count for option in facets["updated"].options}
    assert not updated["7d"].is_capped
    since = moment.as_of - timedelta(days=7)
    plain = sum(
        kind.model.objects.filter(tenant=place.tenant, is_folded=False, changed_at__gte=since).count()
        for kind in all_kinds()
    )
    assert updated["7d"].value == plain


def test_facets_of_a_selective_filter_are_exact(place: Place, moment: Moment) -> None:
    filters = Filters().with_value("plan", place.plans[20].pk)
    facets = {
        facet.param: facet for facet in list_facets(tenant=place.tenant, filters=filters, moment=moment)
    }
    for option in facets["owner"].options:
        plain = sum(
            kind.model.objects.filter(
                tenant=place.tenant, is_folded=False, plan=place.plans[20], owner_id=option.value
            ).count()
            for kind in all_kinds()
        )
        assert (option.count.value, option.count.is_capped) == (plain, False)


def test_no_facet_reads_a_table_from_end_to_end(place: Place, moment: Moment) -> None:
    for name in ("everything", "one owner", "tab failed"):
        filters = CASES[name][0](place)
        plans = plans_of(
            lambda filters=filters: list_facets(tenant=place.tenant, filters=filters, moment=moment)
        )
        assert not [plan.sql for plan in plans if plan.scanned & TABLES]
