"""Secrets are set, rotated and deleted; what cannot be looked for is refused with the reason."""

from __future__ import annotations

import uuid

import pytest
from django.core.exceptions import ValidationError

from audit.models import AuditEntry, RedactionSweep
from audit.redactors import redactor_for
from audit.services import redact
from tests.factories.workspace import TenantFactory, UserFactory
from workspace.actors import SYSTEM, Actor
from workspace.models import EarlierValue, RotationCheck, RotationStep, Secret, Tenant
from workspace.sealing import Unsealable, unseal
from workspace.secrets import (
    check_rotation_step,
    create_secret,
    delete_secret,
    describe_secret,
    forget_earlier_values,
    restart_rotation,
    rotate_secret,
    set_secret,
)

pytestmark = pytest.mark.django_db

FIRST, SECOND, THIRD = ("kn0wn" + tail for tail in ("-first-value", "-second-value", "-third-value"))


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory()


def create(tenant: Tenant, name: str = "API_KEY", value: str = FIRST, note: str = "") -> Secret:
    return create_secret(tenant_id=tenant.pk, name=name, value=value, note=note, actor=SYSTEM)


def rotate(tenant: Tenant, value: str, name: str = "API_KEY") -> Secret:
    return rotate_secret(tenant_id=tenant.pk, name=name, value=value, actor=SYSTEM)


def read(tenant: Tenant, text: str) -> str:
    return redact(tenant_id=tenant.pk, text=text)


def refusal_of(do: object, *args: object, **kwargs: object) -> dict[str, list[str]]:
    assert callable(do)
    with pytest.raises(ValidationError) as refused:
        do(*args, **kwargs)
    return refused.value.message_dict


def test_a_value_is_replaced_by_its_name_from_then_on(tenant):
    create(tenant)
    assert read(tenant, f"export KEY={FIRST}") == "export KEY=[API_KEY]"


def test_after_a_rotation_both_values_go_by_the_name(tenant):
    create(tenant)
    rotate(tenant, SECOND)
    assert read(tenant, f"{FIRST} {SECOND}") == "[API_KEY] [API_KEY]"
    done = redactor_for(tenant.pk).redact_text(f"{FIRST} {SECOND}")
    assert len({finding.digest for finding in done.findings}) == 2


def test_an_earlier_value_is_looked_for_until_it_is_forgotten(tenant):
    create(tenant)
    rotate(tenant, SECOND)
    assert forget_earlier_values(tenant_id=tenant.pk, name="API_KEY", actor=SYSTEM) == 1
    assert read(tenant, f"{FIRST} {SECOND}") == f"{FIRST} [API_KEY]"
    assert forget_earlier_values(tenant_id=tenant.pk, name="API_KEY", actor=SYSTEM) == 0
    assert AuditEntry.objects.filter(action="forget_earlier_values").count() == 1


def test_a_value_that_comes_back_is_no_earlier_one(tenant):
    create(tenant)
    for value in (SECOND, FIRST, THIRD, SECOND):
        rotate(tenant, value)
    secret = Secret.objects.get()
    earlier = set(EarlierValue.objects.values_list("digest", flat=True))
    assert len(earlier) == 2
    assert secret.digest not in earlier


def test_a_deleted_secret_is_no_longer_looked_for(tenant):
    create(tenant)
    rotate(tenant, SECOND)
    delete_secret(tenant_id=tenant.pk, name="API_KEY", actor=SYSTEM)
    assert read(tenant, f"{FIRST} {SECOND}") == f"{FIRST} {SECOND}"
    assert not EarlierValue.objects.exists()
    assert AuditEntry.objects.filter(action="delete_secret", object_title="API_KEY").exists()


def test_the_digest_of_a_secret_is_that_of_its_findings(tenant):
    create(tenant, value=f" {FIRST}\n")
    (finding,) = redactor_for(tenant.pk).redact_text(f"x {FIRST}").findings
    assert Secret.objects.get().digest == finding.digest


