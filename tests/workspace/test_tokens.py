"""API tokens: made once, good for what they say, worthless the moment that somebody says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry
from audit.redactors import redactor_for
from sessions_app.kinds import IllegalMove
from tests.factories.workspace import MembershipFactory
from workspace.accounts import deactivate_user
from workspace.actors import SYSTEM, Actor
from workspace.models import ApiToken, Membership, Role
from workspace.services import remove_member, set_member_role, suspend_tenant
from workspace.tokens import (
    Scope,
    create_token,
    find_bearer,
    is_well_formed,
    make_text,
    revoke_token,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ALL = [scope.value for scope in Scope]


@pytest.fixture
def seat() -> Membership:
    return MembershipFactory()


def make(seat: Membership, **given) -> tuple[ApiToken, str]:
    given = {"name": "CI", "scopes": ALL, "actor": Actor.member(seat.user), "now": NOW, **given}
    return create_token(tenant_id=seat.tenant_id, owner=seat, **given)


def test_a_token_lets_its_member_in_with_its_scopes(seat) -> None:
    token, text = make(seat, scopes=["flows:read"])
    bearer = find_bearer(text, now=NOW)
    assert bearer is not None
    assert (bearer.seat.user, bearer.seat.tenant) == (seat.user, seat.tenant)
    assert bearer.scopes == {"flows:read"}
    assert token.expires_at == NOW + timedelta(days=90)


def test_only_its_hash_is_kept(seat) -> None:
    token, text = make(seat)
    assert text not in str(ApiToken.objects.values().get())
    assert text.startswith(token.prefix)
    assert text not in str(list(AuditEntry.objects.values()))
    assert AuditEntry.objects.get(action="create_token").object_id == token.pk


def test_a_wrong_paste_asks_the_database_nothing(seat, django_assert_num_queries) -> None:
    _, text = make(seat)
    other = "0" if text[20] != "0" else "1"
    wrong = [
        "",
        "sess_",
        text[:-1],
        f"{text}0",
        text.swapcase(),
        f"{text[:20]}{other}{text[21:]}",
        f" {text}",
    ]
    with django_assert_num_queries(0):
        assert [find_bearer(one, now=NOW) for one in wrong] == [None] * len(wrong)
    assert is_well_formed(make_text())


def test_a_well_formed_token_of_nobody_lets_nobody_in(seat) -> None:
    make(seat)
    assert find_bearer(make_text(), now=NOW) is None


def test_a_token_expires(seat) -> None:
    _, text = make(seat, days=1)
    assert find_bearer(text, now=NOW + timedelta(hours=23)) is not None
    assert find_bearer(text, now=NOW + timedelta(days=1)) is None


def test_a_revoked_token_is_worthless_at_once(seat) -> None:
    token, text = make(seat)
    revoke_token(tenant_id=seat.tenant_id, token_id=token.pk, actor=SYSTEM)
    assert find_bearer(text, now=NOW) is None
    with pytest.raises(IllegalMove):
        revoke_token(tenant_id=seat.tenant_id, token_id=token.pk, actor=SYSTEM)
    assert AuditEntry.objects.filter(action="revoke_token").count() == 1


def test_whoever_leaves_loses_their_tokens_for_good(seat) -> None:
    MembershipFactory(tenant=seat.tenant, admin=True)
    _, text = make(seat)
    remove_member(tenant_id=seat.tenant_id, user=seat.user, actor=SYSTEM)
    assert find_bearer(text, now=NOW) is None
    set_member_role(tenant_id=seat.tenant_id, user=seat.user, role=Role.ADMIN, actor=SYSTEM)
    assert find_bearer(text, now=NOW) is None


def test_whoever_may_do_less_loses_their_tokens_and_who_may_do_more_keeps_them(seat) -> None:
    MembershipFactory(tenant=seat.tenant, admin=True)
    _, text = make(seat)
    set_member_role(tenant_id=seat.tenant_id, user=seat.user, role=Role.ADMIN, actor=SYSTEM)
    assert find_bearer(text, now=NOW) is not None
    set_member_role(tenant_id=seat.tenant_id, user=seat.user, role=Role.MEMBER, actor=SYSTEM)
    assert find_bearer(text, now=NOW) is None


def test_tokens_of_a_member_in_another_workspace_stay(seat) -> None:
    MembershipFactory(tenant=seat.tenant, admin=True)
    elsewhere = MembershipFactory(user=seat.user)
    _, text = make(elsewhere)
    remove_member(tenant_id=seat.tenant_id, user=seat.user, actor=SYSTEM)
    assert find_bearer(text, now=NOW) is not None


def test_nobody_gets_into_a_suspended_workspace_or_with_a_shut_account(seat) -> None:
    _, text = make(seat)
    other = MembershipFactory()
    _, others = make(other)
    suspend_tenant(tenant_id=seat.tenant_id, actor=SYSTEM)
    deactivate_user(user_id=other.user_id, actor=SYSTEM)
    assert find_bearer(text, now=NOW) is None
    assert find_bearer(others, now=NOW) is None


def test_the_last_use_is_noted_once_in_a_minute(seat, django_assert_num_queries) -> None:
    token, text = make(seat)
    find_bearer(text, now=NOW)
    with django_assert_num_queries(2):
        find_bearer(text, now=NOW + timedelta(seconds=50))
    token.refresh_from_db()
    assert token.last_used_at == NOW
    find_bearer(text, now=NOW + timedelta(seconds=70))
    token.refresh_from_db()
    assert token.last_used_at == NOW + timedelta(seconds=70)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": " "}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["flows:read", "everything"]}, "scopes"),
        ({"days": 0}, "days"),
        ({"days": 366}, "days"),
    ],
)
def test_what_is_wrong_with_a_token_is_told_by_field(seat, given, field) -> None:
    with pytest.raises(ValidationError) as refused:
        make(seat, **given)
    assert list(refused.value.message_dict) == [field]


def test_a_viewers_token_only_reads(seat) -> None:
    viewer = MembershipFactory(viewer=True)
    with pytest.raises(ValidationError, match="alone"):
        make(viewer)
    assert make(viewer, scopes=["flows:read"])[0].scopes == ["flows:read"]


def test_our_own_tokens_are_redacted(seat) -> None:
    _, text = make(seat)
    done = redactor_for(seat.tenant_id).redact_text(f"curl -H 'Authorization: Bearer {text}' https://x")
    assert text not in done.text
    assert [found.name for found in done.findings] == ["sessions-token"]


def test_the_page_shows_a_token_once(seat) -> None:
    client = Client()
    client.force_login(seat.user)
    url = reverse("workspace:token-create", args=[seat.tenant.slug])
    made = client.post(url, {"name": "CI", "scopes": ["flows:read", "flows:run"], "days": 30})
    assert made.status_code == 201
    assert "no-store" in made.headers["Cache-Control"]
    text = made.context["text"]
    assert text in made.content.decode()
    assert find_bearer(text, now=datetime.now(UTC)) is not None
    page = client.get(reverse("workspace:token-list", args=[seat.tenant.slug])).content.decode()
    assert text not in page
    assert text[:11] in page


def test_members_see_their_own_tokens_and_admins_everybodys(seat) -> None:
    admin = MembershipFactory(tenant=seat.tenant, admin=True)
    token, _ = make(admin)
    client, url = Client(), reverse("workspace:token-list", args=[seat.tenant.slug])
    client.force_login(seat.user)
    assert token.prefix not in client.get(url).content.decode()
    own, _ = make(seat)
    client.force_login(admin.user)
    page = client.get(url).content.decode()
    assert own.prefix in page
    client.post(reverse("workspace:token-revoke", args=[seat.tenant.slug, own.pk]))
    own.refresh_from_db()
    assert own.revoked_at is not None
