"""Actions of the admin go through services: on record, refused where the service refuses."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from audit.models import AuditEntry
from flows.models import FlowRun
from tests.admin.asking import change_page, list_page, messages_of, run_action
from tests.admin.rows import make_staged_file, make_token
from tests.factories.agents import ProfileFactory, SkillFactory
from tests.factories.chats import ChatFactory
from tests.factories.flows import FlowFactory, FlowRunFactory
from tests.factories.tasks import BackgroundTaskFactory, ChildTaskFactory
from tests.factories.workspace import MembershipFactory, TenantFactory
from workspace.models import Membership, User
from workspace.operating.actions import MAX_ROWS

pytestmark = pytest.mark.django_db

#: A row, the action, and what the row says afterwards.
MOVES: list[tuple[Any, dict[str, Any], str, dict[str, Any]]] = [
    (FlowRunFactory, {"paused": True}, "cancel", {"status": "cancelled"}),
    (FlowRunFactory, {"blocked": True}, "resume", {"status": "running"}),
    (FlowRunFactory, {"failed": True}, "retry", {"status": "running"}),
    (BackgroundTaskFactory, {"running": True}, "cancel", {"status": "cancelled"}),
    (BackgroundTaskFactory, {"failed": True}, "retry", {"status": "queued"}),
    (BackgroundTaskFactory, {"completed": True}, "dismiss", {"status": "dismissed"}),
    (ChatFactory, {}, "end", {"status": "ended"}),
    (ChatFactory, {"ended": True}, "resume", {"status": "idle"}),
]
IDS = [f"{factory._meta.model.__name__} {action}" for factory, _, action, _ in MOVES]


@pytest.mark.parametrize(("factory", "fields", "action", "after"), MOVES, ids=IDS)
def test_an_action_moves_the_work_and_names_the_operator(
    desk: Client,
    operator: User,
    factory: Any,
    fields: dict[str, Any],
    action: str,
    after: dict[str, Any],
):
    row = factory(**fields)
    answer = run_action(desk, [row], action)
    row.refresh_from_db()
    assert {name: getattr(row, name) for name in after} == after
    entry = AuditEntry.objects.for_tenant(row.tenant_id).filter(object_id=row.pk).latest("id")
    assert (entry.actor_id, entry.action) == (operator.pk, action)
    assert any("done for 1" in message for message in messages_of(answer))


@pytest.mark.parametrize(("factory", "fields", "action", "after"), MOVES, ids=IDS)
def test_an_action_runs_from_the_page_of_the_row_too(
    desk: Client, factory: Any, fields: dict[str, Any], action: str, after: dict[str, Any]
):
    row = factory(**fields)
    data = {"CHANGE_FORM-action": action, "_selected_action": str(row.pk), "confirmed": "yes"}
    assert desk.post(change_page(row), data).status_code == 302
    row.refresh_from_db()
    assert {name: getattr(row, name) for name in after} == after


def test_an_illegal_move_is_a_message_and_changes_nothing(desk: Client):
    done, open_run = FlowRunFactory(completed=True), FlowRunFactory(running=True)
    answer = run_action(desk, [done, open_run], "cancel")
    assert answer.status_code == 302
    refused, went = sorted(messages_of(answer), key=lambda text: "done for" in text)
    assert "is completed: cancel is not possible" in refused
    assert "done for 1 flow run" in went
    assert FlowRun.objects.get(pk=done.pk).version == done.version
    assert FlowRun.objects.get(pk=open_run.pk).status == "cancelled"


def test_an_illegal_move_on_the_page_of_the_row_is_a_message_too(desk: Client):
    chat = ChatFactory(ended=True)
    data = {"CHANGE_FORM-action": "end", "_selected_action": str(chat.pk), "confirmed": "yes"}
    answer = desk.post(change_page(chat), data)
    assert answer.status_code == 302
    assert "is ended: end is not possible" in messages_of(answer)[0]


@pytest.mark.parametrize("where", ["list", "page"])
def test_what_cannot_be_undone_is_asked_about_first(desk: Client, where: str):
    chat = ChatFactory(title="Deploy on Friday")
    name = "action" if where == "list" else "CHANGE_FORM-action"
    url = list_page(type(chat)) if where == "list" else change_page(chat)
    question = desk.post(url, {name: "end", "_selected_action": [str(chat.pk)], "index": "0"})
    assert question.status_code == 200
    text = question.content.decode()
    assert "Deploy on Friday" in text
    assert "Nobody can write in an ended chat" in text
    chat.refresh_from_db()
    assert chat.status == "idle"
    fields = {**question.context["action_fields"], "_selected_action": str(chat.pk), "confirmed": "yes"}
    assert desk.post(url, fields).status_code == 302
    chat.refresh_from_db()
    assert chat.status == "ended"


def test_cancelling_a_parent_takes_its_children_along(desk: Client):
    parent = BackgroundTaskFactory(waiting_children=True, child_count=1)
    child = ChildTaskFactory(parent=parent, running=True)
    run_action(desk, [parent], "cancel")
    child.refresh_from_db()
    assert child.status == "cancelled"


def test_more_rows_than_a_request_can_carry_are_refused(desk: Client):
    tenant = TenantFactory()
    chats = ChatFactory.create_batch(MAX_ROWS + 1, tenant=tenant, owner=MembershipFactory(tenant=tenant).user)
    answer = run_action(desk, chats, "end")
    assert messages_of(answer) == [f"Choose at most {MAX_ROWS} rows at once."]
    assert not AuditEntry.objects.for_tenant(tenant.pk).exists()


def test_a_workspace_is_suspended_and_opened_again(desk: Client, operator: User):
    seat = MembershipFactory()
    member = Client()
    member.force_login(seat.user)
    page = f"/w/{seat.tenant.slug}/sessions/"
    before = member.get(page).status_code
    run_action(desk, [seat.tenant], "suspend")
    assert member.get(page).status_code == 404
    run_action(desk, [seat.tenant], "lift_suspension")
    assert member.get(page).status_code == before
    entries = AuditEntry.objects.for_tenant(seat.tenant_id).filter(actor=operator).order_by("id")
    assert [entry.action for entry in entries] == ["suspend_tenant", "lift_suspension"]


def test_a_token_is_revoked_once(desk: Client):
    token = make_token()
    run_action(desk, [token], "revoke")
    token.refresh_from_db()
    revoked_at = token.revoked_at
    assert revoked_at is not None
    assert "is revoked" in messages_of(run_action(desk, [token], "revoke"))[-1]
    token.refresh_from_db()
    assert token.revoked_at == revoked_at


def test_a_member_is_removed_but_not_the_last_admin(desk: Client):
    admin = MembershipFactory(admin=True)
    member = MembershipFactory(tenant=admin.tenant)
    answer = run_action(desk, [admin, member], "remove")
    assert list(Membership.objects.for_tenant(admin.tenant_id)) == [admin]
    assert any("last admin" in message for message in messages_of(answer))


def test_what_was_set_aside_is_tried_again_or_deleted(desk: Client):
    file = make_staged_file()
    type(file).objects.update(state="dead", tries=3, reason="the worker was lost")
    run_action(desk, [file], "retry")
    file.refresh_from_db()
    assert (file.state, file.tries, file.reason) == ("waiting", 0, "")
    asked = {"action": "delete_file", "_selected_action": str(file.pk)}
    assert "must send it again" in desk.post(list_page(type(file)), asked).content.decode()
    assert type(file).objects.exists()
    run_action(desk, [file], "delete_file")
    assert not type(file).objects.exists()


@pytest.mark.parametrize("factory", [FlowFactory, SkillFactory, ProfileFactory])
def test_what_runs_are_made_of_is_archived_and_restored(desk: Client, factory: Any):
    row = factory()
    run_action(desk, [row], "archive")
    row.refresh_from_db()
    assert row.archived_at is not None
    run_action(desk, [row], "restore")
    row.refresh_from_db()
    assert row.archived_at is None


def test_what_an_operator_did_is_in_the_history_of_the_row(desk: Client, operator: User):
    chat = ChatFactory()
    run_action(desk, [chat], "end")
    logged = LogEntry.objects.get()
    assert (logged.user, logged.object_id) == (operator, str(chat.pk))
    history = desk.get(change_page(chat).replace("change", "history"))
    assert "End" in history.content.decode()
