"""Sealed rows go under the newest key, whatever stops it on the way, and marks keep their meaning."""

from __future__ import annotations

import json
import os
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.redactors import redactor_for
from tests.factories.workspace import TenantFactory
from workspace import resealing
from workspace.actors import SYSTEM
from workspace.models import EarlierValue, Secret, Tenant, TenantKey
from workspace.sealing import Unsealable, derive_key, newest_key_id
from workspace.secrets import create_secret, rotate_secret

pytestmark = pytest.mark.django_db

VALUE = "kn0wn" + "-value-number-"


def new_keys(settings: Any, *, kept: int) -> None:
    """A new key in front of the newest of the present ones."""
    settings.SEALING_KEYS = [os.urandom(32), *settings.SEALING_KEYS[:kept]]


def rotate_keys() -> dict[str, Any]:
    output = StringIO()
    call_command("rotate_keys", "--json", stdout=output)
    answer: dict[str, Any] = json.loads(output.getvalue())
    return answer


@pytest.fixture
def tenant(settings: Any) -> Tenant:
    """A tenant with five secrets, one of them rotated, all under one key that is then an older one."""
    settings.SEALING_KEYS = [os.urandom(32)]
    tenant = TenantFactory()
    for n in range(5):
        create_secret(tenant_id=tenant.pk, name=f"KEY_{n}", value=f"{VALUE}{n}", actor=SYSTEM)
    rotate_secret(tenant_id=tenant.pk, name="KEY_0", value=f"{VALUE}new", actor=SYSTEM)
    new_keys(settings, kept=1)
    return tenant


def test_everything_is_sealed_under_the_newest_key(tenant, settings):
    done = {one["model"]: (one["resealed"], one["total"]) for one in rotate_keys()["sealed"]}
    assert done["secrets"] == (5, 5)
    assert done["earlier values"] == (1, 1)
    assert done["tenant keys"] == (1, 1)
    settings.SEALING_KEYS = settings.SEALING_KEYS[:1]
    text = " ".join(f"{VALUE}{n}" for n in (0, 1, "new"))
    assert redactor_for(tenant.pk).redact_text(text).text == "[KEY_0] [KEY_1] [KEY_0]"


def test_each_model_with_sealed_values_is_rotated():
    assert {Secret, EarlierValue, TenantKey} <= set(resealing.sealed_models())


def test_a_second_run_finds_nothing_to_do(tenant):
    rotate_keys()
    assert {one["resealed"] for one in rotate_keys()["sealed"]} == {0}


def test_marks_and_digests_mean_the_same_after_the_old_key_is_gone(tenant, settings):
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    before = redactor_for(tenant.pk).redact_text(f"{VALUE}1 and {token}")
    key = derive_key("record-digest", tenant.pk)
    for _ in range(2):
        rotate_keys()
        new_keys(settings, kept=1)
    rotate_keys()
    settings.SEALING_KEYS = settings.SEALING_KEYS[:1]
    assert redactor_for(tenant.pk).redact_text(f"{VALUE}1 and {token}") == before
    assert derive_key("record-digest", tenant.pk) == key


def test_keys_of_purposes_and_tenants_differ(tenant):
    other = TenantFactory()
    keys = {derive_key(purpose, one.pk) for purpose in ("mark", "digest") for one in (tenant, other)}
    assert len(keys) == 4


def test_a_missing_key_is_named_and_nothing_is_changed(tenant, settings):
    needed = Secret.objects.values_list("key_id", flat=True).distinct().get()
    settings.SEALING_KEYS = settings.SEALING_KEYS[:1]
    rows = list(Secret.objects.order_by("pk").values_list("key_id", "sealed"))
    with pytest.raises(CommandError, match=rf"{needed} \(7 rows\)"):
        rotate_keys()
    assert list(Secret.objects.order_by("pk").values_list("key_id", "sealed")) == rows


def test_without_the_key_of_a_tenant_nothing_is_marked_by_another(tenant, settings):
    settings.SEALING_KEYS = settings.SEALING_KEYS[:1]
    with pytest.raises(Unsealable):
        derive_key("redaction-mark", tenant.pk)
    assert TenantKey.objects.for_tenant(tenant.pk).count() == 1


def test_a_rotation_that_was_cut_off_goes_on_where_it_stopped(tenant, monkeypatch):
    """Each batch is a transaction: what was sealed anew before a process died stays so."""
    monkeypatch.setattr(resealing, "BATCH", 2)
    batches = iter([resealing._reseal_batch(Secret)])
    assert next(batches) == 2
    left = {"secrets": 3, "earlier values": 1, "tenant keys": 1}
    done = {one["model"]: one["resealed"] for one in rotate_keys()["sealed"]}
    assert {name: done[name] for name in left} == left
    assert set(Secret.objects.values_list("key_id", flat=True)) == {newest_key_id()}
