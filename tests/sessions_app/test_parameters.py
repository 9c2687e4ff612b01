"""Parameters become filters and back; what cannot be honoured is named, never ignored."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app.bands import Band
from sessions_app.cursors import Cursor, Direction
from sessions_app.filters import TABS, UPDATED, Filters, Picks
from sessions_app.kinds import Moment, Tone
from sessions_app.parameters import BadParameter, SessionFilterSet, read_parameters
from sessions_app.queries import page
from tests.factories.workspace import InitiativeFactory, MembershipFactory, PlanFactory, TenantFactory
from tests.sessions_app.test_filters import VALUES
from tests.toy_kind.models import Toy
from workspace.models import Initiative, Membership, Plan, Tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory()


@pytest.fixture
def members(tenant: Tenant) -> list[Membership]:
    return MembershipFactory.create_batch(3, tenant=tenant)


def read(tenant: Tenant, query: str, **options: object) -> Filters:
    return read_parameters(QueryDict(query), tenant_id=tenant.pk, **options).filters


def problems(tenant: Tenant, query: str, **options: object) -> list[tuple[str, str]]:
    with pytest.raises(BadParameter) as caught:
        read_parameters(QueryDict(query), tenant_id=tenant.pk, **options)
    return [(problem.parameter, problem.value) for problem in caught.value.problems]


def picks(values: st.SearchStrategy[object]) -> st.SearchStrategy[Picks[object]]:
    sets = st.lists(values, max_size=4, unique=True)
    return sets.flatmap(
        lambda found: st.integers(0, len(found)).map(
            lambda cut: Picks(frozenset(found[:cut]), frozenset(found[cut:]))
        )
    )


WORDS = st.lists(
    st.text(st.characters(categories=["L", "Nd"]), min_size=3, max_size=8).filter(lambda w: w.isalnum()),
    max_size=3,
    unique_by=str.casefold,
)
INSTANTS = st.datetimes(datetime(1901, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.data())
def test_filters_come_back_from_their_own_address(
    tenant: Tenant, members: list[Membership], data: st.DataObject
) -> None:
    if not Initiative.objects.for_tenant(tenant.pk).exists():
        InitiativeFactory.create_batch(3, tenant=tenant)
        PlanFactory.create_batch(3, tenant=tenant)
    ids = {
        "owner": [member.user_id for member in members],
        "initiative": list(Initiative.objects.for_tenant(tenant.pk).values_list("pk", flat=True)),
        "plan": list(Plan.objects.for_tenant(tenant.pk).values_list("pk", flat=True)),
    }
    values = {**VALUES, **{name: st.sampled_from(found) for name, found in ids.items()}}
    times = data.draw(
        st.one_of(
            st.fixed_dictionaries({"updated": st.sampled_from(["", *UPDATED])}),
            st.fixed_dictionaries({"updated_after": INSTANTS}),
            st.fixed_dictionaries({"updated_before": INSTANTS}),
        )
    )
    filters = Filters(
        **{name: data.draw(picks(strategy)) for name, strategy in values.items()},
        **times,
        words=tuple(data.draw(WORDS)),
        tab=data.draw(st.sampled_from(["", *TABS])),
    )
    assert read(tenant, filters.query()) == filters


def test_an_owner_may_be_an_id_an_address_or_me(tenant: Tenant, members: list[Membership]) -> None:
    first, second, third = (member.user for member in members)
    filters = read(tenant, f"owner={first.pk}&owner={second.email.upper()}&not_owner=me", me_id=third.pk)
    assert filters.owner == Picks(frozenset({first.pk, second.pk}), frozenset({third.pk}))


def test_initiatives_and_plans_may_be_named(tenant: Tenant) -> None:
    initiative = InitiativeFactory(tenant=tenant, name="Faster checkout")
    plan = PlanFactory(tenant=tenant, name="Cache the basket")
    filters = read(tenant, f"initiative=faster+CHECKOUT&not_plan={plan.pk}")
    assert filters.initiative.wanted == {initiative.pk}
    assert filters.plan.unwanted == {plan.pk}


def test_ids_of_another_tenant_are_named_as_problems(tenant: Tenant, members: list[Membership]) -> None:
    other = MembershipFactory()
    initiative, plan = InitiativeFactory(tenant=other.tenant), PlanFactory(tenant=other.tenant)
    query = (
        f"owner={other.user_id}&not_owner={other.user.email}&initiative={initiative.pk}&not_plan={plan.name}"
    )
    assert problems(tenant, query) == [
        ("initiative", str(initiative.pk)),
        ("owner", str(other.user_id)),
        ("not_owner", other.user.email),
        ("not_plan", plan.name),
    ]


def test_ids_that_are_nobodys_are_named_as_problems(tenant: Tenant) -> None:
    stray = str(uuid.uuid4())
    assert problems(tenant, f"owner={stray}&plan={stray}") == [("owner", stray), ("plan", stray)]


def test_somebody_who_left_can_still_be_asked_for_while_their_sessions_are_here(tenant: Tenant) -> None:
    gone = MembershipFactory().user
    assert problems(tenant, f"owner={gone.pk}") == [("owner", str(gone.pk))]
    Toy.objects.create(tenant=tenant, owner=gone, title="Left behind", changed_at=datetime.now(UTC))
    assert read(tenant, f"owner={gone.email}").owner.wanted == {gone.pk}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("kind=toys", ("kind", "toys")),
        ("not_tone=red", ("not_tone", "red")),
        ("status=brokken", ("status", "brokken")),
        ("origin=moon", ("origin", "moon")),
        ("repo=a%00b", ("repo", "a\0b")),
        ("repo=" + "x" * 301, ("repo", "x" * 301)),
        ("tab=everything", ("tab", "everything")),
        ("updated=1y", ("updated", "1y")),
        ("updated_after=yesterday", ("updated_after", "yesterday")),
        ("updated_before=0001-01-01", ("updated_before", "0001-01-01")),
        ("q=ab", ("q", "ab")),
        ("q=checkout+is", ("q", "checkout is")),
        ("q=---+%2B%2B%2B", ("q", "--- +++")),
        ("q=a%00bcd", ("q", "a\0bcd")),
        ("q=fix&q=test", ("q", "test")),
        ("q=" + "+".join(f"word{n}" for n in range(11)), ("q", " ".join(f"word{n}" for n in range(11)))),
        ("cursor=abc", ("cursor", "abc")),
        ("color=red", ("color", "")),
        ("owner=me", ("owner", "me")),
        ("owner=", None),
        ("kind=toy&not_kind=toy", ("not_kind", "toy")),
        (
            "updated_after=2026-01-02&updated_before=2026-01-02",
            ("updated_before", "2026-01-02T00:00:00+00:00"),
        ),
    ],
)
def test_a_bad_parameter_is_named_with_its_value(
    tenant: Tenant, query: str, named: tuple[str, str] | None
) -> None:
    if named is None:
        assert read(tenant, query) == Filters()
    else:
        assert problems(tenant, query) == [named]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    given=st.dictionaries(
        st.sampled_from(list(SessionFilterSet.base_filters)) | st.text(max_size=5),
        st.lists(
            st.text(st.characters(), max_size=40) | st.sampled_from(["failed", "chat", "7d", "me"]),
            max_size=3,
        ),
        max_size=4,
    )
)
def test_whatever_is_given_is_read_or_named(tenant: Tenant, given: dict[str, list[str]]) -> None:
    params = QueryDict(mutable=True)
    for name, values in given.items():
        params.setlist(name, values)
    filters, named = Filters(), set()
    try:
        filters = read_parameters(params, tenant_id=tenant.pk).filters
    except BadParameter as bad:
        named = {problem.parameter for problem in bad.problems}
    assert named <= set(given)
    assert page(tenant=tenant, filters=filters, moment=Moment(datetime.now(UTC))).rows == ()


def test_all_problems_are_told_at_once(tenant: Tenant) -> None:
    with pytest.raises(BadParameter) as caught:
        read(tenant, "color=red&kind=toys&kind=tools&q=ab")
    assert [p.parameter for p in caught.value.problems] == ["color", "kind", "kind", "q"]
    assert caught.value.parameter == "color"
    assert "kind=tools: it is none of" in str(caught.value)


def test_parameters_of_the_caller_pass(tenant: Tenant) -> None:
    assert read(tenant, "view=board", also=("view",)) == Filters()


def test_a_date_begins_at_midnight_in_the_readers_zone(tenant: Tenant) -> None:
    filters = read(
        tenant, "updated_after=2026-03-01&updated_before=2026-03-02T12:00Z", zone=ZoneInfo("Asia/Tokyo")
    )
    assert filters.updated_after == datetime(2026, 2, 28, 15, tzinfo=UTC)
    assert filters.updated_before == datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_words_are_told_apart_whatever_their_case(tenant: Tenant) -> None:
    assert read(tenant, "q=++Flaky+test%09flaky+").words == ("Flaky", "test")


def test_the_cursor_is_read_beside_the_filters(tenant: Tenant) -> None:
    now = datetime.now(UTC)
    cursor = Cursor(now, Band.LIVE, now, uuid.uuid4(), Direction.PREVIOUS)
    request = read_parameters(QueryDict(f"cursor={cursor.encode()}&tab=all"), tenant_id=tenant.pk)
    assert request.cursor == cursor
    assert request.filters == Filters()


def test_a_tone_means_what_the_kinds_say(tenant: Tenant) -> None:
    assert read(tenant, "tone=problem").tone.wanted == {Tone.PROBLEM.value}
