"""Searching, filtering and leafing through the lists of the admin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from uuid_utils.compat import uuid7

from agents.models import Skill
from audit.models import AuditEntry, RedactionFinding, Transcript, TranscriptEntry
from chats.models import Chat
from flows.models import Flow, FlowRun
from intake.models import ImportedSession
from tasks.models import BackgroundTask
from tests.admin.asking import list_page, messages_of, run_action
from tests.admin.rows import make_audit_entry, make_finding, make_imported_session, make_token
from tests.factories.agents import SkillFactory
from tests.factories.audit import TranscriptEntryFactory, TranscriptFactory
from tests.factories.chats import ChatFactory
from tests.factories.flows import FlowFactory, FlowRunFactory
from tests.factories.tasks import BackgroundTaskFactory, ChildTaskFactory
from tests.factories.workspace import InitiativeFactory, MembershipFactory, TenantFactory, UserFactory
from workspace.models import ApiToken, Initiative, Membership, User
from workspace.operating import model_admins
from workspace.operating.filters import first_key_at

pytestmark = pytest.mark.django_db


def rows_of(desk: Client, model: type[Model], **query: str) -> list[Any]:
    page = desk.get(list_page(model), query)
    assert page.status_code == 200
    return list(page.context["cl"].result_list)


# --- Words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factory", [ChatFactory, BackgroundTaskFactory, FlowRunFactory])
def test_work_is_found_by_words_of_title_and_error_in_either_case(desk: Client, factory: Any):
    model = factory._meta.model
    by_title = factory(title="Fix the Login page")
    by_error = factory(title="Deploy", error="Error: LOGIN refused")
    factory(title="Something else")
    assert rows_of(desk, model, q="login") == [by_error, by_title]
    assert rows_of(desk, model, q="login PAGE") == [by_title]
    assert rows_of(desk, model, q="fix the IN pa") == [by_title]


def test_signs_of_the_search_language_are_only_letters(desk: Client):
    percent = ChatFactory(title="Reach 100% coverage")
    ChatFactory(title="Reach 1000 users")
    assert rows_of(desk, Chat, q="100%") == [percent]


@pytest.mark.parametrize("factory", [TenantFactory, InitiativeFactory, SkillFactory, FlowFactory])
def test_named_rows_are_found_by_any_part_of_the_name(desk: Client, factory: Any):
    wanted = factory(name="Quarterly Payments")
    factory(name="Other")
    assert rows_of(desk, factory._meta.model, q="arterly payM") == [wanted]


def test_people_are_found_by_name_and_by_the_beginning_of_their_address(desk: Client):
    ada = UserFactory(email="ada@example.com", name="Countess of Lovelace")
    UserFactory(email="not-ada@example.com", name="Somebody")
    assert rows_of(desk, User, q="Ada@") == [ada]
    assert rows_of(desk, User, q="lovelace") == [ada]


def test_what_people_have_is_found_by_their_address(desk: Client):
    token, seat = make_token(), MembershipFactory()
    make_token()
    assert rows_of(desk, ApiToken, q=token.user.email) == [token]
    assert rows_of(desk, ApiToken, q=token.prefix[:6]) == [token]
    assert rows_of(desk, Membership, q=seat.user.email) == [seat]


@pytest.mark.parametrize(("model", "term"), [(Chat, "ab"), (Chat, "a b"), (AuditEntry, "login")])
def test_a_search_that_no_index_serves_is_refused_in_words(desk: Client, model: type[Model], term: str):
    page = desk.get(list_page(model), {"q": term})
    assert page.context["cl"].result_list == []
    assert "search here takes" in messages_of(page)[0]


# --- Ids ---------------------------------------------------------------------------------------------------


def test_an_id_finds_everything_about_a_session(desk: Client):
    entry = make_audit_entry()
    session_id = str(entry.session_id)
    make_audit_entry()
    assert rows_of(desk, AuditEntry, q=session_id) == [entry]
    imported, finding = make_imported_session(), make_finding()
    assert rows_of(desk, ImportedSession, q=str(imported.session_id)) == [imported]
    assert rows_of(desk, RedactionFinding, q=str(finding.session_id)) == [finding]
    assert rows_of(desk, RedactionFinding, q=str(finding.entry_id)) == [finding]


def test_the_entries_of_a_transcript_are_found_by_its_id_and_by_that_of_its_session(desk: Client):
    task = BackgroundTaskFactory()
    transcript = TranscriptFactory(session=task)
    entry = TranscriptEntryFactory(transcript=transcript)
    TranscriptEntryFactory()
    assert rows_of(desk, Transcript, q=str(task.pk)) == [transcript]
    for key in (transcript.pk, task.pk, entry.pk):
        assert rows_of(desk, TranscriptEntry, q=str(key)) == [entry]
    assert rows_of(desk, TranscriptEntry, transcript=str(transcript.pk)) == [entry]


def test_what_happened_to_a_record_is_found_by_its_id(desk: Client):
    skill = SkillFactory()
    page = f"{list_page(Skill)}{skill.pk}/change/"
    posted = {"name": "Renamed", "runtime": skill.runtime, "body": skill.body, "description": ""}
    assert desk.post(page, posted).status_code == 302
    found = rows_of(desk, AuditEntry, q=str(skill.pk))
    assert [entry.action for entry in found] == ["change_skill"]
    assert f"?q={skill.pk}" in desk.get(page).content.decode()


def test_what_happened_to_a_workspace_and_to_a_person_is_found_by_their_ids(desk: Client):
    seat = MembershipFactory()
    run_action(desk, [seat.tenant], "suspend")
    run_action(desk, [seat.user], "deactivate")
    for key, action in ((seat.tenant_id, "suspend_tenant"), (seat.user_id, "deactivate_user")):
        assert [entry.action for entry in rows_of(desk, AuditEntry, q=str(key))] == [action]


def test_an_imported_session_is_found_by_the_id_that_the_other_tool_gave_it(desk: Client):
    named, numbered = make_imported_session(), make_imported_session()
    ImportedSession.objects.filter(pk=numbered.pk).update(native_id=str(uuid7()))
    numbered.refresh_from_db()
    assert rows_of(desk, ImportedSession, q=named.native_id) == [named]
    assert rows_of(desk, ImportedSession, q=numbered.native_id) == [numbered]


@pytest.mark.parametrize("query", [{"password__startswith": "!"}, {"user__password": "!"}])
def test_what_is_hidden_cannot_be_guessed_at_by_filtering(desk: Client, query: dict[str, str]):
    model = User if "password__startswith" in query else Membership
    assert desk.get(list_page(model), query).status_code == 400


def test_parts_are_found_by_the_id_of_the_whole(desk: Client):
    run = FlowRunFactory()
    FlowRunFactory()
    assert rows_of(desk, FlowRun, q=str(run.flow_id)) == [run]
    assert rows_of(desk, FlowRun, flow=str(run.flow_id)) == [run]
    steps = rows_of(desk, run.step_runs.model, q=str(run.pk))
    assert {step.pk for step in steps} == set(run.step_runs.values_list("pk", flat=True))
    child = ChildTaskFactory()
    assert rows_of(desk, BackgroundTask, parent=str(child.parent_id)) == [child]
    assert set(rows_of(desk, BackgroundTask, q=str(child.parent_id))) == {child, child.parent}


# --- Filters -----------------------------------------------------------------------------------------------


def test_a_list_is_narrowed_to_a_workspace_by_slug_or_id(desk: Client):
    chat = ChatFactory()
    ChatFactory()
    for entry in (chat.tenant.slug, chat.tenant.slug.upper(), str(chat.tenant_id)):
        assert rows_of(desk, Chat, workspace=entry) == [chat]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"workspace": "nowhere"}, "There is no workspace “nowhere”."),
        ({"owner_email": "nobody@example.com"}, "Nobody has the address “nobody@example.com”."),
    ],
)
def test_a_filter_that_means_nothing_says_so_and_lists_nothing(
    desk: Client, query: dict[str, str], problem: str
):
    ChatFactory()
    page = desk.get(list_page(Chat), query)
    assert page.context["cl"].result_list == []
    assert problem in page.content.decode()


@pytest.mark.parametrize("entry", ["nonsense", "0190a5f0-0000-7000-8000-00000000dead"])
def test_a_reference_to_no_row_says_so(desk: Client, entry: str):
    FlowRunFactory()
    page = desk.get(list_page(FlowRun), {"flow": entry})
    assert page.context["cl"].result_list == []
    assert entry in page.content.decode().split('role="alert"')[1]


def test_the_filters_add_up(desk: Client):
    wanted = BackgroundTaskFactory(failed=True)
    BackgroundTaskFactory(failed=True)
    BackgroundTaskFactory(tenant=wanted.tenant, owner=wanted.owner)
    query = {"workspace": wanted.tenant.slug, "status__exact": "failed", "owner_email": wanted.owner.email}
    assert rows_of(desk, BackgroundTask, **query) == [wanted]
    assert rows_of(desk, BackgroundTask, **query, q="nothing of it") == []


def test_a_typed_filter_keeps_the_others(desk: Client):
    page = desk.get(list_page(Chat), {"status__exact": "failed", "q": "login"}).content.decode()
    form = page.split('aria-label="Workspace"')[0].rpartition("<form")[2]
    assert '<input type="hidden" name="status__exact" value="failed">' in form
    assert '<input type="hidden" name="q" value="login">' in form


def test_what_tasks_wait_on_is_a_filter(desk: Client):
    wanted = BackgroundTaskFactory(waiting_review=True)
    BackgroundTaskFactory(waiting_input=True)
    assert rows_of(desk, BackgroundTask, waiting_on="review") == [wanted]


def test_the_time_of_making_is_read_from_the_key(desk: Client):
    now = datetime.now(UTC)
    fresh = ChatFactory()
    old = ChatFactory(id=first_key_at(now - timedelta(days=3)))
    ancient = ChatFactory(id=first_key_at(now - timedelta(days=90)))
    assert rows_of(desk, Chat, created="hour") == [fresh]
    assert rows_of(desk, Chat, created="week") == [fresh, old]
    assert rows_of(desk, Chat, created="older") == [ancient]


def test_the_lowest_key_of_a_moment_is_below_each_key_made_then_and_above_those_before():
    key = uuid7()
    millisecond = timedelta(milliseconds=1)
    made_at = datetime.fromtimestamp((key.int >> 80) / 1000, UTC)
    assert first_key_at(made_at) <= key < first_key_at(made_at + millisecond)
    assert first_key_at(made_at).version == 7


# --- Leafing -----------------------------------------------------------------------------------------------


def test_leafing_shows_each_row_once_newest_first(desk: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(model_admins.OperatorAdmin, "list_per_page", 4)
    chats = [ChatFactory() for _ in range(10)]
    page = desk.get(list_page(Chat))
    seen = [*page.context["cl"].result_list]
    assert "Newest" not in page.content.decode()
    while link := page.context["cl"].older_link:
        page = desk.get(list_page(Chat) + link)
        seen += page.context["cl"].result_list
        assert "Newest" in page.content.decode()
    assert seen == chats[::-1]


def test_leafing_keeps_filters_and_search(desk: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(model_admins.OperatorAdmin, "list_per_page", 2)
    wanted = [ChatFactory(title=f"Login {n}", failed=True) for n in range(3)]
    ChatFactory(title="Login", ended=True)
    page = desk.get(list_page(Chat), {"q": "login", "status__exact": "failed"})
    page = desk.get(list_page(Chat) + page.context["cl"].older_link)
    assert list(page.context["cl"].result_list) == [wanted[0]]


def test_the_record_of_a_workspace_is_leafed_through_in_its_own_order(
    desk: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(model_admins.OperatorAdmin, "list_per_page", 2)
    chat = ChatFactory()
    template = make_audit_entry()
    values = {f.attname: getattr(template, f.attname) for f in AuditEntry._meta.concrete_fields}
    moments = [datetime(2026, 5, day, tzinfo=UTC) for day in (3, 1, 2, 2, 5)]
    made = AuditEntry.objects.bulk_create(
        AuditEntry(**{**values, "id": uuid7(), "tenant_id": chat.tenant_id, "created_at": moment})
        for moment in moments
    )
    expected = sorted(made, key=lambda entry: (entry.created_at, entry.pk), reverse=True)
    page = desk.get(list_page(AuditEntry), {"workspace": chat.tenant.slug})
    seen = [*page.context["cl"].result_list]
    while link := page.context["cl"].older_link:
        page = desk.get(list_page(AuditEntry) + link)
        seen += page.context["cl"].result_list
    assert seen == expected


def test_nobody_sorts_a_list_by_a_column_without_an_index(desk: Client):
    chats = [ChatFactory(title=title) for title in "bac"]
    assert rows_of(desk, Chat, o="1") == chats[::-1]
    assert "?o=" not in desk.get(list_page(Chat)).content.decode()


def test_a_place_that_is_none_leads_back_to_the_list(desk: Client):
    answer = desk.get(list_page(Chat), {"p": "nonsense"})
    assert (answer.status_code, answer.url) == (302, f"{list_page(Chat)}?e=1")
    assert desk.get(answer.url).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_list_that_takes_too_long_is_stopped_and_says_how_to_narrow_it(
    desk: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(model_admins, "MAX_SECONDS", 0.2)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(f"BEGIN; LOCK TABLE {Chat._meta.db_table} IN ACCESS EXCLUSIVE MODE")
        page = desk.get(list_page(Chat))
    finally:
        other.close()
    assert page.status_code == 503
    assert "choose a workspace" in page.content.decode()
    assert desk.get(list_page(Chat)).status_code == 200


def test_popups_choose_a_row(desk: Client):
    initiative = InitiativeFactory()
    page = desk.get(list_page(Initiative), {"_popup": "1"}).content.decode()
    assert f'data-popup-opener="{initiative.pk}"' in page
    assert desk.get(list_page(Flow), {"_popup": "1"}).status_code == 200
