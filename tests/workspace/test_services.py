from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from audit.models import AuditEntry
from tests.factories.workspace import TenantFactory, UserFactory
from workspace.actors import SYSTEM, Actor
from workspace.models import Membership, Secret, SignInLink, User
from workspace.sealing import Unsealable, unseal
from workspace.services import (
    SIGN_IN_LINK_LIFETIME,
    LinkRefused,
    consume_sign_in_link,
    create_initiative,
    create_plan,
    create_sign_in_link,
    create_tenant,
    create_user,
    remove_member,
    set_member_role,
    set_secret,
)

pytestmark = pytest.mark.django_db


def test_a_sign_in_link_works_once():
    user = UserFactory(email="ada@example.com")
    token = create_sign_in_link(email=" Ada@Example.com ")
    assert consume_sign_in_link(token=token) == user
    with pytest.raises(LinkRefused, match="has been used"):
        consume_sign_in_link(token=token)


def test_a_sign_in_link_dies_after_ten_minutes():
    UserFactory(email="ada@example.com")
    now = timezone.now()
    token = create_sign_in_link(email="ada@example.com", now=now)
    with pytest.raises(LinkRefused):
        consume_sign_in_link(token=token, now=now + SIGN_IN_LINK_LIFETIME)
    assert consume_sign_in_link(token=token, now=now + SIGN_IN_LINK_LIFETIME - timedelta(seconds=1))


def test_a_sign_in_links_token_is_not_stored():
    UserFactory(email="ada@example.com")
    token = create_sign_in_link(email="ada@example.com")
    assert token not in SignInLink.objects.get().token_hash


def test_inactive_and_unknown_people_get_no_link():
    UserFactory(email="gone@example.com", is_active=False)
    for email in ("gone@example.com", "nobody@example.com"):
        with pytest.raises(User.DoesNotExist):
            create_sign_in_link(email=email)


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_sign_in_once():
    UserFactory(email="ada@example.com")
    token = create_sign_in_link(email="ada@example.com")
    barrier, outcomes = threading.Barrier(2), []

    def click() -> None:
        try:
            barrier.wait()
            outcomes.append(consume_sign_in_link(token=token).email)
        except LinkRefused:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["ada@example.com", "refused"]


def test_a_new_workspace_has_its_owner_as_admin_and_is_on_record():
    owner = create_user(email="Owner@Example.com")
    tenant = create_tenant(slug="acme", name="Acme", owner=owner)
    assert owner.email == "owner@example.com"
    assert Membership.objects.for_tenant(tenant.pk).get().can_manage
    actions = AuditEntry.objects.for_tenant(tenant.pk).values_list("action", flat=True)
    assert sorted(actions) == ["create_tenant", "set_member_role"]


def test_a_taken_slug_is_refused_by_field():
    owner = UserFactory()
    create_tenant(slug="acme", name="Acme", owner=owner)
    with pytest.raises(ValidationError) as refused:
        create_tenant(slug="acme", name="Other", owner=owner)
    assert "slug" in refused.value.message_dict


def test_the_last_admin_stays():
    owner = UserFactory()
    tenant = create_tenant(slug="acme", name="Acme", owner=owner)
    with pytest.raises(ValidationError, match="last admin"):
        set_member_role(tenant_id=tenant.pk, user=owner, role="viewer", actor=SYSTEM)
    with pytest.raises(ValidationError, match="last admin"):
        remove_member(tenant_id=tenant.pk, user=owner, actor=SYSTEM)
    other = UserFactory()
    set_member_role(tenant_id=tenant.pk, user=other, role="admin", actor=Actor.member(owner))
    remove_member(tenant_id=tenant.pk, user=owner, actor=Actor.member(other))
    assert [m.user for m in Membership.objects.for_tenant(tenant.pk)] == [other]


def test_a_role_change_says_before_and_after():
    owner, other = UserFactory(), UserFactory()
    tenant = create_tenant(slug="acme", name="Acme", owner=owner)
    set_member_role(tenant_id=tenant.pk, user=other, role="viewer", actor=SYSTEM)
    set_member_role(tenant_id=tenant.pk, user=other, role="member", actor=SYSTEM)
    newest = AuditEntry.objects.for_tenant(tenant.pk).order_by("-id").first()
    assert newest is not None
    assert newest.changes == {"role": ["viewer", "member"]}


