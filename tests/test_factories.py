"""The factories make rows that the database takes, each of one tenant."""

from __future__ import annotations

import pytest

from chats.models import ChatStatus
from tasks.models import TaskStatus, WaitingOn
from tests.factories.agents import ProfileFactory, SkillFactory
from tests.factories.audit import TranscriptEntryFactory, TranscriptFactory
from tests.factories.chats import ChatFactory
from tests.factories.tasks import BackgroundTaskFactory, ChildTaskFactory
from tests.factories.workspace import MembershipFactory, PlanFactory, UserFactory
from workspace.models import Membership

pytestmark = pytest.mark.django_db

TASK_TRAITS = [
    *(str(status) for status in TaskStatus if status != TaskStatus.WAITING),
    *(f"waiting_{on}" for on in WaitingOn),
]


@pytest.mark.parametrize("trait", TASK_TRAITS)
def test_a_task_can_be_made_in_each_status(trait: str) -> None:
    task = BackgroundTaskFactory(**{trait: True})
    task.refresh_from_db()
    assert trait in {task.status, f"{task.status}_{task.waiting_on}"}


@pytest.mark.parametrize("status", ChatStatus)
def test_a_chat_can_be_made_in_each_status(status: ChatStatus) -> None:
    chat = ChatFactory(**{status.value: True})
    chat.refresh_from_db()
    assert chat.status == status


def test_the_owner_of_a_session_is_a_member_of_its_tenant() -> None:
    for session in (BackgroundTaskFactory(), ChatFactory(quiet=True, ask=True)):
        assert Membership.objects.get(user=session.owner).tenant == session.tenant


def test_a_given_owner_gets_no_second_membership() -> None:
    seat = MembershipFactory(admin=True)
    BackgroundTaskFactory(tenant=seat.tenant, owner=seat.user)
    assert Membership.objects.count() == 1


def test_a_child_belongs_to_its_parents_tenant_and_owner() -> None:
    child = ChildTaskFactory()
    assert (child.tenant, child.owner) == (child.parent.tenant, child.parent.owner)


def test_a_plan_and_its_initiative_share_a_tenant() -> None:
    plan = PlanFactory(under_initiative=True)
    assert plan.initiative.tenant == plan.tenant


def test_entries_of_a_transcript_count_up_from_one() -> None:
    transcript = TranscriptFactory(session=BackgroundTaskFactory())
    entries = [
        TranscriptEntryFactory(transcript=transcript, **{trait: True})
        for trait in ("assistant", "tool_call", "tool_result", "file_edit", "failure")
    ]
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert transcript.entry_count == 5
    assert transcript.session_kind == "background_task"


def test_people_profiles_and_skills_can_be_made_many_times() -> None:
    for make in (ProfileFactory, SkillFactory):
        make.create_batch(2, tenant=make().tenant)
    assert UserFactory(superuser=True).is_superuser
