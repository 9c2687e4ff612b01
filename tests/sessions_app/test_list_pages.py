"""The list as people get it: what its page says, what its fragments hold, and what they never depend on."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone

from sessions_app import queries
from sessions_app.filters import Filters
from sessions_app.kinds import Moment
from tests.factories.chats import ChatFactory
from tests.factories.flows import FlowFactory, FlowRunFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import InitiativeFactory, MembershipFactory, PlanFactory, TenantFactory
from workspace.models import Membership, Tenant

pytestmark = pytest.mark.django_db

#: What htmx says of itself where the list's own filters, tabs and chips ask, and where "Load more" does.
LENS = {"HX-Request": "true", "HX-Target": "lens"}
MORE = {"HX-Request": "true"}


@pytest.fixture
def member() -> Membership:
    membership: Membership = MembershipFactory(tenant__slug="acme", user__time_zone="Europe/Berlin")
    return membership


def client_of(member: Membership) -> Client:
    client = Client()
    client.force_login(member.user)
    return client


def get(member: Membership, headers: dict[str, str] | None = None, **parameters: Any) -> Any:
    address = f"/w/acme/sessions/?{urlencode(parameters, doseq=True)}"
    return client_of(member).get(address, headers=headers or {})


def add_tasks(member: Membership, count: int, **fields: Any) -> None:
    BackgroundTaskFactory.create_batch(count, tenant=member.tenant, owner=member.user, **fields)


def add_one_of_each_look(tenant: Tenant, member: Membership) -> None:
    """A row with chips, one that waits, one with an error, one whose worker is not heard of."""
    own: dict[str, Any] = {"tenant": tenant, "owner": member.user}
    flow = FlowFactory(tenant=tenant)
    FlowRunFactory(
        flow=flow,
        paused=True,
        initiative=InitiativeFactory(tenant=tenant),
        plan=PlanFactory(tenant=tenant),
        **own,
    )
    FlowRunFactory(flow=flow, failed=True, **own)
    BackgroundTaskFactory(running=True, **own)
    BackgroundTaskFactory(unknown=True, **own)
    ChatFactory(awaiting_you=True, **own)


def rows_of(html: str) -> list[str]:
    return re.findall(r'<li class="row".*?</li>', html, re.DOTALL)


def heads_of(html: str) -> list[str]:
    heads = re.findall(r'<li class="group-head".*?</li>', html, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", head).split()) for head in heads]


def more_url(html: str) -> str:
    found = re.search(r'class="load-more"><a class="button" href="([^"]+)"', html)
    assert found is not None
    return found[1].replace("&amp;", "&")


def test_every_row_names_its_session_its_tone_and_whether_it_is_live(member):
    add_one_of_each_look(member.tenant, member)
    rows = rows_of(get(member).content.decode())
    named = re.compile(r'data-session="(\w+):[0-9a-f-]{36}" data-tone="(\w+)" data-live="(\w+)"')
    assert sorted(found.groups() for found in map(named.search, rows) if found) == [
        ("background_task", "active", "true"),
        ("background_task", "neutral", "false"),
        ("chat", "attention", "true"),
        ("flow_run", "attention", "true"),
        ("flow_run", "problem", "false"),
    ]


def test_a_row_is_the_same_for_every_member(member):
    add_one_of_each_look(member.tenant, member)
    viewer = MembershipFactory(tenant=member.tenant, viewer=True, user__time_zone="Asia/Tokyo")
    rows = rows_of(get(member).content.decode())
    assert len(rows) == 5
    assert rows == rows_of(get(viewer).content.decode())


def test_rows_are_drawn_without_a_query(member, django_assert_num_queries):
    add_one_of_each_look(member.tenant, member)
    found = queries.page(tenant=member.tenant, filters=Filters(), moment=Moment(timezone.now()))
    with django_assert_num_queries(0):
        drawn = [render_to_string("sessions_app/session_list.html#row", {"row": row}) for row in found.rows]
    assert len(drawn) == 5


def test_a_page_costs_the_same_whatever_the_number_of_rows(member, django_assert_max_num_queries):
    add_tasks(member, 10)
    client = client_of(member)
    client.get("/w/acme/sessions/")
    with django_assert_max_num_queries(100) as ten:
        client.get("/w/acme/sessions/")
    add_tasks(member, 10)
    with django_assert_max_num_queries(len(ten)):
        client.get("/w/acme/sessions/")


def test_the_page_says_how_much_there_is(member):
    add_tasks(member, 2)
    add_tasks(member, 1, completed=True)
    html = get(member).content.decode()
    assert "2 active, 1 other" in html
    assert heads_of(html) == ["Active (2)", "Everything else (1)"]


def test_more_rows_go_on_under_the_head_that_stands_above(member):
    add_tasks(member, queries.PAGE_SIZE + 3)
    answer = client_of(member).get(more_url(get(member).content.decode()), headers=MORE).content.decode()
    assert len(rows_of(answer)) == 3
    assert heads_of(answer) == []


@pytest.mark.parametrize("live", [queries.PAGE_SIZE, queries.PAGE_SIZE + 1])
def test_more_rows_have_a_head_with_its_count_where_everything_else_begins(member, live):
    add_tasks(member, live)
    add_tasks(member, 2, completed=True, changed_at=timezone.now() - timedelta(hours=1))
    answer = client_of(member).get(more_url(get(member).content.decode()), headers=MORE).content.decode()
    assert len(rows_of(answer)) == live + 2 - queries.PAGE_SIZE
    assert heads_of(answer) == ["Everything else (2)"]


def test_without_scripts_the_next_page_is_whole_and_leads_back(member):
    add_tasks(member, queries.PAGE_SIZE + 1)
    first = get(member).content.decode()
    second = client_of(member).get(more_url(first)).content.decode()
    assert heads_of(second) == [f"Active ({queries.PAGE_SIZE + 1}) continued"]
    back = re.search(r'<p class="newer"><a class="button small" href="([^"]+)"', second)
    assert back is not None
    again = client_of(member).get(back[1].replace("&amp;", "&")).content.decode()
    assert rows_of(again) == rows_of(first)
    assert heads_of(again) == [f"Active ({queries.PAGE_SIZE + 1})"]


def test_filters_get_all_below_the_heading_and_more_gets_rows_alone(member):
    add_tasks(member, 1)
    lens, rows = get(member, LENS), get(member, MORE)
    assert 'id="lens"' in lens.content.decode()
    assert "<h1>" not in lens.content.decode()
    assert 'id="lens"' not in rows.content.decode()
    assert all("HX-Target" in answer.headers["Vary"] for answer in (lens, rows, get(member)))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"kind": "nonsense"}, ["kind=nonsense"]),
        ({"colour": "red", "q": "ab"}, ["colour", "q=ab", "fewer than 3 characters"]),
    ],
)
def test_bad_parameters_get_a_page_that_names_each(member, parameters, named):
    answer = get(member, **parameters)
    assert answer.status_code == 400
    for words in named:
        assert words in answer.content.decode()


@pytest.mark.parametrize("headers", [LENS, MORE])
def test_bad_parameters_leave_the_list_alone_where_a_script_asked(member, headers):
    answer = get(member, headers, q="ab")
    assert answer.status_code == 400
    assert answer.headers["HX-Retarget"] == answer.headers["HX-Reselect"] == "#filter-problems"
    assert answer.headers["HX-Push-Url"] == "false"
    html = answer.content.decode()
    assert html.strip().startswith('<div id="filter-problems" role="alert">')
    assert "<code>q</code>: the word “ab” has fewer than 3 characters" in html


@pytest.mark.parametrize(
    ("parameters", "chips"),
    [
        ({"tone": "attention"}, [("Status", "Needs attention")]),
        ({"not_tone": "problem"}, [("Status is not", "Failed")]),
        ({"updated": "24h"}, [("Updated", "In the last 24 hours")]),
        ({"kind": "chat", "not_status": "ended"}, [("Kind", "Chats"), ("Status is not", "Ended")]),
        ({"q": "flaky test"}, [("Words", "flaky test")]),
    ],
)
def test_each_filter_in_use_is_a_chip_that_takes_it_away(member, parameters, chips):
    html = get(member, **parameters).content.decode()
    key, value = '<span class="chip-key">(.*?)</span>', '<span class="clip">(.*?)</span>'
    found = re.findall(f'<a class="chip removable" href="([^"]+)">{key} {value}', html)
    assert [(label, value) for _, label, value in found] == chips
    if len(found) == 1:
        assert found[0][0] == "/w/acme/sessions/"


def test_the_kinds_stand_in_the_order_that_people_know(member):
    html = get(member).content.decode()
    kinds = html.partition('aria-label="Kinds"')[2].partition("</nav>")[0]
    assert re.findall(r">([\w ]+)</a>", kinds) == ["All", "Flow runs", "Tasks", "Chats", "Toys"]


def test_on_its_own_page_an_initiative_is_no_filter_and_no_chip(member):
    initiative = InitiativeFactory(tenant=member.tenant)
    add_tasks(member, 1, initiative=initiative)
    html = client_of(member).get(f"/w/acme/initiatives/{initiative.pk}/").content.decode()
    assert 'data-within="initiative"' in html
    assert 'id="facet-initiative"' not in html
    assert 'id="facet-plan"' in html


def test_an_empty_workspace_shows_the_command_that_fills_it(member):
    html = get(member).content.decode()
    assert "No sessions yet" in html
    assert f"import_sessions ~/.claude/projects --workspace acme --owner {member.user.email}" in html


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({"tab": "failed"}, "Nothing has failed."), ({"q": "nowhere"}, "No session matches")],
)
def test_an_empty_list_says_why(member, parameters, words):
    TenantFactory()
    assert words in get(member, **parameters).content.decode()
