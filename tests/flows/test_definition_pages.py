"""The pages of skills and profiles: listed with their users, shown, made, changed, put away, deleted."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import Profile, Skill
from agents.services import archive_definition, change_skill
from audit.models import AuditEntry
from flows import services
from tests.factories.agents import ProfileFactory, SkillFactory
from tests.factories.flows import FlowFactory, FlowStepFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.flows.worlds import World
from workspace.actors import SYSTEM
from workspace.models import Membership
from workspace.secrets import create_secret

SKILL = {"name": "Review", "runtime": "model", "body": "Look at it.\r\n\r\nAll of it.\r\n"}
PROFILE = {"name": "Builder", "runtime": "shell", "sandbox": "bubblewrap", "max_minutes": "30"}


def client_of(member: Membership) -> Client:
    client = Client()
    client.force_login(member.user)
    return client


def url(world: World, name: str, *args: object) -> str:
    return reverse(f"flows:{name}", args=[world.tenant.slug, *args])


def page(world: World, name: str, /, *args: object, member: Membership | None = None, **query: Any) -> str:
    response = client_of(member or world.admin).get(url(world, name, *args), query)
    assert response.status_code == 200
    return response.content.decode()


def post(world: World, name: str, /, *args: object, member: Membership | None = None, **data: Any) -> Any:
    return client_of(member or world.admin).post(url(world, name, *args), data)


def use(world: World, **given: Any) -> str:
    """A flow with one step that names these; returns its name."""
    flow = FlowFactory(tenant=world.tenant, step_count=0)
    FlowStepFactory(flow=flow, **given)
    return flow.name


def test_the_list_names_the_flows_that_use_each(world):
    profile = ProfileFactory(tenant=world.tenant, name="Builder")
    named = use(world, profile=profile)
    text = page(world, "skill-list", member=world.viewer)
    assert f'<a href="{url(world, "flow-detail", world.flow.pk)}">Release</a>' in text
    assert url(world, "skill-detail", world.skill.pk) in text
    assert "Shell" in text
    assert named in page(world, "profile-list", member=world.viewer)
    ProfileFactory(tenant=world.tenant, name="Idle")
    assert "Not used" in page(world, "profile-list")


def test_the_list_names_a_few_users_and_counts_the_others(world):
    names = [use(world, skill=world.skill) for _ in range(5)]
    text = page(world, "skill-list")
    assert [name in text for name in names] == [True, True, True, False, False]
    assert f'<a href="{url(world, "skill-detail", world.skill.pk)}">3 more</a>' in text
    detail = page(world, "skill-detail", world.skill.pk)
    assert all(name in detail for name in (*names, "steps build, test, deploy"))


def test_the_list_goes_on_after_the_last_name_of_a_page(world):
    for number in range(60):
        SkillFactory(tenant=world.tenant, name=f"Skill {number:02}")
    first = page(world, "skill-list")
    assert "Skill 48" in first
    assert "?after=skill+48" in first
    assert "Skill 49" not in first
    second = page(world, "skill-list", after="skill 48")
    assert "Skill 49" in second
    assert "Skill 48" not in second


@pytest.mark.parametrize("noun", ["skill", "profile"])
def test_a_workspace_without_any_says_what_they_are_and_who_makes_them(world, noun):
    for row in (*Skill.objects.all(), *Profile.objects.all()):
        archive_definition(row=row, actor=SYSTEM)
    for_admin, for_viewer = (page(world, f"{noun}-list", member=who) for who in (world.admin, world.viewer))
    assert f"No {noun}s yet" in for_admin
    assert url(world, f"{noun}-create") in for_admin
    assert "Admins make them" in for_viewer
    assert url(world, f"{noun}-create") not in for_viewer


def test_those_of_other_workspaces_are_not_listed(world):
    SkillFactory(name="Theirs")
    ProfileFactory(name="Theirs")
    assert "Theirs" not in page(world, "skill-list") + page(world, "profile-list")


def test_the_lists_and_pages_cost_the_same_queries_for_more_rows(
    world, django_assert_max_num_queries, django_assert_num_queries
):
    client, profile = client_of(world.admin), ProfileFactory(tenant=world.tenant)

    def grow() -> None:
        for _ in range(3):
            use(world, skill=world.skill, profile=profile)
            use(world, skill=SkillFactory(tenant=world.tenant), profile=ProfileFactory(tenant=world.tenant))

    grow()
    counts = {}
    for name, args in (
        ("skill-list", []),
        ("skill-detail", [world.skill.pk]),
        ("profile-list", []),
        ("profile-detail", [profile.pk]),
    ):
        address = url(world, name, *args)
        client.get(address)
        with django_assert_max_num_queries(100) as captured:
            client.get(address)
        counts[address] = len(captured)
    grow()
    for address, count in counts.items():
        with django_assert_num_queries(count):
            client.get(address)


def test_a_skills_page_shows_its_body_and_a_profiles_its_limits(world):
    assert "make ship" in page(world, "skill-detail", world.skill.pk, member=world.viewer)
    create_secret(tenant_id=world.tenant.pk, name="API_KEY", value="kn0wn" + "-value", actor=SYSTEM)
    profile = ProfileFactory(tenant=world.tenant, env_secret_names=["API_KEY"], max_memory_mb=2048)
    text = page(world, "profile-detail", profile.pk, member=world.viewer)
    assert "2,048 MB" in text
    assert reverse("audit:secret-detail", args=[world.tenant.slug, "API_KEY"]) in text


def test_a_flows_page_leads_to_the_skills_and_profiles_of_its_steps(world):
    profile = ProfileFactory(tenant=world.tenant)
    flow = FlowFactory(tenant=world.tenant, step_count=0)
    FlowStepFactory(flow=flow, skill=world.skill, profile=profile)
    text = page(world, "flow-detail", flow.pk, member=world.viewer)
    assert url(world, "skill-detail", world.skill.pk) in text
    assert url(world, "profile-detail", profile.pk) in text


def test_the_lists_of_flows_skills_and_profiles_lead_to_each_other(world):
    for name in ("flow-list", "skill-list", "profile-list"):
        text = page(world, name, member=world.viewer)
        for other in ("flow-list", "skill-list", "profile-list"):
            assert f'href="{url(world, other)}"' in text


def test_an_admin_makes_a_skill_with_the_line_breaks_that_were_meant(world):
    response = post(world, "skill-create", **SKILL)
    skill = Skill.objects.get(name="Review")
    assert response.headers["Location"] == url(world, "skill-detail", skill.pk)
    assert (skill.body, skill.version) == ("Look at it.\n\nAll of it.\n", 1)
    entry = AuditEntry.objects.get(object_id=skill.pk)
    assert (entry.action, entry.actor_id) == ("create_skill", world.admin.user_id)


def test_an_admin_makes_a_profile_of_the_secrets_that_there_are(world):
    create_secret(tenant_id=world.tenant.pk, name="API_KEY", value="kn0wn" + "-value", actor=SYSTEM)
    assert post(world, "profile-create", **PROFILE, env_secret_names=["API_KEY"]).status_code == 302
    profile = Profile.objects.get(name="Builder")
    assert (profile.env_secret_names, profile.max_minutes, profile.max_turns) == (["API_KEY"], 30, None)
    assert profile.sandbox == "bubblewrap"


def test_a_form_shows_what_is_there_and_saved_as_it_is_makes_no_version(world):
    profile = ProfileFactory(tenant=world.tenant, sandbox="old-jail", model="m", max_turns=40_000)
    text = page(world, "profile-edit", profile.pk)
    assert '<option value="old-jail" selected>' in text
    assert 'value="40000"' in text
    given = {"name": profile.name, "runtime": "shell", "model": "m", "sandbox": "old-jail"}
    response = post(world, "profile-edit", profile.pk, **given, max_turns="40000", version="1")
    assert response.status_code == 302
    assert Profile.objects.get().version == 1
    assert not AuditEntry.objects.filter(object_id=profile.pk).exists()


def test_only_runtimes_of_this_installation_are_offered_besides_a_rows_own(world):
    offered = '<option value="codex"'
    assert offered not in page(world, "skill-create")
    assert "Select a valid choice" in post(world, "skill-create", **{**SKILL, "runtime": "codex"}).text
    skill = SkillFactory(tenant=world.tenant, runtime="codex", body="Review it.")
    assert f"{offered} selected" in page(world, "skill-edit", skill.pk)


def test_a_change_is_the_next_version_on_record(world):
    given = {"name": "Ship", "runtime": "shell", "body": "make ship-it", "version": "1"}
    assert post(world, "skill-edit", world.skill.pk, **given).status_code == 302
    skill = Skill.objects.get()
    assert (skill.body, skill.version) == ("make ship-it", 2)
    entry = AuditEntry.objects.get(object_id=skill.pk)
    assert entry.changes == {"body": ["make ship", "make ship-it"]}


def test_a_form_of_an_earlier_version_changes_nothing_and_keeps_what_was_entered(world):
    change_skill(skill=world.skill, actor=SYSTEM, body="make all")
    given = {"name": "Ship", "runtime": "shell", "body": "make mine", "version": "1"}
    response = post(world, "skill-edit", world.skill.pk, **given)
    assert response.status_code == 409
    text = response.content.decode()
    assert "Open the skill anew" in text
    assert "make mine" in text
    assert Skill.objects.get().body == "make all"
    assert post(world, "skill-edit", world.skill.pk, **{**given, "version": "2"}).status_code == 302


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"name": ""}, "name", "required"),
        ({"name": "ship"}, "name", "is there already"),
        ({"runtime": "abacus"}, "runtime", "not one of"),
        ({"body": " \n"}, "body", "required"),
        ({"body": "a\r\nb {{ params.x"}, "body", "line 2: it cannot be read"),
        ({"body": "\r\n\r\n{{ steps.a.result }}"}, "body", "line 3: a prompt knows params.NAME alone"),
        ({"runtime": "shell", "body": "a\r\nb {{ params.x }}"}, "body", "line 2: a command is not filled in"),
    ],
)
def test_what_is_wrong_with_a_skill_is_said_at_its_field(world, wrong, field, said):
    response = post(world, "skill-create", **{**SKILL, **wrong})
    assert response.status_code == 422
    errors = response.context["form"].errors
    assert list(errors) == [field]
    assert said in str(errors[field])
    assert f'id="id_{field}_error"' in response.content.decode()
    assert Skill.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"max_minutes": "0"}, "max_minutes"),
        ({"max_turns": str(2**31)}, "max_turns"),
        ({"max_memory_mb": "much"}, "max_memory_mb"),
        ({"sandbox": "jail"}, "sandbox"),
        ({"env_secret_names": ["NOWHERE"]}, "env_secret_names"),
        ({"model": "m" * 101}, "model"),
    ],
)
def test_what_is_wrong_with_a_profile_is_said_at_its_field(world, wrong, field):
    response = post(world, "profile-create", **{**PROFILE, **wrong})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert not Profile.objects.exists()


def test_a_secret_that_is_gone_is_shown_and_refused_by_its_name(world):
    profile = ProfileFactory(tenant=world.tenant, name="Builder", env_secret_names=["GONE"])
    assert 'value="GONE"' in page(world, "profile-edit", profile.pk)
    response = post(world, "profile-edit", profile.pk, **PROFILE, env_secret_names=["GONE"], version="1")
    assert response.status_code == 422
    assert "no such secret: GONE" in str(response.context["form"].errors["env_secret_names"])


def test_a_body_that_the_step_of_a_flow_does_not_fit_is_refused_with_line_and_step(world):
    given = {"name": "Ship", "runtime": "model", "version": "1"}
    response = post(
        world, "skill-edit", world.skill.pk, **given, body="Ship\r\n{{ params.target }} to {{ params.place }}"
    )
    assert response.status_code == 422
    errors = response.context["form"].errors["body"]
    assert "line 2: there is no parameter “place” in the step “build” of the flow “Release”" in errors
    assert "line 2: there is no parameter “target” in the step “test” of the flow “Release”" in errors
    assert len(errors) == 5
    services.archive_flow(tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=world.actor)
    assert post(world, "skill-edit", world.skill.pk, **given, body="{{ params.place }}").status_code == 302


@pytest.mark.parametrize("noun", ["skill", "profile"])
def test_it_is_archived_and_restored(world, noun):
    row = (SkillFactory if noun == "skill" else ProfileFactory)(tenant=world.tenant, name="Put away")
    post(world, f"{noun}-action", row.pk, action="archive")
    assert "Put away" not in page(world, f"{noun}-list")
    assert "Put away" in page(world, f"{noun}-list", archived=1)
    assert "Restore" in page(world, f"{noun}-detail", row.pk)
    post(world, f"{noun}-action", row.pk, action="restore")
    assert "Put away" in page(world, f"{noun}-list")


def test_only_what_nothing_uses_is_deleted(world):
    unused, profile = SkillFactory(tenant=world.tenant), ProfileFactory(tenant=world.tenant)
    assert 'value="delete"' in page(world, "skill-detail", unused.pk)
    assert 'value="delete"' not in page(world, "skill-detail", world.skill.pk)
    gone = post(world, "skill-action", unused.pk, action="delete")
    assert gone.headers["Location"] == url(world, "skill-list")
    assert not Skill.objects.filter(pk=unused.pk).exists()
    post(world, "skill-action", world.skill.pk, action="delete")
    assert Skill.objects.filter(pk=world.skill.pk).exists()
    BackgroundTaskFactory(tenant=world.tenant, profile=profile)
    action = url(world, "profile-action", profile.pk)
    shown = client_of(world.admin).post(action, {"action": "delete"}, follow=True).content.decode()
    assert "Not deleted: it is used by background tasks" in shown


def test_an_action_that_there_is_none_of_is_refused(world):
    assert post(world, "skill-action", world.skill.pk, action="burn").status_code == 400


@pytest.mark.parametrize("seat", ["owner", "teammate", "viewer"])
def test_who_is_no_admin_reads_and_changes_nothing(world, seat):
    member = getattr(world, seat)
    text = page(world, "skill-detail", world.skill.pk, member=member)
    assert url(world, "skill-edit", world.skill.pk) not in text
    assert url(world, "skill-action", world.skill.pk) not in text
    assert post(world, "skill-create", member=member, **SKILL).status_code == 403
    given = {**SKILL, "version": "1"}
    assert post(world, "skill-edit", world.skill.pk, member=member, **given).status_code == 403
    assert post(world, "skill-action", world.skill.pk, member=member, action="archive").status_code == 403
    assert post(world, "profile-create", member=member, **PROFILE).status_code == 403
    assert Skill.objects.get() == world.skill
    assert not Profile.objects.exists()
