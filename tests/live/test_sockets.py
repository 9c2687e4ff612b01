"""Who may open a socket, and how long it stays open."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from channels.db import database_sync_to_async as in_thread
from django.contrib.sessions.models import Session
from django.utils import timezone

from sessions_app.listeners import MOST_IN_FLIGHT, MOST_WAITING, RESYNC
from tests.factories.workspace import MembershipFactory, UserFactory
from tests.live.sockets import headers_of, hub, knock, open_socket, sign_in
from workspace.access import admit, still_admitted
from workspace.accounts import deactivate_user, set_password
from workspace.actors import SYSTEM
from workspace.models import Membership, Role
from workspace.services import remove_member, set_member_role, suspend_tenant

CLOSED_WITHIN_SECONDS = 5


async def test_a_member_gets_in_and_is_told_that_nothing_is_missed_from_now_on(member: Membership):
    client = await in_thread(sign_in)(member.user)
    async with open_socket(client, member.tenant):
        assert len(hub().rooms) == 1
    assert hub().rooms == {}


async def test_a_stranger_is_refused_as_if_there_were_no_such_workspace(member: Membership):
    stranger = (await in_thread(MembershipFactory)()).user
    client = await in_thread(sign_in)(stranger)
    answers = []
    for slug in (member.tenant.slug, "no-such-workspace"):
        is_accepted, communicator = await knock(f"/w/{slug}/sessions/live/", headers_of(client))
        answers.append((is_accepted, await communicator.wait()))
    is_accepted, communicator = await knock("/no/such/socket/", headers_of(client))
    answers.append((is_accepted, await communicator.wait()))
    assert answers == [(False, None)] * 3
    assert hub().rooms == {}


async def test_nobody_who_is_not_signed_in_gets_in(member: Membership):
    client = await in_thread(sign_in)(member.user)
    await in_thread(client.logout)()
    is_accepted, _ = await knock(f"/w/{member.tenant.slug}/sessions/live/", headers_of(client))
    assert not is_accepted


@pytest.mark.parametrize(
    "origin", [None, "", "null", "http://localhost:3000", "https://localhost", "http://evil.example"]
)
async def test_pages_of_other_origins_are_refused(member: Membership, origin: str | None):
    client = await in_thread(sign_in)(member.user)
    path = f"/w/{member.tenant.slug}/sessions/live/"
    is_accepted, _ = await knock(path, headers_of(client, origin=origin))
    assert not is_accepted


async def test_a_name_that_is_not_ours_is_refused_even_if_the_page_bears_it_too(member: Membership):
    client = await in_thread(sign_in)(member.user)
    headers = headers_of(client, origin="http://evil.example", host="evil.example")
    is_accepted, _ = await knock(f"/w/{member.tenant.slug}/sessions/live/", headers)
    assert not is_accepted


async def test_a_suspended_workspace_opens_no_socket(member: Membership):
    await in_thread(suspend_tenant)(tenant_id=member.tenant.pk, actor=SYSTEM)
    client = await in_thread(sign_in)(member.user)
    is_accepted, _ = await knock(f"/w/{member.tenant.slug}/sessions/live/", headers_of(client))
    assert not is_accepted


def remove(member: Membership) -> None:
    other = UserFactory()
    set_member_role(tenant_id=member.tenant.pk, user=other, role=Role.ADMIN, actor=SYSTEM)
    remove_member(tenant_id=member.tenant.pk, user=member.user, actor=SYSTEM)


def end_session(member: Membership) -> None:
    Session.objects.all().delete()


def let_session_expire(member: Membership) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


ENDINGS: dict[str, Callable[[Membership], object]] = {
    "the membership is removed": remove,
    "the workspace is suspended": lambda member: suspend_tenant(tenant_id=member.tenant.pk, actor=SYSTEM),
    "the person is deactivated": lambda member: deactivate_user(user_id=member.user.pk, actor=SYSTEM),
    "the password is changed": lambda member: set_password(
        user_id=member.user.pk, password="new words for it", actor=SYSTEM
    ),
    "the session is ended": end_session,
    "the session expires": let_session_expire,
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_the_socket_closes_when_access_ends(member: Membership, ending: str):
    client = await in_thread(sign_in)(member.user)
    async with open_socket(client, member.tenant) as socket:
        await in_thread(ENDINGS[ending])(member)
        assert await socket.receive_close(CLOSED_WITHIN_SECONDS) == 4404


@pytest.mark.usefixtures("quiet_hub")
async def test_signing_out_closes_the_sockets_of_that_session_alone(member: Membership):
    here, there = await in_thread(sign_in)(member.user), await in_thread(sign_in)(member.user)
    async with open_socket(there, member.tenant) as stays, open_socket(here, member.tenant) as goes:
        await in_thread(here.post)("/sign-out/")
        assert await goes.receive_close(CLOSED_WITHIN_SECONDS) == 4404
        await hub().check_access()
        assert await stays.communicator.receive_nothing()


@pytest.mark.usefixtures("quiet_hub")
async def test_access_that_ends_through_a_service_closes_at_once(member: Membership):
    """And not only when the hub looks again at who may listen."""
    client = await in_thread(sign_in)(member.user)
    async with open_socket(client, member.tenant) as socket:
        await in_thread(remove)(member)
        assert await socket.receive_close() == 4404


async def test_one_query_looks_at_all_sockets(member: Membership, django_assert_num_queries):
    def ask() -> None:
        seats = [member, *MembershipFactory.create_batch(3, tenant=member.tenant), MembershipFactory()]
        people = [seat.user for seat in seats]
        admissions = []
        for person in people:
            session_key = sign_in(person).session.session_key
            for slug in (member.tenant.slug, person.memberships.get().tenant.slug):
                if found := admit(person, session_key, slug):
                    admissions.append(found[1])
        with django_assert_num_queries(1):
            assert still_admitted(admissions, timezone.now()) == set(admissions)

    await in_thread(ask)()


@pytest.mark.usefixtures("quiet_hub")
async def test_a_page_that_takes_nothing_in_is_sent_a_bounded_number_of_messages(member: Membership):
    client = await in_thread(sign_in)(member.user)
    async with open_socket(client, member.tenant) as socket:
        (room,) = hub().rooms.values()
        (listener,) = room.listeners
        for number in range(MOST_IN_FLIGHT - 1):
            listener.push(f'{{"number": {number}}}')
            assert (await socket.communicator.receive_json_from())["number"] == number
        for _ in range(3 * MOST_WAITING):
            listener.push("{}")
        assert await socket.communicator.receive_nothing()
        assert len(listener._waiting) <= MOST_WAITING
        await socket.communicator.send_to(text_data="ack")
        assert await socket.communicator.receive_from() == RESYNC