def test_a_value_is_sealed_for_its_tenant_and_its_name_alone(tenant):
    secret = create(tenant)
    key = {"key_id": secret.key_id, "tenant_id": tenant.pk, "name": "API_KEY"}
    assert unseal(bytes(secret.sealed), **key) == FIRST
    for wrong in ({"tenant_id": uuid.uuid4()}, {"name": "OTHER_KEY"}, {"key_id": "0" * 16}):
        with pytest.raises(Unsealable) as refused:
            unseal(bytes(secret.sealed), **{**key, **wrong})
        assert FIRST not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("short", "fewer than 8"),
        ("changeme", "common word"),
        ("abababababab", "one or two repeated"),
    ],
)
def test_a_value_that_ordinary_text_holds_is_refused(tenant, value, reason):
    assert reason in refusal_of(create, tenant, value=value)["value"][0]
    assert not Secret.objects.exists()


def test_a_value_goes_by_one_name(tenant):
    create(tenant)
    assert "API_KEY has this value" in refusal_of(create, tenant, name="OTHER", value=FIRST)["value"][0]
    rotate(tenant, SECOND)
    assert "API_KEY has this value" in refusal_of(create, tenant, name="OTHER", value=FIRST)["value"][0]
    assert "which it has" in refusal_of(rotate, tenant, SECOND)["value"][0]
    create(TenantFactory(), value=SECOND)


@pytest.mark.parametrize("name", ["no name", "1ST_KEY", "", "KEY-2"])
def test_a_name_is_that_of_a_variable(tenant, name):
    assert "name" in refusal_of(create, tenant, name=name) or "__all__" in refusal_of(
        create, tenant, name=name
    )


def test_a_taken_name_is_refused(tenant):
    create(tenant)
    assert "already" in refusal_of(create, tenant, value=SECOND)["name"][0]


def test_neither_name_nor_note_may_hold_the_value(tenant):
    assert "name" in refusal_of(create, tenant, name="hunter2_horse", value="hunter2_" + "horse")["value"][0]
    assert refusal_of(create, tenant, note=f"it is {FIRST}")["note"]
    create(tenant, note="for the nightly build")
    described = describe_secret(tenant_id=tenant.pk, name="API_KEY", note=f"was {FIRST}", actor=SYSTEM)
    assert described.note == "was [API_KEY]"


def test_who_rotated_it_and_when_is_kept(tenant):
    user = UserFactory()
    create(tenant)
    secret = rotate_secret(tenant_id=tenant.pk, name="API_KEY", value=SECOND, actor=Actor.member(user))
    assert (secret.rotated_by, secret.created_by) == (user, None)
    assert secret.rotated_at is not None


def test_setting_makes_or_rotates(tenant):
    set_secret(tenant_id=tenant.pk, name="API_KEY", value=FIRST, actor=SYSTEM)
    set_secret(tenant_id=tenant.pk, name="API_KEY", value=SECOND, actor=SYSTEM)
    actions = AuditEntry.objects.filter(object_kind="secret").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["create_secret", "rotate_secret"]
    assert RedactionSweep.objects.get().reason == "API_KEY was registered; API_KEY was rotated"


def test_a_new_value_ticks_its_step_of_the_checklist_off(tenant):
    create(tenant)
    assert not RotationCheck.objects.exists()
    rotate(tenant, SECOND)
    assert RotationCheck.objects.get().step == RotationStep.VALUE


def test_steps_are_ticked_by_somebody_once_and_unticked(tenant):
    create(tenant)
    first, second = UserFactory(), UserFactory()
    at = {"tenant_id": tenant.pk, "name": "API_KEY", "step": RotationStep.TELL}
    for user in (first, second):
        check_rotation_step(**at, is_done=True, actor=Actor.member(user))
    assert RotationCheck.objects.get().checked_by == first
    check_rotation_step(**at, is_done=False, actor=SYSTEM)
    assert not RotationCheck.objects.exists()
    rotate(tenant, SECOND)
    restart_rotation(tenant_id=tenant.pk, name="API_KEY")
    assert not RotationCheck.objects.exists()


def test_nothing_of_a_value_is_in_the_record(tenant):
    create(tenant)
    rotate(tenant, SECOND)
    described = str(list(AuditEntry.objects.values()))
    assert FIRST not in described
    assert SECOND not in described
