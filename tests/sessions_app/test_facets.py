"""Each facet counts what choosing its value would leave; tabs and groups likewise."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.counting import CAP, Count
from sessions_app.facets import Facet, Option, list_facets
from sessions_app.filters import TABS, UPDATED, Filters
from sessions_app.queries import count_list
from sessions_app.registry import get_kind
from tests.sessions_app.scene import KINDS, NOW, Scene, drafts, filter_sets
from tests.sessions_app.test_page import examples, sessions_in, unique
from workspace.models import User

pytestmark = pytest.mark.django_db

OWN = {"status": ("status", "tone"), "updated": ("updated", "updated_after", "updated_before")}


@pytest.fixture
def scene() -> Scene:
    return Scene.make()


def facets_of(scene: Scene, filters: Filters | None = None, me: User | None = None) -> dict[str, Facet]:
    found = list_facets(tenant=scene.tenant, filters=filters or Filters(), moment=scene.moment, me=me)
    return {facet.param: facet for facet in found}


def options_of(facet: Facet) -> dict[str, Option]:
    return {option.value: option for option in facet.options}


@examples
@given(data=st.data())
def test_a_count_is_what_choosing_the_value_alone_would_leave(scene: Scene, data: st.DataObject) -> None:
    made = data.draw(unique(drafts(), min_size=10))
    filters = data.draw(filter_sets(scene))
    with sessions_in(scene, made):
        for name, facet in facets_of(scene, filters).items():
            base = filters.without(*OWN.get(name, (name,)))
            for option in facet.options:
                chosen = base.with_value(name, option.value) if option.value else base
                assert option.count == Count(len(scene.expected(chosen))), (name, option.value)


@examples
@given(data=st.data())
def test_no_value_that_would_leave_something_is_missing(scene: Scene, data: st.DataObject) -> None:
    made = data.draw(unique(drafts(), min_size=10))
    with sessions_in(scene, made):
        shown = {name: set(options_of(facet)) for name, facet in facets_of(scene).items()}
        for _, session in scene.sessions:
            if session.is_folded:
                continue
            values = {
                "owner": session.owner_id,
                "initiative": session.initiative_id,
                "plan": session.plan_id,
                "status": session.status,
                "origin": session.origin,
                "repo": session.repo,
            }
            assert all(str(value) in shown[name] for name, value in values.items() if value)
        assert shown["kind"] == {kind.key for kind in KINDS}
        assert shown["updated"] == {"", *UPDATED}


@examples
@given(data=st.data())
def test_tabs_and_groups_count_what_they_show(scene: Scene, data: st.DataObject) -> None:
    made = data.draw(unique(drafts(), min_size=10))
    filters = data.draw(filter_sets(scene))
    with sessions_in(scene, made):
        counts = count_list(tenant=scene.tenant, filters=filters, moment=scene.moment)
        found = scene.page(filters, size=1000)
        assert (counts.live, counts.rest) == (Count(len(found.live)), Count(len(found.rest)))
        for tab in ("", *TABS):
            chosen = filters.without("tab").with_value("tab", tab)
            assert counts.tabs[tab or "all"] == Count(len(scene.expected(chosen)))


def test_the_readers_own_sessions_come_first_even_without_any(scene: Scene) -> None:
    scene.add(get_kind("toy"), status="lost", owner=scene.owners[1])
    me = scene.owners[2]
    options = facets_of(scene, me=me)["owner"].options
    assert [(option.value, option.label, option.count_label) for option in options] == [
        (str(me.pk), "Me", "0"),
        (str(scene.owners[1].pk), scene.owners[1].display_name, "1"),
    ]


def test_chosen_and_excluded_values_are_shown_even_if_nothing_has_them(scene: Scene) -> None:
    plan, initiative = scene.plans[0], scene.initiatives[0]
    filters = (
        Filters()
        .with_value("plan", plan.pk)
        .with_value("initiative", initiative.pk, excluded=True)
        .with_value("status", "lost", excluded=True)
        .with_value("repo", "example/none")
    )
    facets = facets_of(scene, filters)
    chosen = options_of(facets["plan"])[str(plan.pk)]
    assert (chosen.label, chosen.is_selected, chosen.count_label) == (plan.name, True, "0")
    assert options_of(facets["initiative"])[str(initiative.pk)].is_excluded
    assert options_of(facets["status"])["lost"].is_excluded
    assert options_of(facets["repo"])["example/none"].is_selected
    assert [facets[name].selected_count for name in ("plan", "initiative", "owner")] == [1, 1, 0]


def test_values_are_named_as_people_know_them(scene: Scene) -> None:
    scene.add(
        get_kind("toy"), status="stuck", initiative=scene.initiatives[1], plan=scene.plans[1], origin="vscode"
    )
    facets = facets_of(scene)
    assert [option.label for option in facets["initiative"].options] == [scene.initiatives[1].name]
    assert [option.label for option in facets["plan"].options] == [scene.plans[1].name]
    assert [option.label for option in facets["origin"].options] == ["VS Code"]
    (status,) = facets["status"].options
    assert (status.label, status.tone, status.group) == ("Stuck", "attention", "Needs attention")
    assert "Toys" in [option.label for option in facets["kind"].options]


def test_statuses_stand_by_tone_and_the_frequent_before_the_rare(scene: Scene) -> None:
    for status, number in {"lost": 3, "spinning": 1, "wound_up": 2, "broken": 1}.items():
        for _ in range(number):
            scene.add(get_kind("toy"), status=status)
    shown = [option.value for option in facets_of(scene)["status"].options]
    assert shown == ["wound_up", "spinning", "broken", "lost"]


def test_tone_and_status_are_one_facets_filter(scene: Scene) -> None:
    for status in ("lost", "broken", "broken"):
        scene.add(get_kind("toy"), status=status)
    for filters in (Filters().with_value("tone", "neutral"), Filters().with_value("status", "lost")):
        counts = {option.value: option.count_label for option in facets_of(scene, filters)["status"].options}
        assert counts == {"lost": "1", "broken": "2"}


def test_the_dates_of_the_bounds_are_given_back(scene: Scene) -> None:
    filters = Filters(updated_after=NOW - timedelta(days=2), updated_before=NOW)
    facet = facets_of(scene, filters)["updated"]
    assert (facet.from_value, facet.to_value) == ("2026-02-28", "2026-03-02")
    assert [option.value for option in facet.options if option.is_selected] == [""]


def test_another_tenants_sessions_are_not_counted(scene: Scene) -> None:
    stranger = Scene.make()
    stranger.add(get_kind("toy"), status="lost")
    assert all(option.count == Count(0) for facet in facets_of(scene).values() for option in facet.options)


def test_twice_the_sessions_take_the_same_number_of_queries(scene: Scene) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            facets_of(scene, Filters(tab="failed"), me=scene.owners[0])
            count_list(tenant=scene.tenant, filters=Filters(tab="failed"), moment=scene.moment)
        return len(captured)

    def add() -> None:
        for at in range(10):
            places = {"initiative": scene.initiatives[at % 2], "plan": scene.plans[at % 2]}
            scene.add(get_kind("toy"), status="broken", owner=scene.owners[at % 3], repo=f"r/{at}", **places)

    add()
    first = count()
    add()
    assert count() == first


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (Count(0), "0"),
        (Count(9999), "9,999"),
        (Count(CAP, is_capped=True), "10,000+"),
        (Count(12, is_capped=True), "12+"),
    ],
)
def test_a_count_that_went_no_further_says_so(count: Count, text: str) -> None:
    assert str(count) == text


def test_counts_add_up_to_no_more_than_the_cap() -> None:
    assert Count(2) + Count(3) == Count(5)
    assert Count(CAP) + Count(1) == Count(CAP, is_capped=True)
    assert Count(1) + Count(CAP, is_capped=True) == Count(CAP, is_capped=True)
