"""Who gets into the admin: superusers, and nobody else."""

from __future__ import annotations

import uuid

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from tests.factories.workspace import MembershipFactory, UserFactory
from workspace.models import User
from workspace.services import create_user

pytestmark = pytest.mark.django_db

PAGES = ["admin:index", "admin:workspace_tenant_changelist", "admin:audit_auditentry_changelist"]


def seat_of(name: str) -> User | None:
    seats = {
        "nobody": lambda: None,
        "a member": lambda: MembershipFactory().user,
        "a workspace's admin": lambda: MembershipFactory(admin=True).user,
        "staff": lambda: UserFactory(is_staff=True),
        "a superuser who is deactivated": lambda: UserFactory(superuser=True, is_active=False),
    }
    return seats[name]()


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "seat", ["nobody", "a member", "a workspace's admin", "staff", "a superuser who is deactivated"]
)
def test_whoever_is_no_operator_is_sent_to_the_sign_in_form(client: Client, page: str, seat: str):
    person = seat_of(seat)
    if person is not None:
        client.force_login(person)
    answer = client.get(reverse(page))
    assert answer.status_code == 302
    assert answer.url.startswith(reverse("admin:login"))


def test_every_address_of_the_admin_is_shut_to_staff(client: Client):
    client.force_login(UserFactory(is_staff=True))
    for model, model_admin in admin.site._registry.items():
        for pattern in model_admin.get_urls():
            args = [uuid.uuid4()] if "<" in str(pattern.pattern) else []
            if pattern.name is None:
                continue
            answer = client.get(reverse(f"admin:{pattern.name}", args=args))
            assert (answer.status_code, answer.url.split("?")[0]) == (302, reverse("admin:login")), model


def test_an_operator_signs_in_with_address_and_password(client: Client):
    password = uuid.uuid4().hex
    User.objects.create_superuser("operator@example.com", password)
    answer = client.post(
        reverse("admin:login"),
        {"username": "Operator@Example.com", "password": password, "next": reverse("admin:index")},
    )
    assert (answer.status_code, answer.url) == (302, reverse("admin:index"))
    assert client.get(reverse("admin:index")).status_code == 200


@pytest.mark.parametrize("fields", [{}, {"is_staff": True}])
def test_others_are_refused_with_the_words_of_a_wrong_password(client: Client, fields: dict[str, bool]):
    password = uuid.uuid4().hex
    user = create_user(email="person@example.com", password=password)
    User.objects.filter(pk=user.pk).update(**fields)
    pages = [
        client.post(reverse("admin:login"), {"username": user.email, "password": attempt})
        for attempt in (password, "something else")
    ]
    assert [page.status_code for page in pages] == [200, 200]
    for page in pages:
        assert "do not belong to an operator" in page.content.decode()
    assert "_auth_user_id" not in client.session


def test_a_link_of_the_product_leads_an_operator_in_too(desk: Client):
    assert desk.get(reverse("admin:index")).status_code == 200


def test_groups_are_not_offered_as_nothing_reads_them(desk: Client):
    assert "/admin/auth/" not in desk.get(reverse("admin:index")).content.decode()
