"""The tenant says when what many sessions show at once was last changed, whatever changed it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.factories.workspace import InitiativeFactory, MembershipFactory, PlanFactory
from workspace.accounts import change_account
from workspace.actors import SYSTEM
from workspace.models import Initiative, Membership, Plan, Tenant, User
from workspace.records import change_record

pytestmark = pytest.mark.django_db

type Change = Callable[[Membership], object]

OUTDATING: dict[str, Change] = {
    "an initiative is renamed": lambda member: change_record(
        Initiative.objects.get(), values={"name": "Other"}, actor=SYSTEM
    ),
    "a plan is renamed": lambda member: change_record(
        Plan.objects.get(), values={"name": "Other"}, actor=SYSTEM
    ),
    "a member is renamed": lambda member: change_account(
        user_id=member.user_id, values={"name": "Other"}, actor=SYSTEM
    ),
    "a member without a name has another address": lambda member: change_account(
        user_id=member.user_id, values={"email": "other@example.org"}, actor=SYSTEM
    ),
    "a name is replaced past the services": lambda member: Initiative.objects.update(name="Other"),
    "chats are quiet after another time": lambda member: Tenant.objects.update(quiet_after_minutes=7),
}
OTHERS: dict[str, Change] = {
    "a summary is written": lambda member: Initiative.objects.update(summary="Other"),
    "a member signs in": lambda member: User.objects.update(last_login=member.created_at),
    "a limit of chats is set": lambda member: Tenant.objects.update(end_chats_after_minutes=7),
}


@pytest.fixture
def member() -> Membership:
    made = MembershipFactory()
    InitiativeFactory(tenant=made.tenant)
    PlanFactory(tenant=made.tenant)
    return made


def outdated_at(member: Membership) -> object:
    return Tenant.objects.get(pk=member.tenant_id).rows_outdated_at


@pytest.mark.parametrize("change", OUTDATING)
def test_rows_are_outdated_when(member: Membership, change: str):
    OUTDATING[change](member)
    before = outdated_at(member)
    assert before is not None
    Tenant.objects.filter(pk=member.tenant_id).update(name="Other")
    assert outdated_at(member) == before


@pytest.mark.parametrize("change", OTHERS)
def test_rows_stay_as_they_are_when(member: Membership, change: str):
    OTHERS[change](member)
    assert outdated_at(member) is None


def test_a_person_outdates_the_rows_of_each_of_their_workspaces_and_of_no_other(member: Membership):
    elsewhere, stranger = MembershipFactory(user=member.user), MembershipFactory()
    change_account(user_id=member.user_id, values={"name": "Other"}, actor=SYSTEM)
    times = [outdated_at(here) for here in (member, elsewhere, stranger)]
    assert [time is not None for time in times] == [True, True, False]