def test_an_unknown_role_is_refused():
    with pytest.raises(ValidationError, match="choose one of"):
        set_member_role(tenant_id=TenantFactory().pk, user=UserFactory(), role="king", actor=SYSTEM)


def test_a_plan_cannot_hang_under_another_tenants_initiative():
    mine, theirs = TenantFactory(), TenantFactory()
    initiative = create_initiative(tenant_id=theirs.pk, name="Theirs", actor=SYSTEM)
    with pytest.raises(ValidationError, match="another workspace"):
        create_plan(tenant_id=mine.pk, name="Mine", initiative=initiative, actor=SYSTEM)


def test_a_secret_is_sealed_to_its_tenant_and_name():
    tenant, value = TenantFactory(), uuid.uuid4().hex
    secret = set_secret(tenant_id=tenant.pk, name="API_KEY", value=value, actor=SYSTEM)
    sealed = bytes(secret.sealed)
    assert value.encode() not in sealed
    assert unseal(sealed, key_id=secret.key_id, tenant_id=tenant.pk, name="API_KEY") == value
    for wrong in (
        {"tenant_id": uuid.uuid4(), "name": "API_KEY"},
        {"tenant_id": tenant.pk, "name": "OTHER"},
    ):
        with pytest.raises(Unsealable) as refused:
            unseal(sealed, key_id=secret.key_id, **wrong)
        assert value not in str(refused.value)


def test_a_rotated_secret_keeps_one_row():
    tenant = TenantFactory()
    for value in (uuid.uuid4().hex, uuid.uuid4().hex):
        set_secret(tenant_id=tenant.pk, name="API_KEY", value=value, actor=SYSTEM)
    secret = Secret.objects.get()
    assert secret.rotated_at is not None
    assert unseal(bytes(secret.sealed), key_id=secret.key_id, tenant_id=tenant.pk, name="API_KEY") == value


@pytest.mark.parametrize(("name", "value"), [("API_KEY", "short"), ("no name", "long-enough-value")])
def test_a_secret_with_a_bad_name_or_a_short_value_is_refused(name, value):
    with pytest.raises(ValidationError):
        set_secret(tenant_id=TenantFactory().pk, name=name, value=value, actor=SYSTEM)
    assert not Secret.objects.exists()


def test_two_initiatives_of_a_workspace_cannot_share_a_name():
    tenant = TenantFactory()
    create_initiative(tenant_id=tenant.pk, name="Payments", actor=SYSTEM)
    with pytest.raises(ValidationError, match="initiative “payments” is there already"):
        create_initiative(tenant_id=tenant.pk, name="payments", actor=SYSTEM)


def test_what_initiatives_and_plans_say_is_stored_and_recorded_without_credentials():
    tenant = TenantFactory()
    value = "-".join(["correct", "horse", "battery"])
    set_secret(tenant_id=tenant.pk, name="DEPLOY_KEY", value=value, actor=SYSTEM)
    key = {"tenant_id": tenant.pk, "actor": SYSTEM}
    initiative = create_initiative(**key, name=f"Drop {value}", summary=f"{value} is out")
    plan = create_plan(**key, name=f"Rotate {value}", body=f"1. {value}", initiative=initiative)
    initiative.refresh_from_db()
    plan.refresh_from_db()
    assert (initiative.name, initiative.summary) == ("Drop [DEPLOY_KEY]", "[DEPLOY_KEY] is out")
    assert (plan.name, plan.body) == ("Rotate [DEPLOY_KEY]", "1. [DEPLOY_KEY]")
    assert value not in str(list(AuditEntry.objects.values()))


def test_a_name_is_measured_after_its_redaction():
    tenant = TenantFactory()
    value = uuid.uuid4().hex[:12]
    set_secret(tenant_id=tenant.pk, name="K" * 90, value=value, actor=SYSTEM)
    with pytest.raises(ValidationError) as refused:
        create_initiative(tenant_id=tenant.pk, name=" ".join([value] * 3), actor=SYSTEM)
    assert list(refused.value.message_dict) == ["name"]
