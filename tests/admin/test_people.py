"""What operators do to people's accounts."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry
from tests.admin.asking import change_page, messages_of, run_action
from tests.factories.workspace import MembershipFactory, UserFactory
from workspace import accounts
from workspace.actors import SYSTEM
from workspace.models import SignInLink, User

pytestmark = pytest.mark.django_db


def ask_for_link(desk: Client, user: User):
    data = {"CHANGE_FORM-action": "sign_in_link", "_selected_action": str(user.pk)}
    return desk.post(change_page(user), data)


def actions_on_record(user: User) -> list[str]:
    entries = AuditEntry.objects.filter(object_kind="user", object_id=user.pk).order_by("id")
    return [entry.action for entry in entries]


def test_a_sign_in_link_is_shown_once_and_works_once(desk: Client):
    seat = MembershipFactory()
    page = ask_for_link(desk, seat.user)
    assert page.status_code == 200
    assert "no-store" in page.headers["Cache-Control"]
    link = page.context["link"]
    assert link in page.content.decode()
    visitor = Client()
    assert visitor.post(link).status_code == 302
    assert visitor.session["_auth_user_id"] == str(seat.user.pk)
    assert Client().post(link).status_code == 410
    assert actions_on_record(seat.user) == ["hand_out_sign_in_link"]


def test_the_link_is_kept_nowhere(desk: Client):
    user = UserFactory()
    token = ask_for_link(desk, user).context["link"].rstrip("/").rpartition("/")[2]
    kept = SignInLink.objects.get(user=user)
    assert token not in {kept.token_hash, str(kept.pk)}
    for page in (change_page(user), change_page(kept), reverse("admin:index")):
        assert token not in desk.get(page).content.decode()
    assert token not in str(dict(desk.session)) + str(desk.cookies)


def test_the_link_is_no_action_on_lists(desk: Client):
    user = UserFactory()
    run_action(desk, [user], "sign_in_link")
    assert not SignInLink.objects.exists()


def test_a_deactivated_person_gets_no_link(desk: Client):
    user = UserFactory(is_active=False)
    answer = ask_for_link(desk, user)
    assert answer.status_code == 302
    assert "is inactive" in messages_of(answer)[0]
    assert not SignInLink.objects.exists()


def test_deactivating_shuts_a_person_out_at_once_and_is_on_record_in_their_workspaces(desk: Client):
    seat = MembershipFactory()
    other = MembershipFactory(user=seat.user)
    member = Client()
    member.force_login(seat.user)
    run_action(desk, [seat.user], "deactivate")
    assert member.get("/").url.startswith("/sign-in/")
    for tenant in (seat.tenant, other.tenant):
        entry = AuditEntry.objects.for_tenant(tenant.pk).get()
        assert (entry.action, entry.changes) == ("deactivate_user", {"is_active": [True, False]})
    run_action(desk, [seat.user], "reactivate")
    seat.user.refresh_from_db()
    assert seat.user.is_active


def test_the_last_operator_cannot_be_lost(desk: Client, operator: User):
    for action in ("deactivate", "take_operator_access"):
        answer = run_action(desk, [operator], action)
        assert "last operator" in messages_of(answer)[0]
    operator.refresh_from_db()
    assert operator.is_active
    assert operator.is_superuser


def test_operators_make_operators(desk: Client, operator: User):
    user = UserFactory()
    client = Client()
    client.force_login(user)
    run_action(desk, [user], "make_operator")
    assert client.get(reverse("admin:index")).status_code == 200
    run_action(desk, [operator], "take_operator_access")
    assert desk.get(reverse("admin:index")).status_code == 302


def test_an_operator_who_is_deactivated_does_not_count_as_one(desk: Client, operator: User):
    UserFactory(superuser=True, is_active=False)
    with pytest.raises(ValidationError, match="last operator"):
        accounts.take_operator_access(user_id=operator.pk, actor=SYSTEM)


def test_a_password_is_set_and_taken_away_again(desk: Client):
    seat = MembershipFactory()
    user, password = seat.user, uuid.uuid4().hex
    page = reverse("admin:workspace_user_password", args=[user.pk])
    assert desk.get(page).status_code == 200
    wrong = desk.post(page, {"password1": password, "password2": "other", "usable_password": "true"})
    assert wrong.status_code == 200
    assert authenticate(username=user.email, password=password) is None
    desk.post(page, {"password1": password, "password2": password, "usable_password": "true"})
    assert authenticate(username=user.email, password=password) == user
    desk.post(page, {"usable_password": "false", "unset-password": "1"})
    assert authenticate(username=user.email, password=password) is None
    assert actions_on_record(user) == ["set_password", "remove_password"]
    assert password not in str(list(AuditEntry.objects.values()))


def test_operators_who_change_their_own_password_stay_signed_in(desk: Client, operator: User):
    password = uuid.uuid4().hex
    page = reverse("admin:workspace_user_password", args=[operator.pk])
    desk.post(page, {"password1": password, "password2": password, "usable_password": "true"})
    assert desk.get(reverse("admin:index")).status_code == 200


def test_the_hash_of_a_password_is_shown_nowhere(desk: Client):
    user = UserFactory(password="pbkdf2_sha256$100$salt$" + "h" * 20)
    page = desk.get(change_page(user)).content.decode()
    assert "h" * 20 not in page
    assert "pbkdf2" not in page


def test_a_person_is_added_with_an_address_in_lower_case(desk: Client):
    desk.post(reverse("admin:workspace_user_add"), {"email": "New.Person@Example.com", "name": "New"})
    made = User.objects.get(email="new.person@example.com")
    assert not made.has_usable_password()
    assert not made.is_superuser


def test_an_address_that_is_taken_is_refused_in_any_case(desk: Client):
    UserFactory(email="taken@example.com")
    page = desk.post(reverse("admin:workspace_user_add"), {"email": "Taken@Example.com", "name": ""})
    assert page.status_code == 200
    assert "already exists" in page.content.decode()


def test_a_changed_account_is_on_record_and_takes_no_rank_from_the_form(desk: Client):
    seat = MembershipFactory()
    data = {
        "email": seat.user.email,
        "name": "Ada",
        "time_zone": "UTC",
        "is_superuser": "on",
        "password": "x",
    }
    assert desk.post(change_page(seat.user), data).status_code == 302
    user = User.objects.get(pk=seat.user.pk)
    assert (user.name, user.is_superuser, user.password) == ("Ada", False, seat.user.password)
    entry = AuditEntry.objects.for_tenant(seat.tenant_id).get()
    assert entry.changes == {"name": [seat.user.name, "Ada"]}
