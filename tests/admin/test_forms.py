"""What can be added and changed in the admin, and what cannot however it is posted."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.forms.models import model_to_dict
from django.test import Client
from django.urls import reverse

from agents.models import Skill
from audit.models import AuditEntry
from flows.models import Flow
from flows.services import archive_flow
from tests.admin.asking import change_page, messages_of
from tests.admin.rows import MAKERS
from tests.factories.agents import ProfileFactory
from tests.factories.workspace import (
    InitiativeFactory,
    MembershipFactory,
    PlanFactory,
    TenantFactory,
    UserFactory,
)
from tests.flows.worlds import World
from workspace.actors import SYSTEM
from workspace.models import Initiative, Membership, Plan, Secret, Tenant, User
from workspace.sealing import unseal
from workspace.services import set_secret

pytestmark = pytest.mark.django_db

READ_ONLY = sorted(
    (model for model in MAKERS if not admin.site.get_model_admin(model).edit_fields),
    key=lambda model: model.__name__,
)
EDITABLE = {"Flow", "Initiative", "Membership", "Plan", "Profile", "Secret", "Skill", "Tenant", "User"}


def add(desk: Client, model: type[Model], **data: Any) -> Any:
    return desk.post(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add"), data)


def stored(row: Model) -> dict[str, Any]:
    return type(row)._default_manager.filter(pk=row.pk).values().get()


def test_only_rows_that_people_keep_by_hand_can_be_changed():
    assert {model.__name__ for model in MAKERS} - {model.__name__ for model in READ_ONLY} == EDITABLE


@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model.__name__)
def test_a_read_only_row_takes_no_post(desk: Client, model: type[Model]):
    row = MAKERS[model]()
    before = stored(row)
    posted = {
        **{name: str(value) for name, value in model_to_dict(row).items()},
        "status": "failed",
        "title": "x",
    }
    assert desk.post(change_page(row), posted).status_code == 403
    assert stored(row) == before


@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model.__name__)
def test_a_read_only_model_takes_no_new_row(desk: Client, model: type[Model]):
    assert desk.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")).status_code == 403
    assert add(desk, model, title="x").status_code == 403


def test_columns_outside_the_form_are_left_alone_however_they_are_posted(desk: Client):
    tenant = TenantFactory()
    data = {"name": "New name", "quiet_after_minutes": "45", "slug": "stolen", "suspended_at_0": "2026-01-01"}
    assert desk.post(change_page(tenant), data).status_code == 302
    tenant.refresh_from_db()
    assert (tenant.name, tenant.quiet_after_minutes) == ("New name", 45)
    assert tenant.slug != "stolen"
    assert tenant.suspended_at is None
    entry = AuditEntry.objects.for_tenant(tenant.pk).get()
    assert entry.action == "change_tenant"
    assert entry.changes["quiet_after_minutes"] == [30, 45]


def test_a_workspace_is_added_with_its_first_admin(desk: Client):
    owner = UserFactory()
    assert add(desk, Tenant, slug="acme", name="Acme", owner=owner.pk).status_code == 302
    assert Membership.objects.get(tenant__slug="acme").user == owner
    taken = add(desk, Tenant, slug="acme", name="Other", owner=owner.pk)
    assert taken.status_code == 200
    assert "already exists" in taken.content.decode()


def test_a_membership_is_added_and_changes_its_role_on_record(desk: Client):
    tenant, user = TenantFactory(), UserFactory()
    MembershipFactory(tenant=tenant, admin=True)
    add(desk, Membership, workspace=tenant.pk, user=user.pk, role="member")
    seat = Membership.objects.get(user=user)
    assert desk.post(change_page(seat), {"role": "viewer"}).status_code == 302
    seat.refresh_from_db()
    assert seat.role == "viewer"
    changes = [entry.changes for entry in AuditEntry.objects.for_tenant(tenant.pk).order_by("id")]
    assert changes == [{"role": [None, "member"]}, {"role": ["member", "viewer"]}]


def test_what_a_service_refuses_is_a_message_on_the_form(desk: Client):
    seat = MembershipFactory(admin=True)
    answer = desk.post(change_page(seat), {"role": "viewer"})
    assert (answer.status_code, answer.url) == (302, change_page(seat))
    assert "last admin" in messages_of(answer)[0]
    seat.refresh_from_db()
    assert seat.role == "admin"


def test_a_skill_is_added_and_changed_on_record(desk: Client):
    tenant = TenantFactory()
    add(desk, Skill, workspace=tenant.pk, name="Review", runtime="model", body="Look at the diff.")
    skill = Skill.objects.get()
    assert skill.tenant == tenant
    posted = {"name": "Review", "runtime": "model", "body": "Look at the tests.", "description": ""}
    assert desk.post(change_page(skill), posted).status_code == 302
    entries = AuditEntry.objects.for_tenant(tenant.pk).order_by("id")
    assert [entry.action for entry in entries] == ["create_skill", "change_skill"]
    assert entries[1].changes == {"body": ["Look at the diff.", "Look at the tests."]}
    assert Skill.objects.get().version == 2


def test_a_skill_that_a_flow_does_not_fit_any_more_is_refused_at_its_body(desk: Client):
    world = World()
    posted = {"name": "Ship", "runtime": "model", "body": "Ship\nto {{ params.place }}", "description": ""}
    answer = desk.post(change_page(world.skill), posted)
    assert answer.status_code == 200
    errors = answer.context["adminform"].form.errors
    assert "line 2: there is no parameter “place” in the step “build” of the flow “Release”" in errors["body"]
    assert Skill.objects.get().body == "make ship"
    archive_flow(tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=SYSTEM)
    assert desk.post(change_page(world.skill), posted).status_code == 302
    assert Skill.objects.get().runtime == "model"


def test_a_form_saved_unchanged_leaves_no_entry(desk: Client):
    profile = ProfileFactory(sandbox="docker")
    posted = {"name": profile.name, "runtime": profile.runtime, "sandbox": "docker", "env_secret_names": ""}
    assert desk.post(change_page(profile), posted).status_code == 302
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("model", [Initiative, Plan])
def test_a_name_that_the_workspace_has_already_is_refused_beside_the_form(desk: Client, model: type[Model]):
    tenant = TenantFactory()
    factory = InitiativeFactory if model is Initiative else PlanFactory
    factory(tenant=tenant, name="Payments")
    page = add(desk, model, workspace=tenant.pk, name="payments")
    assert page.status_code == 200
    assert page.context["errors"]
    assert add(desk, model, workspace=TenantFactory().pk, name="payments").status_code == 302


def test_a_plan_cannot_be_put_under_an_initiative_of_another_workspace(desk: Client):
    plan, theirs = PlanFactory(), InitiativeFactory()
    answer = desk.post(change_page(plan), {"name": plan.name, "initiative": theirs.pk, "body": ""})
    assert "another workspace" in messages_of(answer)[0]
    plan.refresh_from_db()
    assert plan.initiative is None


def test_a_known_secret_typed_into_a_form_is_stored_as_its_name(desk: Client):
    tenant, value = TenantFactory(), uuid.uuid4().hex
    set_secret(tenant_id=tenant.pk, name="API_KEY", value=value, actor=SYSTEM)
    add(desk, Initiative, workspace=tenant.pk, name="Payments", summary=f"use {value}")
    initiative = Initiative.objects.get()
    assert value not in initiative.summary
    assert (
        desk.post(change_page(initiative), {"name": "Payments", "summary": f"not {value}"}).status_code == 302
    )
    initiative.refresh_from_db()
    assert initiative.summary.startswith("not ")
    assert value not in initiative.summary + str(list(AuditEntry.objects.values_list("changes")))


def test_a_secret_goes_in_and_never_comes_out(desk: Client):
    tenant, first, second = TenantFactory(), uuid.uuid4().hex, uuid.uuid4().hex
    assert add(desk, Secret, workspace=tenant.pk, name="API_KEY", value=first).status_code == 302
    secret = Secret.objects.get()
    page = desk.get(change_page(secret)).content.decode()
    assert first not in page
    assert bytes(secret.sealed).hex() not in page
    assert desk.post(change_page(secret), {"value": second, "name": "OTHER"}).status_code == 302
    secret.refresh_from_db()
    assert secret.name == "API_KEY"
    opened = unseal(bytes(secret.sealed), key_id=secret.key_id, tenant_id=tenant.pk, name="API_KEY")
    assert opened == second
    refused = desk.post(change_page(secret), {"value": "short"})
    assert refused.status_code == 200
    assert first not in str(list(AuditEntry.objects.values()))


def test_a_refused_secret_is_not_sent_back(desk: Client):
    value = "zq" + uuid.uuid4().hex
    page = add(desk, Secret, workspace=TenantFactory().pk, name="no name", value=value)
    assert page.status_code == 200
    assert value not in page.content.decode()
    assert not Secret.objects.exists()


def test_workspaces_and_people_are_offered_by_what_is_typed(desk: Client):
    acme = TenantFactory(name="Acme Rockets")
    TenantFactory(name="Globex")
    UserFactory(email="wile@example.com", name="Wile E.")
    field = {"app_label": "workspace", "model_name": "membership"}
    found = desk.get(
        reverse("admin:autocomplete"), {**field, "field_name": "tenant", "term": "rocket"}
    ).json()
    assert found == {"results": [{"id": str(acme.pk), "text": "Acme Rockets"}], "pagination": {"more": False}}
    found = desk.get(reverse("admin:autocomplete"), {**field, "field_name": "user", "term": "wile@"}).json()
    assert [result["text"] for result in found["results"]] == ["Wile E."]


def test_the_offer_goes_on_page_by_page(desk: Client):
    TenantFactory.create_batch(25)
    params = {"app_label": "workspace", "model_name": "membership", "field_name": "tenant", "term": ""}
    pages = [desk.get(reverse("admin:autocomplete"), {**params, "page": number}).json() for number in (1, 2)]
    assert [len(page["results"]) for page in pages] == [20, 5]
    assert [page["pagination"]["more"] for page in pages] == [True, False]


def test_superusers_are_not_made_by_the_form_for_people(desk: Client):
    data = {"email": "new@example.com", "name": "", "is_superuser": "on", "is_staff": "on"}
    desk.post(reverse("admin:workspace_user_add"), data)
    assert not User.objects.get(email="new@example.com").is_superuser


FLOW_FILE = """\
name: Nightly
steps:
- name: build
  skill: Build
