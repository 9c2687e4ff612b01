"""Words are found whichever way is tried first, and a list that is not complete says so.

The limits are set low here, so that a few sessions stand for the many that they are made for.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from sessions_app import counting, facets, queries, sampling, search
from sessions_app.cursors import Cursor
from sessions_app.filters import Filters
from sessions_app.registry import get_kind
from tests.sessions_app.scene import NEEDLES, NOW, Scene, drafts
from tests.sessions_app.test_facets import facets_of
from tests.sessions_app.test_page import examples, sessions_in, unique

pytestmark = pytest.mark.django_db

searches = st.lists(st.sampled_from(NEEDLES), min_size=1, max_size=2, unique=True).map(
    lambda words: Filters(words=tuple(words))
)


@pytest.fixture
def scene() -> Scene:
    return Scene.make()


@pytest.fixture
def walking_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every word were common: the list is walked, first through one session of a branch, then three."""
    monkeypatch.setattr(search, "FEW", -1)
    monkeypatch.setattr(search, "WINDOWS", (1, 3))


@pytest.fixture
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if four sessions were ten thousand."""
    for module in (counting, facets, queries, sampling, search):
        monkeypatch.setattr(module, "CAP", 4)
    monkeypatch.setattr(sampling, "SAMPLE_WINDOW", 2)


@examples
@given(made=unique(drafts(), min_size=8), filters=searches, size=st.integers(1, 4))
@pytest.mark.usefixtures("walking_first")
def test_a_walk_that_ends_too_soon_is_made_good_by_the_index(
    scene: Scene, made: list[dict[str, object]], filters: Filters, size: int
) -> None:
    with sessions_in(scene, made):
        pages = scene.pages(filters, size=size)
        assert [row.key for page in pages for row in page.rows] == scene.expected(filters)
        assert not any(page.is_partial for page in pages)
        if len(pages) > 1:
            back = scene.page(filters, size=size, cursor=Cursor.decode(pages[-1].previous_cursor))
            assert back.rows == pages[-2].rows


@examples
@given(made=unique(drafts(), min_size=8), filters=searches)
@pytest.mark.usefixtures("walking_first", "few_are_many")
def test_a_search_among_too_many_gives_the_newest_and_says_that_it_is_partial(
    scene: Scene, made: list[dict[str, object]], filters: Filters
) -> None:
    with sessions_in(scene, made):
        found = scene.page(filters, size=5)
        keys, expected = [row.key for row in found.rows], scene.expected(filters)
        if found.is_partial:
            assert len(expected) > 4
            assert keys == [key for key in expected if key in keys]
        else:
            assert keys == expected[:5]


@pytest.mark.usefixtures("walking_first", "few_are_many")
def test_common_words_that_only_old_sessions_hold_are_not_all_looked_for(scene: Scene) -> None:
    for hours in range(10):
        title = "Flaky test" if hours >= 4 else "Release"
        scene.add(get_kind("toy"), status="lost", title=title, changed_at=NOW - timedelta(hours=hours))
    found = scene.page(Filters(words=("flaky",)))
    assert (found.rows, found.is_partial) == ((), True)
    assert not scene.page(Filters(words=("release",)), size=3).is_partial


@examples
@given(made=unique(drafts(), min_size=8), filters=searches | st.just(Filters()))
@pytest.mark.usefixtures("few_are_many")
def test_counts_among_too_many_say_at_least(
    scene: Scene, made: list[dict[str, object]], filters: Filters
) -> None:
    with sessions_in(scene, made):
        for name, facet in facets_of(scene, filters).items():
            for option in facet.options:
                chosen = filters.with_value(name, option.value) if option.value else filters
                true = len(scene.expected(chosen))
                assert option.count.value <= min(true, 4)
                assert option.count.is_capped or option.count.value == true
        counts = queries.count_list(tenant=scene.tenant, filters=filters, moment=scene.moment)
        true = len(scene.expected(filters))
        assert counts.tabs["all"].value <= min(true, 4)
        assert counts.tabs["all"].is_capped or counts.tabs["all"].value == true


def test_the_database_and_not_python_lowers_the_words(scene: Scene) -> None:
    toy = scene.add(get_kind("toy"), status="lost", title="ÉTÉ: Straße 100%_done\\now", changed_at=NOW)
    for word in ("été:", "ÉTÉ", "STRAß", "100%_D", "\\NOW"):
        assert scene.keys(Filters(words=(word,))) == [f"toy:{toy.pk}"], word
    for word in ("100__", "1%0", "done/now"):
        assert scene.keys(Filters(words=(word,))) == [], word


def test_words_are_looked_for_in_title_and_error_alike(scene: Scene) -> None:
    toy = scene.add(get_kind("toy"), status="broken", title="Deploy", error="Error: disk full")
    assert scene.keys(Filters(words=("disk", "deploy"))) == [f"toy:{toy.pk}"]
    assert scene.keys(Filters(words=("disk", "memory"))) == []


def test_the_estimate_is_the_planners_own(scene: Scene) -> None:
    for _ in range(30):
        scene.add(get_kind("toy"), status="lost", title="Flaky test")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE toy_kind_toy")
    asked = Filters(words=("flaky",)).with_value("kind", "toy")
    assert search.are_rare(scene.tenant.pk, asked, scene.moment, 1000)
    assert not search.are_rare(scene.tenant.pk, asked, scene.moment, 1)
    assert search.are_rare(scene.tenant.pk, asked.with_value("status", "no such"), scene.moment, 0)
