"""Filters are values: adding, removing and turning around one of their parts, and what they let through."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.filters import IDS, MULTIPLE, UPDATED, Filters, Picks
from sessions_app.kinds import Origin, Tone
from sessions_app.registry import all_kinds, get_kind

KINDS = [kind.key for kind in all_kinds()]
STATUSES = sorted({status for kind in all_kinds() for status in kind.statuses})
OWNER = uuid.UUID(int=7)

VALUES = {
    "kind": st.sampled_from(KINDS),
    "tone": st.sampled_from([tone.value for tone in Tone]),
    "status": st.sampled_from(STATUSES),
    "origin": st.sampled_from(Origin.values),
    "repo": st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=20),
    "has": st.just("redaction"),
    **dict.fromkeys(IDS, st.uuids()),
}


@given(st.sampled_from(MULTIPLE).flatmap(lambda name: st.tuples(st.just(name), VALUES[name])), st.booleans())
def test_toggling_twice_leads_back(named: tuple[str, object], excluded: bool) -> None:
    name, value = named
    once = Filters().toggled(name, value, excluded=excluded)
    assert once.picks(name).allows(value) is not excluded
    assert once.toggled(name, value, excluded=excluded) == Filters()


def test_excluding_a_wanted_value_turns_it_around() -> None:
    turned = Filters().with_value("owner", OWNER).with_value("owner", OWNER, excluded=True)
    assert turned.owner == Picks(frozenset(), frozenset({OWNER}))
    assert turned.without_value("owner", str(OWNER)) == Filters()


def test_one_value_takes_the_place_of_another_where_only_one_is_allowed() -> None:
    assert Filters().with_value("tab", "failed").with_value("tab", "active").tab == "active"
    assert Filters(updated="7d").toggled("updated", "7d") == Filters()


def test_equal_filters_give_equal_addresses_in_whatever_order_they_were_made() -> None:
    first = Filters().with_value("kind", "toy").with_value("status", "stuck").with_value("status", "lost")
    second = Filters().with_value("status", "lost").with_value("status", "stuck").with_value("kind", "toy")
    assert first.query() == second.query() == "kind=toy&status=lost&status=stuck"


def test_filters_without_any_part_are_false() -> None:
    assert not Filters()
    assert Filters(words=("fix",))


def test_an_unknown_filter_is_refused() -> None:
    with pytest.raises(KeyError):
        Filters().picks("words")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), None),
        (Filters(tab="active"), None),
        (Filters(tab="failed"), {"broken"}),
        (Filters(tab="needs-you"), {"stuck"}),
        (Filters(tab="failed").with_value("tone", "neutral"), set()),
        (Filters().with_value("tone", "active"), {"wound_up", "spinning"}),
        (Filters().with_value("tone", "active", excluded=True), {"stuck", "stopped", "broken", "lost"}),
        (Filters().with_value("tone", "active").with_value("status", "spinning"), {"spinning"}),
        (
            Filters().with_value("tone", "active").with_value("status", "spinning", excluded=True),
            {"wound_up"},
        ),
        (Filters().with_value("status", "no such"), set()),
    ],
)
def test_tab_tone_and_status_leave_these_statuses_of_a_toy(
    filters: Filters, expected: set[str] | None
) -> None:
    assert filters.statuses_of(get_kind("toy")) == expected


def test_a_kind_without_a_fitting_status_is_left_out() -> None:
    toys = [get_kind("toy")]
    assert Filters().kinds_of(toys) == toys
    assert Filters().with_value("kind", "toy", excluded=True).kinds_of(toys) == []
    assert Filters().with_value("status", "no such").kinds_of(toys) == []


def test_the_later_of_two_lower_bounds_counts() -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert Filters().since(now) is None
    assert Filters(updated="24h").since(now) == now - timedelta(hours=24)
    late = now - timedelta(hours=1)
    assert Filters(updated="24h", updated_after=late).since(now) == late


def test_every_preset_reaches_further_back_than_the_one_before() -> None:
    spans = list(UPDATED.values())
    assert spans == sorted(set(spans))
