"""The pages of sessions: what they cost does not grow with what they show, and they show what there is."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.entries import EntryKind, NewEntry
from audit.services import append_entries
from tests.factories.audit import kind_of
from tests.factories.chats import ChatFactory
from tests.factories.flows import FlowFactory, FlowRunFactory
from tests.factories.tasks import BackgroundTaskFactory, ChildTaskFactory
from tests.factories.workspace import MembershipFactory
from workspace.models import Membership

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Membership:
    membership: Membership = MembershipFactory(tenant__slug="acme")
    return membership


@pytest.fixture
def client(member: Membership) -> Client:
    client = Client()
    client.force_login(member.user)
    return client


def own(member: Membership) -> dict[str, Any]:
    return {"tenant": member.tenant, "owner": member.user}


def say(session: Any, count: int, kind: EntryKind = EntryKind.MESSAGE, **fields: Any) -> None:
    entries = [NewEntry(kind=kind, native_id=uuid.uuid4().hex, **fields) for _ in range(count)]
    append_entries(tenant_id=session.tenant_id, session=(kind_of(session), session.pk), entries=entries)


def add_calls(session: Any, count: int) -> None:
    for _ in range(count):
        call = uuid.uuid4().hex
        say(session, 1, EntryKind.TOOL_CALL, tool_name="Bash", call_id=call, arguments={"command": "ls"})
        say(session, 1, EntryKind.TOOL_RESULT, call_id=call, text="README.md")


def page_of(name: str, session: Any, **query: Any) -> str:
    return reverse(name, args=["acme", session.pk], query=query or None)


def test_a_chat_costs_the_same_whatever_it_holds(member, client, django_assert_max_num_queries):
    chat = ChatFactory(**own(member))
    costs = []
    for count in (2, 10):
        say(chat, count, role="user", text="**hello**")
        add_calls(chat, count)
        client.get(page_of("chats:chat-detail", chat))  # keeps the texts as HTML
        with django_assert_max_num_queries(40) as asked:
            client.get(page_of("chats:chat-detail", chat))
        costs.append(len(asked))
    assert costs[0] == costs[1]


def test_a_task_costs_the_same_whatever_number_of_sub_agents(member, client, django_assert_max_num_queries):
    task = BackgroundTaskFactory(waiting_children=True, child_count=4, **own(member))
    costs = []
    for count in (2, 4):
        ChildTaskFactory.create_batch(2, parent=task)
        with django_assert_max_num_queries(40) as asked:
            page = client.get(page_of("tasks:task-detail", task)).content.decode()
        assert len(re.findall(r'<li data-level="1" data-session="background_task:', page)) == count
        costs.append(len(asked))
    assert costs[0] == costs[1]


def test_a_run_costs_the_same_whatever_number_of_steps(member, client, django_assert_max_num_queries):
    costs = []
    for step_count in (2, 5):
        run = FlowRunFactory(flow=FlowFactory(tenant=member.tenant, step_count=step_count), **own(member))
        with django_assert_max_num_queries(40) as asked:
            page = client.get(page_of("flows:run-detail", run)).content.decode()
        assert page.count('<li class="step"') == step_count
        costs.append(len(asked))
    assert costs[0] == costs[1]


def test_sub_agents_stand_under_their_parents_with_all_that_a_row_says_of_itself(member, client):
    task = BackgroundTaskFactory(waiting_children=True, child_count=1, **own(member))
    child = ChildTaskFactory(parent=task, running=True, child_count=1)
    grandchild = ChildTaskFactory(parent=child, failed=True)
    page = client.get(page_of("tasks:task-detail", task)).content.decode()
    found = re.findall(r'<li data-level="(\d)" data-session="background_task:([0-9a-f-]+)" (.*?)>', page)
    assert found == [
        ("1", str(child.pk), 'data-tone="active" data-live="true"'),
        ("2", str(grandchild.pk), 'data-tone="problem" data-live="false"'),
    ]


def test_a_call_links_to_the_task_that_it_started(member, client):
    chat = ChatFactory(**own(member))
    say(chat, 1, EntryKind.TOOL_CALL, tool_name="Task", call_id="c1", arguments={"description": "Look"})
    started = BackgroundTaskFactory(
        title="Look around", source_kind="chat", source_id=chat.pk, source_call_id="c1", **own(member)
    )
    page = client.get(page_of("chats:chat-detail", chat)).content.decode()
    entry = page.partition('id="e-1"')[2].partition("</li>")[0]
    assert f'href="{page_of("tasks:task-detail", started)}"' in entry
    assert "Look around" in entry


def test_a_prompt_reads_as_it_was_meant(member, client):
    task = BackgroundTaskFactory(prompt="# Do\n\nKeep **all** <tests>", **own(member))
    page = client.get(page_of("tasks:task-detail", task)).content.decode()
    assert "<h3>Do</h3>" in page
    assert "<strong>all</strong> &lt;tests&gt;" in page


def test_each_day_of_a_transcript_is_named_once(member, client):
    chat = ChatFactory(**own(member))
    for day in ("2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z", "2026-03-02T12:00:00Z"):
        say(chat, 1, text="hello", occurred_at=datetime.fromisoformat(day))
    page = client.get(page_of("chats:chat-detail", chat, at=1)).content.decode()
    assert re.findall(r'<li class="day"><time datetime="([\d-]+)">', page) == ["2026-03-01", "2026-03-02"]


@pytest.mark.parametrize(
    ("query", "named"), [({"at": "x"}, "at"), ({"only": "jokes"}, "only"), ({"page": "2"}, "page")]
)
def test_a_bad_parameter_of_a_transcript_is_named(member, client, query, named):
    answer = client.get(page_of("chats:chat-detail", ChatFactory(**own(member)), **query))
    assert answer.status_code == 400
    assert f"<code>{named}</code>" in answer.content.decode()


def test_only_who_may_act_is_offered_actions(member, client):
    chat = ChatFactory(**own(member))
    assert 'id="act-end"' in client.get(page_of("chats:chat-detail", chat)).content.decode()
    teammate = Client()
    teammate.force_login(MembershipFactory(tenant=member.tenant).user)
    page = teammate.get(page_of("chats:chat-detail", chat)).content.decode()
    assert 'id="act-end"' not in page
    assert "Read only" in page
