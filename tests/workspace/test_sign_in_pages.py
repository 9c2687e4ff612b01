from __future__ import annotations

import io
import json
import re

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from tests.factories.workspace import MembershipFactory, UserFactory
from workspace.models import SignInLink
from workspace.services import create_sign_in_link

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    member = MembershipFactory(tenant__slug="acme", user__email="ada@example.com")
    member.user.set_password("correct horse battery")
    member.user.save()
    return member.user


def test_opening_a_link_uses_nothing_up_and_the_button_signs_in(client: Client, user):
    address = f"/sign-in/{create_sign_in_link(email=user.email)}/"
    for _ in range(2):
        assert "button" in client.get(address).content.decode()
        assert client.head(address).status_code == 200
    assert SignInLink.objects.get().used_at is None
    response = client.post(address, follow=True)
    assert response.redirect_chain[-1][0] == "/w/acme/sessions/"
    assert response.wsgi_request.user == user


def test_a_used_link_says_what_to_do(user):
    address = f"/sign-in/{create_sign_in_link(email=user.email)}/"
    Client().post(address)
    response = Client().post(address)
    assert response.status_code == 410
    assert "manage.py sign_in_link" in response.content.decode()


def test_a_link_is_posted_from_our_own_page_only(user):
    address = f"/sign-in/{create_sign_in_link(email=user.email)}/"
    assert Client(enforce_csrf_checks=True).post(address).status_code == 403
    assert SignInLink.objects.get().used_at is None


def test_a_password_signs_in_and_a_wrong_one_says_the_same_as_a_wrong_address(client: Client, user):
    errors = set()
    for email, password in ((user.email, "wrong"), ("nobody@example.com", "wrong")):
        response = client.post("/sign-in/", {"username": email, "password": password})
        assert response.status_code == 422
        errors.add(re.sub(r'value="[^"]*"', "", response.content.decode()).count("do not belong together"))
    assert errors == {1}
    response = client.post("/sign-in/", {"username": "Ada@Example.com", "password": "correct horse battery"})
    assert response.status_code == 302


@pytest.mark.parametrize(
    ("wanted", "leads_to"),
    [
        ("/w/acme/plans/", "/w/acme/plans/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_signing_in_leads_back_to_our_own_pages_only(client: Client, user, wanted, leads_to):
    data = {"username": user.email, "password": "correct horse battery", "next": wanted}
    assert client.post("/sign-in/", data).headers["Location"] == leads_to


def test_signing_out_takes_a_post(client: Client, user):
    client.force_login(user)
    assert client.get("/sign-out/").status_code == 405
    client.post("/sign-out/")
    assert client.get("/w/acme/sessions/").status_code == 302


def test_home_leads_to_the_only_workspace_and_lets_choose_among_several(client: Client, user):
    client.force_login(user)
    assert client.get("/").headers["Location"] == "/w/acme/sessions/"
    MembershipFactory(user=user, tenant__slug="beta", tenant__name="Beta")
    page = client.get("/").content.decode()
    assert "/w/acme/sessions/" in page
    assert "/w/beta/sessions/" in page


def test_somebody_without_a_workspace_is_told_what_to_do(client: Client):
    client.force_login(UserFactory())
    assert "No workspace yet" in client.get("/").content.decode()


def test_the_command_prints_a_link_that_works(client: Client, user):
    out = io.StringIO()
    call_command("sign_in_link", "ada@example.com", stdout=out)
    found = re.match(r"Sign in: https?://[^/]+(/sign-in/[\w-]+/)\n", out.getvalue())
    assert found is not None
    assert client.post(found[1]).status_code == 302
    out = io.StringIO()
    call_command("sign_in_link", "ada@example.com", "--json", stdout=out)
    assert json.loads(out.getvalue())["valid_minutes"] == 10


def test_the_command_refuses_a_stranger(user):
    with pytest.raises(CommandError, match=r"nobody@example\.com"):
        call_command("sign_in_link", "nobody@example.com")
