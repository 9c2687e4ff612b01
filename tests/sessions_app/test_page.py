"""A page of the list equals what plain sorting gives, wherever it begins and whichever way it goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app.cursors import Cursor
from sessions_app.filters import Filters
from sessions_app.kinds import Moment
from sessions_app.queries import row, rows_of, within
from sessions_app.registry import get_kind
from tests.sessions_app.scene import KINDS, NOW, Scene, drafts, filter_sets
from tests.toy_kind.models import Toy

pytestmark = pytest.mark.django_db

examples = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def scene() -> Scene:
    return Scene.make()


@contextmanager
def sessions_in(scene: Scene, made: list[dict[str, Any]]) -> Iterator[Scene]:
    """The scene with these sessions for the length of one example."""
    with transaction.atomic():
        scene.sessions = []
        scene.add_all(made)
        yield scene
        transaction.set_rollback(True)


def unique(
    made: st.SearchStrategy[dict[str, Any]], max_size: int = 25, min_size: int = 0
) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(made, min_size=min_size, max_size=max_size, unique_by=lambda draft: draft["id"])


@examples
@given(made=unique(drafts(), min_size=8), size=st.integers(1, 5))
def test_paging_down_and_up_again_visits_each_session_once_in_order(
    scene: Scene, made: list[dict[str, Any]], size: int
) -> None:
    with sessions_in(scene, made):
        pages = scene.pages(size=size)
        assert [row.key for page in pages for row in page.rows] == scene.expected()
        assert not pages[0].previous_cursor
        last, upward = pages[-1], []
        while last.previous_cursor:
            last = scene.page(size=size, cursor=Cursor.decode(last.previous_cursor))
            upward.append(last)
        assert [page.rows for page in upward] == [page.rows for page in reversed(pages[:-1])]


@examples
@given(made=unique(drafts(KINDS[:1]), max_size=12), size=st.integers(1, 3))
def test_ties_are_broken_by_id_across_pages(scene: Scene, made: list[dict[str, Any]], size: int) -> None:
    with sessions_in(scene, [{**draft, "changed_at": NOW - timedelta(days=1)} for draft in made]):
        assert [row.key for page in scene.pages(size=size) for row in page.rows] == scene.expected()


@examples
@given(data=st.data())
def test_filters_leave_what_a_plain_predicate_leaves(scene: Scene, data: st.DataObject) -> None:
    made = data.draw(unique(drafts(), min_size=10))
    filters = data.draw(filter_sets(scene))
    with sessions_in(scene, made):
        assert scene.keys(filters) == scene.expected(filters)


@examples
@given(made=unique(drafts()), later=unique(drafts(), max_size=5), size=st.integers(1, 5))
def test_sessions_that_come_in_meanwhile_neither_double_nor_hide_others(
    scene: Scene, made: list[dict[str, Any]], later: list[dict[str, Any]], size: int
) -> None:
    taken = {draft["id"] for draft in made}
    fresh = [
        {**draft, "changed_at": NOW + timedelta(minutes=1)} for draft in later if draft["id"] not in taken
    ]
    with sessions_in(scene, made):
        before = scene.expected()
        page = scene.page(size=size)
        scene.add_all(fresh)
        seen = [row.key for row in page.rows]
        while page.next_cursor:
            page = scene.page(size=size, cursor=Cursor.decode(page.next_cursor))
            seen += [row.key for row in page.rows]
        added = {f"{draft['kind'].key}:{draft['id']}" for draft in fresh}
        assert [key for key in seen if key not in added] == before
        assert len(seen) == len(set(seen))


def test_a_page_that_ends_among_live_sessions_goes_on_to_all_of_the_rest(scene: Scene) -> None:
    """Sessions that are over may have changed after the live one that the first page ends with."""
    toy = get_kind("toy")
    scene.add(toy, status="spinning", changed_at=NOW - timedelta(hours=5))
    scene.add(toy, status="stopped", changed_at=NOW - timedelta(hours=1))
    scene.add(toy, status="stopped", changed_at=NOW - timedelta(hours=9))
    pages = scene.pages(size=1)
    assert [row.key for page in pages for row in page.rows] == scene.expected()
    up = [scene.page(size=1, cursor=Cursor.decode(page.previous_cursor)).rows for page in pages[1:]]
    assert up == [page.rows for page in pages[:-1]]


def test_the_time_range_begins_at_its_first_instant_and_ends_before_its_last(scene: Scene) -> None:
    first, last = NOW - timedelta(hours=3), NOW - timedelta(hours=1)
    step = timedelta(microseconds=1)
    for changed_at in (first - step, first, last - step, last):
        scene.add(get_kind("toy"), status="lost", changed_at=changed_at)
    found = scene.page(Filters(updated_after=first, updated_before=last))
    assert [row.changed_at for row in found.rows] == [last - step, first]
    assert [row.changed_at for row in scene.page(Filters(updated="1h")).rows] == [last]


def test_the_list_stands_still_as_of_its_first_page(scene: Scene) -> None:
    """A chat that goes quiet between two pages stays where the first page had it."""
    chat = get_kind("chat")
    for minutes in range(6):
        scene.add(chat, status="idle", changed_at=NOW - timedelta(minutes=minutes))
    first = scene.page(size=3)
    scene.moment = Moment(NOW + timedelta(hours=1))
    second = scene.page(size=3, cursor=Cursor.decode(first.next_cursor))
    assert second.as_of == NOW
    assert [row.is_live for row in (*first.rows, *second.rows)] == [True] * 6
    assert not any(row.is_live for row in scene.page().rows)


def test_a_row_is_grouped_by_the_band_it_was_found_in(scene: Scene) -> None:
    scene.add(get_kind("toy"), status="spinning")
    scene.add(get_kind("toy"), status="stopped")
    found = scene.page()
    assert [row.status for row in found.live] == ["spinning"]
    assert [row.status for row in found.rest] == ["stopped"]


def test_a_page_beyond_rows_that_are_gone_leads_back(scene: Scene) -> None:
    for hours in range(4):
        scene.add(get_kind("toy"), status="stopped", changed_at=NOW - timedelta(hours=hours))
    first = scene.page(size=2)
    Toy.objects.exclude(pk__in=[row.id for row in first.rows]).delete()
    empty = scene.page(size=2, cursor=Cursor.decode(first.next_cursor))
    assert (empty.rows, empty.next_cursor) == ((), "")
    assert scene.page(size=2, cursor=Cursor.decode(empty.previous_cursor)).rows == first.rows


def test_another_tenants_sessions_are_nowhere(scene: Scene) -> None:
    stranger = Scene.make()
    theirs = stranger.add(get_kind("toy"), status="spinning", title="Flaky")
    for filters in (Filters(), Filters(words=("flaky",)), within(stranger.initiatives[0])):
        assert scene.keys(filters) == []
    assert row(tenant=scene.tenant, kind="toy", session_id=theirs.pk, moment=scene.moment) is None
    assert rows_of(tenant=scene.tenant, keys=[("toy", theirs.pk)], moment=scene.moment) == {}


def test_one_row_is_the_same_as_on_the_page(scene: Scene) -> None:
    made = [scene.add(kind, status=min(kind.statuses)) for kind in KINDS]
    listed = {row.key: row for row in scene.page().rows}
    assert len(listed) == len(made)
    for kind, session in scene.sessions:
        found = row(tenant=scene.tenant, kind=kind.key, session_id=session.pk, moment=scene.moment)
        assert found == listed[f"{kind.key}:{session.pk}"]


def test_a_place_lists_its_own_sessions_through_the_same_filters(scene: Scene) -> None:
    initiative, plan = scene.initiatives[0], scene.plans[0]
    toy = get_kind("toy")
    first = scene.add(toy, status="broken", initiative=initiative)
    second = scene.add(toy, status="stopped", initiative=initiative, plan=plan)
    scene.add(toy, status="broken")
    assert scene.keys(within(initiative, Filters(tab="failed"))) == [f"toy:{first.pk}"]
    assert scene.keys(within(plan)) == [f"toy:{second.pk}"]


@pytest.mark.parametrize("filters", [Filters(), Filters(words=("flaky",)), Filters(tab="failed")])
def test_twice_the_sessions_take_the_same_number_of_queries(scene: Scene, filters: Filters) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert scene.page(filters).rows
        return len(captured)

    def add(number: int) -> None:
        for kind in KINDS:
            for at in range(number):
                failed = next(s for s, info in kind.statuses.items() if info.tone == "problem")
                scene.add(
                    kind,
                    status=failed,
                    title="Flaky test",
                    changed_at=NOW - timedelta(hours=at + 2),
                    owner=scene.owners[at % 3],
                    initiative=scene.initiatives[at % 2],
                    plan=scene.plans[at % 2],
                )

    add(10)
    first = count()
    add(10)
    assert count() == first
