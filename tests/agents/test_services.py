"""Profiles and skills are made of what the workspace has, and their making is on record."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from agents.models import Profile, Skill
from agents.services import create_profile, create_skill
from audit.models import AuditEntry
from tests.factories.workspace import TenantFactory
from workspace.actors import SYSTEM
from workspace.services import set_secret

pytestmark = pytest.mark.django_db


@pytest.fixture
def given():
    return {"tenant_id": TenantFactory().pk, "actor": SYSTEM, "name": "Builder", "runtime": "shell"}


@pytest.mark.parametrize(("make", "more"), [(create_profile, {}), (create_skill, {"body": "make"})])
def test_a_name_stands_once_and_its_making_is_on_record(given, make, more):
    made = make(**given, **more)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_id) == (f"create_{entry.object_kind}", made.pk)
    with pytest.raises(ValidationError):
        make(**{**given, "name": "builder"}, **more)
    with pytest.raises(ValidationError):
        make(**{**given, "name": "Other", "runtime": "abacus"}, **more)


def test_a_profile_names_registered_secrets_only(given):
    with pytest.raises(ValidationError, match="no such secret: DEPLOY_KEY"):
        create_profile(**given, env_secret_names=["DEPLOY_KEY"])
    value = "-".join(["correct", "horse", "battery"])
    set_secret(tenant_id=given["tenant_id"], name="DEPLOY_KEY", value=value, actor=SYSTEM)
    create_profile(**given, env_secret_names=["DEPLOY_KEY"])
    assert Profile.objects.get().env_secret_names == ["DEPLOY_KEY"]


def test_a_credential_in_a_skill_is_kept_by_its_name(given):
    value = "-".join(["correct", "horse", "battery"])
    set_secret(tenant_id=given["tenant_id"], name="DEPLOY_KEY", value=value, actor=SYSTEM)
    create_skill(**given | {"name": value}, body=f"curl -u {value}", description=f"Uses {value}")
    skill = Skill.objects.get()
    assert (skill.name, skill.body) == ("[DEPLOY_KEY]", "curl -u [DEPLOY_KEY]")
    assert skill.description == "Uses [DEPLOY_KEY]"
    assert value not in str(list(AuditEntry.objects.values()))


def test_a_credential_in_a_profile_is_kept_by_its_name(given):
    value = "-".join(["correct", "horse", "battery"])
    set_secret(tenant_id=given["tenant_id"], name="DEPLOY_KEY", value=value, actor=SYSTEM)
    create_profile(**given | {"name": value}, sandbox=f"on {value}", model=f"m {value}")
    profile = Profile.objects.get()
    assert (profile.name, profile.sandbox, profile.model) == (
        "[DEPLOY_KEY]",
        "on [DEPLOY_KEY]",
        "m [DEPLOY_KEY]",
    )
    assert value not in str(list(AuditEntry.objects.values()))
