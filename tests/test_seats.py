"""Every address of the product from every seat: a route without an entry here fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from audit.entries import EntryKind, NewEntry
from audit.models import Surfacing
from audit.services import append_entries
from flows.models import Artifact
from flows.triggers import create_trigger
from intake.models import FileState, StagedFile
from tests.factories.agents import ProfileFactory, SkillFactory
from tests.factories.chats import ChatFactory
from tests.factories.flows import FlowFactory, FlowRunFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import (
    InitiativeFactory,
    MembershipFactory,
    PlanFactory,
    TenantFactory,
    UserFactory,
)
from tests.intake.staged_files import begin
from workspace.actors import SYSTEM
from workspace.models import Membership, Role, Tenant, User
from workspace.secrets import create_secret
from workspace.services import create_sign_in_link
from workspace.tokens import create_token

pytestmark = pytest.mark.django_db

LOGIN = "/sign-in/"


@dataclass(frozen=True)
class World:
    """One workspace with an owner and a teammate, and a stranger who is admin of another one."""

    tenant: Tenant
    owner: User
    teammate: User
    viewer: User
    stranger: User

    def make(self, factory: Any, **fields: Any) -> Any:
        return factory(tenant=self.tenant, owner=self.owner, **fields)


@pytest.fixture
def world() -> World:
    tenant = TenantFactory(slug="acme")
    people = {role: UserFactory() for role in ("owner", "teammate", "viewer", "stranger")}
    MembershipFactory(tenant=tenant, user=people["owner"], role=Role.MEMBER)
    MembershipFactory(tenant=tenant, user=people["teammate"], role=Role.MEMBER)
    MembershipFactory(tenant=tenant, user=people["viewer"], role=Role.VIEWER)
    MembershipFactory(tenant=TenantFactory(), user=people["stranger"], role=Role.ADMIN)
    return World(tenant, **people)


@dataclass(frozen=True)
class Route:
    """How to ask for a route and what each seat gets: `anyone` pages are the same for all of them."""

    kwargs: Callable[[World], dict[str, Any]]
    method: str = "get"
    data: Callable[[World], Any] = lambda world: {}
    owner: int = 200
    teammate: int = 200
    viewer: int = 200
    stranger: int = 404
    anonymous: int = 302


def in_workspace(**make: Callable[[World], Any]) -> Callable[[World], dict[str, Any]]:
    return lambda world: {"workspace": "acme", **{name: value(world) for name, value in make.items()}}


def transcript_of_chat(world: World) -> dict[str, Any]:
    chat = world.make(ChatFactory)
    entry = NewEntry(kind=EntryKind.MESSAGE, native_id="m", text="hello")
    append_entries(tenant_id=world.tenant.pk, session=("chat", chat.pk), entries=[entry])
    return {"workspace": "acme", "kind": "chat", "session_id": chat.pk, "seq": 1}


def artifact_of_run(world: World) -> dict[str, Any]:
    run = world.make(FlowRunFactory)
    artifact = Artifact.objects.create(
        tenant=world.tenant,
        run=run,
        name="notes.txt",
        content_type="text/plain",
        size_bytes=5,
        text="notes",
        is_scanned=True,
    )
    return {"workspace": "acme", "run_id": run.pk, "artifact_id": artifact.pk}


def image_of_run(world: World) -> dict[str, Any]:
    where = artifact_of_run(world)
    artifact = Artifact.objects.get(pk=where["artifact_id"])
    artifact.content_type = "image/png"
    artifact.file.save("dot.png", ContentFile(b"\x89PNG\r\n\x1a\n"))
    return where


def ends_a_chat(world: World) -> dict[str, Any]:
    return {"workspace": "acme", "kind": "chat", "session_id": world.make(ChatFactory).pk}


def staged_file(**fields: Any) -> Callable[[World], dict[str, Any]]:
    """A file that the owner began to send, with these values."""

    def made(world: World) -> dict[str, Any]:
        seat = Membership.objects.get(tenant=world.tenant, user=world.owner)
        _, [file] = begin(seat, {"session.jsonl": b"{}"})
        StagedFile.objects.filter(pk=file.pk).update(**fields)
        return {"workspace": "acme", "file_id": file.pk}

    return made


def part_of_file(world: World) -> dict[str, Any]:
    return {**staged_file()(world), "number": 0}


def a_trigger(world: World) -> dict[str, Any]:
    flow = FlowFactory(tenant=world.tenant)
    trigger = create_trigger(
        tenant_id=world.tenant.pk,
        flow_id=flow.pk,
        owner_id=world.owner.pk,
        actor=SYSTEM,
        cron="0 9 * * *",
        time_zone="UTC",
    )
    return {"workspace": "acme", "flow_id": flow.pk, "trigger_id": trigger.pk}


def a_secret(world: World) -> dict[str, Any]:
    value = "kn0wn" + "-value-of-a-secret"
    create_secret(tenant_id=world.tenant.pk, name="API_KEY", value=value, actor=SYSTEM)
    return {"workspace": "acme", "name": "API_KEY"}


def a_token(world: World) -> dict[str, Any]:
    seat = Membership.objects.get(tenant=world.tenant, user=world.owner)
    token, _ = create_token(
        tenant_id=world.tenant.pk, owner=seat, name="CI", scopes=["flows:read"], actor=SYSTEM
    )
    return {"workspace": "acme", "token_id": token.pk}


def a_rule(world: World) -> dict[str, Any]:
    now = timezone.now()
    Surfacing.objects.create(
        tenant=world.tenant,
        session_kind="chat",
        session_id=world.make(ChatFactory).pk,
        is_known=False,
        name="github-pat",
        digest="0" * 64,
        count=1,
        first_at=now,
        last_at=now,
    )
    return {"workspace": "acme", "rule": "github-pat"}


#: What the workspace's admins may alone: none of the members here is one.
MANAGING = {"owner": 403, "teammate": 403, "viewer": 403}
ANYONE = {"owner": 200, "teammate": 200, "viewer": 200, "stranger": 200, "anonymous": 200}
ROUTES: dict[str, Route] = {
    "workspace:home": Route(
        lambda world: {}, owner=302, teammate=302, viewer=302, stranger=302, anonymous=302
    ),
    "workspace:sign-in": Route(lambda world: {}, **ANYONE),
    "workspace:sign-in-link": Route(
        lambda world: {"token": create_sign_in_link(email=world.owner.email)}, **ANYONE
    ),
    "workspace:sign-out": Route(
        lambda world: {}, method="post", owner=302, teammate=302, viewer=302, stranger=302, anonymous=302
    ),
    "workspace:token-list": Route(in_workspace()),
    "workspace:token-create": Route(in_workspace(), method="post", owner=422, teammate=422, viewer=422),
    "workspace:token-revoke": Route(a_token, method="post", owner=302, teammate=403, viewer=403),
    "sessions_app:session-list": Route(in_workspace()),
    "sessions_app:session-changes": Route(in_workspace(), data=lambda world: {"since": "0-0"}),
    "sessions_app:session-standing": Route(in_workspace()),
    "sessions_app:session-action": Route(
        ends_a_chat,
        method="post",
        data=lambda world: {"action": "end", "version": "1"},
        owner=302,
        teammate=403,
        viewer=403,
    ),
    "sessions_app:session-peek": Route(ends_a_chat),
    "sessions_app:session-bulk": Route(
        in_workspace(), data=lambda world: {"s": f"chat:{world.make(ChatFactory).pk}"}
    ),
    "sessions_app:command-center": Route(in_workspace()),
    "sessions_app:session-claim": Route(ends_a_chat, method="post", owner=204, teammate=403, viewer=403),
    "sessions_app:session-seen": Route(ends_a_chat, method="post", owner=204, teammate=204, viewer=204),
    "sessions_app:unread-sessions": Route(in_workspace()),
    "sessions_app:empty-frame": Route(in_workspace()),
    "sessions_app:everything-seen": Route(in_workspace(), method="post", owner=302, teammate=302, viewer=302),
    "sessions_app:initiative-list": Route(in_workspace()),
    "sessions_app:initiative-detail": Route(
        in_workspace(initiative_id=lambda world: InitiativeFactory(tenant=world.tenant).pk)
    ),
    "sessions_app:plan-list": Route(in_workspace()),
    "sessions_app:plan-detail": Route(
        in_workspace(plan_id=lambda world: PlanFactory(tenant=world.tenant).pk)
    ),
    "audit:entry-detail": Route(transcript_of_chat),
    "audit:secret-list": Route(in_workspace(), **MANAGING),
    "audit:secret-create": Route(in_workspace(), method="post", **MANAGING),
    "audit:secret-detail": Route(a_secret),
    "audit:secret-rotate": Route(a_secret, method="post", **MANAGING),
    "audit:secret-action": Route(a_secret, method="post", **MANAGING),
    "audit:rule-detail": Route(a_rule),
    "audit:sweep-list": Route(in_workspace(), **MANAGING),
    "audit:sweep-start": Route(in_workspace(), method="post", **MANAGING),
    "tasks:task-detail": Route(in_workspace(task_id=lambda world: world.make(BackgroundTaskFactory).pk)),
    "chats:chat-detail": Route(in_workspace(chat_id=lambda world: world.make(ChatFactory).pk)),
    "flows:run-detail": Route(in_workspace(run_id=lambda world: world.make(FlowRunFactory).pk)),
    "flows:checkpoint-edit": Route(
        in_workspace(run_id=lambda world: world.make(FlowRunFactory, paused=True).pk), viewer=403
    ),
    "flows:flow-list": Route(in_workspace()),
    "flows:flow-create": Route(in_workspace(), viewer=403),
    "flows:flow-detail": Route(in_workspace(flow_id=lambda world: FlowFactory(tenant=world.tenant).pk)),
    "flows:flow-edit": Route(
        in_workspace(flow_id=lambda world: FlowFactory(tenant=world.tenant).pk), viewer=403
    ),
    "flows:flow-file": Route(in_workspace(flow_id=lambda world: FlowFactory(tenant=world.tenant).pk)),
    "flows:flow-action": Route(
        in_workspace(flow_id=lambda world: FlowFactory(tenant=world.tenant).pk),
        method="post",
        data=lambda world: {"action": "archive"},
        owner=302,
        teammate=302,
        viewer=403,
    ),
    "flows:skill-list": Route(in_workspace()),
    "flows:skill-create": Route(in_workspace(), **MANAGING),
    "flows:skill-detail": Route(in_workspace(row_id=lambda world: SkillFactory(tenant=world.tenant).pk)),
    "flows:skill-edit": Route(
        in_workspace(row_id=lambda world: SkillFactory(tenant=world.tenant).pk), **MANAGING
    ),
    "flows:skill-action": Route(
        in_workspace(row_id=lambda world: SkillFactory(tenant=world.tenant).pk), method="post", **MANAGING
    ),
    "flows:profile-list": Route(in_workspace()),
    "flows:profile-create": Route(in_workspace(), **MANAGING),
    "flows:profile-detail": Route(in_workspace(row_id=lambda world: ProfileFactory(tenant=world.tenant).pk)),
    "flows:profile-edit": Route(
        in_workspace(row_id=lambda world: ProfileFactory(tenant=world.tenant).pk), **MANAGING
    ),
    "flows:profile-action": Route(
        in_workspace(row_id=lambda world: ProfileFactory(tenant=world.tenant).pk), method="post", **MANAGING
    ),
    "flows:trigger-list": Route(in_workspace(flow_id=lambda world: FlowFactory(tenant=world.tenant).pk)),
    "flows:trigger-edit": Route(a_trigger, teammate=403, viewer=403),
    "flows:trigger-action": Route(
        a_trigger,
        method="post",
        data=lambda world: {"action": "pause"},
        owner=302,
        teammate=403,
        viewer=403,
    ),
    "flows:artifact-download": Route(artifact_of_run),
    "flows:artifact-preview": Route(artifact_of_run),
    "flows:artifact-image": Route(image_of_run),
    "intake:upload-list": Route(in_workspace()),
    "intake:file-detail": Route(staged_file()),
    "intake:upload-form": Route(in_workspace(), method="post", owner=302, teammate=302, viewer=403),
    "intake:upload-begin": Route(in_workspace(), method="post", owner=422, teammate=422, viewer=403),
    "intake:part-store": Route(
        part_of_file, method="put", data=lambda world: b"{}", owner=204, teammate=404, viewer=403
    ),
    "intake:file-complete": Route(
        staged_file(size_bytes=0), method="post", owner=204, teammate=404, viewer=403
    ),
    "intake:file-retry": Route(
        staged_file(state=FileState.DEAD), method="post", owner=302, teammate=403, viewer=403
    ),
    "intake:file-delete": Route(staged_file(), method="post", owner=302, teammate=403, viewer=403),
}
#: Pages that show a form and take it.
FORMS = {
    "sessions_app:session-bulk",
    "flows:flow-create",
    "flows:flow-detail",
    "flows:flow-edit",
    "flows:skill-create",
    "flows:skill-edit",
    "flows:profile-create",
    "flows:profile-edit",
    "flows:checkpoint-edit",
    "flows:trigger-list",
    "flows:trigger-edit",
}
#: The operator's admin and the HTTP API have tests of their own, for all of their addresses.
ELSEWHERE = {"admin", "api"}


def named_routes(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace in ELSEWHERE:
                continue
            inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from named_routes(pattern.url_patterns, inner)
        elif isinstance(pattern, URLPattern):
            assert pattern.name, f"{pattern.pattern} has no name"
            yield prefix + pattern.name


def test_every_route_has_an_entry():
    assert set(named_routes(get_resolver().url_patterns)) == set(ROUTES)


def ask(world: World, route: str, user: User | None) -> Any:
    entry = ROUTES[route]
    client = Client(raise_request_exception=True)
    if user is not None:
        client.force_login(user)
    return getattr(client, entry.method)(reverse(route, kwargs=entry.kwargs(world)), entry.data(world))


@pytest.mark.parametrize("seat", ["owner", "teammate", "viewer", "stranger"])
@pytest.mark.parametrize("route", ROUTES)
def test_each_seat_gets_what_it_may_have(world, route, seat):
    response = ask(world, route, getattr(world, seat))
    assert response.status_code == getattr(ROUTES[route], seat)


@pytest.mark.parametrize("route", ROUTES)
def test_nobody_signed_in_is_asked_to_sign_in(world, route):
    response = ask(world, route, None)
    assert response.status_code == ROUTES[route].anonymous
    if response.status_code == 302:
        assert response.headers["Location"].startswith(LOGIN)


@pytest.mark.parametrize("route", [name for name, entry in ROUTES.items() if entry.stranger == 404])
def test_a_suspended_workspace_is_not_there_for_its_own_members(world, route):
    entry_kwargs = ROUTES[route].kwargs(world)
    Tenant.objects.filter(pk=world.tenant.pk).update(suspended_at=timezone.now())
    client = Client()
    client.force_login(world.owner)
    url = reverse(route, kwargs=entry_kwargs)
    assert getattr(client, ROUTES[route].method)(url, ROUTES[route].data(world)).status_code == 404


@pytest.mark.parametrize("route", [name for name, entry in ROUTES.items() if entry.stranger == 404])
def test_ids_of_another_workspace_are_not_found_in_ones_own(world, route):
    """The stranger asks in their own workspace for what belongs to this one."""
    kwargs = ROUTES[route].kwargs(world)
    own = world.stranger.memberships.get().tenant
    ids = {name: value for name, value in kwargs.items() if name.endswith("_id")}
    if not ids:
        pytest.skip("the route names nothing of a workspace")
    client = Client()
    client.force_login(world.stranger)
    url = reverse(route, kwargs={**kwargs, "workspace": own.slug})
    assert getattr(client, ROUTES[route].method)(url, ROUTES[route].data(world)).status_code == 404


@pytest.mark.parametrize("route", [name for name, entry in ROUTES.items() if entry.method == "get"])
def test_pages_that_are_read_take_no_post(world, route):
    if route.startswith("workspace:sign-in") or route in FORMS:
        pytest.skip("the page of a form takes its POST")
    client = Client()
    client.force_login(world.owner)
    assert client.post(reverse(route, kwargs=ROUTES[route].kwargs(world))).status_code == 405


@pytest.mark.parametrize("route", [name for name, entry in ROUTES.items() if entry.method != "get"])
def test_an_address_that_is_only_sent_to_leads_whoever_opens_it_to_its_page(world, route):
    client = Client()
    client.force_login(world.owner)
    url = reverse(route, kwargs=ROUTES[route].kwargs(world))
    answer = client.get(url)
    assert (answer.status_code, answer.headers["Allow"]) == (405, ROUTES[route].method.upper())
    text = answer.content.decode()
    assert "Nothing was done" in text
    assert ("Command Center" in text) == url.startswith("/w/")
    led_to = client.get(answer.context["page_url"]).status_code
    assert led_to in {200, 302, ROUTES[route].owner}
    client.force_login(world.stranger)
    told = client.get(url)
    assert told.status_code == 405
    assert world.tenant.name not in told.content.decode()


def test_a_page_that_takes_nothing_leads_to_itself(world):
    client = Client()
    client.force_login(world.owner)
    url = reverse("sessions_app:session-list", args=["acme"])
    answer = client.post(url)
    assert (answer.status_code, answer.context["page_url"]) == (405, url)
    assert client.head(reverse("workspace:sign-out")).content == b""