skills:
  Build: {runtime: shell, body: make}
"""


def test_a_flow_is_made_and_changed_as_its_file(desk: Client):
    tenant = TenantFactory()
    add(desk, Flow, workspace=tenant.pk, file=FLOW_FILE)
    flow = Flow.objects.get()
    assert (flow.tenant_id, flow.name, flow.steps.get().name) == (tenant.pk, "Nightly", "build")
    shown = desk.get(change_page(flow)).context["adminform"].form.initial["file"]
    assert shown.startswith("name: Nightly\n")
    desk.post(change_page(flow), {"file": shown})
    flow.refresh_from_db()
    assert flow.version == 1
    desk.post(change_page(flow), {"file": shown.replace("name: Nightly", "name: Weekly"), "version": "9"})
    flow.refresh_from_db()
    assert (flow.name, flow.version) == ("Weekly", 2)
    entry = AuditEntry.objects.get(action="update_flow")
    assert entry.actor_name != "system"


def test_a_wrong_file_of_a_flow_is_refused_with_its_lines(desk: Client):
    tenant = TenantFactory()
    answer = add(desk, Flow, workspace=tenant.pk, file=FLOW_FILE.replace("skill: Build", "skil: Build"))
    told = answer.context["adminform"].form.errors["file"]
    assert told == [
        "line 3: steps[0].skill: “skill” is missing",
        "line 4: steps[0].skil: there is no “skil” here; did you mean “skill”?",
        "line 6: skills.Build: no step uses this skill",
    ]
    assert not Flow.objects.exists()
    assert not Skill.objects.exists()


def test_a_flow_that_is_there_is_not_added_again(desk: Client):
    tenant = TenantFactory()
    for _ in range(2):
        answer = add(desk, Flow, workspace=tenant.pk, file=FLOW_FILE)
    assert "already" in str(answer.context["adminform"].form.errors["file"])
    assert Flow.objects.get().version == 1
