"""Profiles and skills are made of what the workspace has, and their making is on record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from agents.models import Profile, Skill
from agents.services import (
    archive_definition,
    change_profile,
    change_skill,
    create_profile,
    create_skill,
    delete_definition,
    restore_definition,
)
from audit.models import AuditEntry
from bench.plans import explain, statements_of
from chats.models import Chat
from sessions_app.kinds import StaleVersion
from tasks.models import BackgroundTask
from tests.factories.agents import ProfileFactory, SkillFactory
from tests.factories.flows import FlowFactory, FlowStepFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import MembershipFactory, TenantFactory
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


def actions_on(row: Profile | Skill) -> list[str]:
    return list(AuditEntry.objects.filter(object_id=row.pk).order_by("id").values_list("action", flat=True))


def test_each_change_is_a_version_and_what_changes_nothing_is_none():
    skill = SkillFactory(body="make")
    assert change_skill(skill=skill, actor=SYSTEM, seen_version=1, body="make all").version == 2
    assert change_skill(skill=skill, actor=SYSTEM, seen_version=2, body="make all").version == 2
    assert actions_on(skill) == ["change_skill"]
    skill.refresh_from_db()
    assert (skill.version, skill.body) == (2, "make all")


def test_a_change_of_what_has_changed_since_is_refused():
    profile = ProfileFactory(name="Builder", max_turns=3)
    change_profile(profile=profile, actor=SYSTEM, max_turns=5)
    with pytest.raises(StaleVersion, match=r"profile “Builder” has changed .*version 1, now 2"):
        change_profile(profile=profile, actor=SYSTEM, seen_version=1, max_turns=7)
    profile.refresh_from_db()
    assert (profile.version, profile.max_turns) == (2, 5)


@pytest.mark.parametrize("factory", [SkillFactory, ProfileFactory])
def test_it_is_archived_and_restored_once_each(factory):
    row = factory()
    kind = type(row).__name__.lower()
    for _ in range(2):
        assert archive_definition(row=row, actor=SYSTEM).archived_at is not None
    for _ in range(2):
        assert restore_definition(row=row, actor=SYSTEM).archived_at is None
    assert actions_on(row) == [f"archive_{kind}", f"restore_{kind}"]


@pytest.mark.parametrize("factory", [SkillFactory, ProfileFactory])
def test_what_nothing_refers_to_is_deleted_and_that_is_on_record(factory):
    row = factory()
    key, kind = row.pk, type(row).__name__.lower()
    delete_definition(row=row, actor=SYSTEM)
    assert not type(row).objects.filter(pk=key).exists()
    entry = AuditEntry.objects.get(object_id=key)
    assert (entry.action, entry.object_title) == (f"delete_{kind}", row.name)


def test_what_something_refers_to_is_not_deleted():
    skill, profile, carried = SkillFactory(), ProfileFactory(), ProfileFactory()
    FlowStepFactory(flow=FlowFactory(tenant=skill.tenant, step_count=0), skill=skill)
    FlowStepFactory(flow=FlowFactory(tenant=profile.tenant, step_count=0), profile=profile)
    BackgroundTaskFactory(tenant=carried.tenant, profile=carried)
    used: list[tuple[Any, str]] = [
        (skill, "flow steps"),
        (profile, "flow steps"),
        (carried, "background tasks"),
    ]
    for row, users in used:
        with pytest.raises(ValidationError, match=f"used by {users}: archive it instead"):
            delete_definition(row=row, actor=SYSTEM)
        row.refresh_from_db()
        assert actions_on(row) == []


@pytest.fixture(scope="module")
def _unlearned(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """What the planner has learnt outlives the rollback of a test: it looks again after the last one here."""
    yield
    with django_db_blocker.unblock():
        analyze()


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE chats_chat, tasks_backgroundtask")


@pytest.mark.usefixtures("_unlearned")
def test_deleting_a_profile_looks_its_users_up_by_indexes():
    """There are many tasks and chats: those of a profile are not counted, those of all others not passed."""
    owner, now = MembershipFactory(), timezone.now()
    busy, unused = ProfileFactory(tenant=owner.tenant), ProfileFactory(tenant=owner.tenant)
    common = {"tenant": owner.tenant, "owner": owner.user, "profile": busy, "title": "x", "changed_at": now}
    Chat.objects.bulk_create(Chat(**common, last_message_at=now) for _ in range(3_000))
    BackgroundTask.objects.bulk_create(BackgroundTask(**common) for _ in range(3_000))
    analyze()

    def refused() -> None:
        with pytest.raises(ValidationError, match="used by background tasks and chats"):
            delete_definition(row=busy, actor=SYSTEM)

    for delete in (refused, lambda: delete_definition(row=unused, actor=SYSTEM)):
        said = statements_of(delete)
        plans = [explain(sql) for sql in said if "chats_chat" in sql or "tasks_backgroundtask" in sql]
        assert len(plans) >= 2
        assert sum(plan.rows_read for plan in plans) <= len(plans)
    assert {index for plan in plans for index in plan.indexes} == {"chat_by_profile", "task_by_profile"}
