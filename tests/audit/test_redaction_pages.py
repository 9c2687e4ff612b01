"""Pages of secrets, rules and sweeps: where each surfaced, what admins may do, and never a value."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.entries import EntryKind, NewEntry
from audit.models import RedactionSweep, Surfacing
from audit.services import append_entries
from chats.models import Chat
from tests.factories.chats import ChatFactory
from tests.factories.workspace import MembershipFactory, TenantFactory
from workspace.actors import SYSTEM
from workspace.models import EarlierValue, RotationCheck, RotationStep, Secret, Tenant
from workspace.secrets import create_secret, rotate_secret

pytestmark = pytest.mark.django_db

FIRST, SECOND = "kn0wn" + "-first-value", "kn0wn" + "-second-value"
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory(slug="acme")


@pytest.fixture
def admin(tenant: Tenant) -> Client:
    return seat(tenant, admin=True)


def seat(tenant: Tenant, **role: bool) -> Client:
    client = Client()
    client.force_login(MembershipFactory(tenant=tenant, **role).user)
    return client


def url(name: str, *args: str) -> str:
    return reverse(f"audit:{name}", args=["acme", *args])


def make_secret(tenant: Tenant) -> None:
    create_secret(tenant_id=tenant.pk, name="API_KEY", value=FIRST, note="for builds", actor=SYSTEM)


def say(tenant: Tenant, title: str, text: str, at: datetime = AT) -> Chat:
    chat: Chat = ChatFactory(tenant=tenant, title=title)
    entry = NewEntry(kind=EntryKind.MESSAGE, native_id=uuid.uuid4().hex, occurred_at=at, text=text)
    append_entries(tenant_id=tenant.pk, session=("chat", chat.pk), entries=[entry])
    return chat


def test_an_admin_registers_a_secret_and_nobody_reads_it_again(tenant, admin):
    posted = {"name": "API_KEY", "value": FIRST, "note": "for builds"}
    response = admin.post(url("secret-create"), posted, follow=True)
    assert response.status_code == 200
    page = response.content.decode() + admin.get(url("secret-list")).content.decode()
    assert "API_KEY" in page
    assert "for builds" in page
    assert FIRST not in page


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("API_KEY", "changeme", "a common word"),
        ("API_KEY", "short", "fewer than 8"),
        ("TAKEN", SECOND, "already"),
        ("no name", SECOND, "letters, digits"),
        ("API_KEY", FIRST, "TAKEN has this value"),
    ],
)
def test_a_refusal_says_why_and_does_not_send_the_value_back(tenant, admin, name, value, reason):
    create_secret(tenant_id=tenant.pk, name="TAKEN", value=FIRST, actor=SYSTEM)
    response = admin.post(url("secret-create"), {"name": name, "value": value})
    assert response.status_code == 422
    page = response.content.decode()
    assert reason in page
    assert SECOND not in page
    assert FIRST not in page
    assert Secret.objects.count() == 1


def test_a_rotation_on_the_page_keeps_the_earlier_value(tenant, admin):
    make_secret(tenant)
    assert admin.post(url("secret-rotate", "API_KEY"), {"value": FIRST}).status_code == 422
    assert admin.post(url("secret-rotate", "API_KEY"), {"value": SECOND}).status_code == 302
    page = admin.get(url("secret-detail", "API_KEY")).content.decode()
    assert "1 still recognised" in page
    assert admin.post(url("secret-action", "API_KEY"), {"action": "forget"}).status_code == 302
    assert not EarlierValue.objects.exists()


def test_steps_of_the_rotation_are_ticked_off(tenant, admin):
    make_secret(tenant)
    for done, there in (("1", True), ("0", False)):
        admin.post(url("secret-action", "API_KEY"), {"action": "tell", "done": done})
        assert RotationCheck.objects.filter(step=RotationStep.TELL).exists() is there
    admin.post(url("secret-action", "API_KEY"), {"action": "vendor", "done": "1"})
    assert 'aria-pressed="true"' in admin.get(url("secret-detail", "API_KEY")).content.decode()
    admin.post(url("secret-action", "API_KEY"), {"action": "restart"})
    assert not RotationCheck.objects.exists()
    assert admin.post(url("secret-action", "API_KEY"), {"action": "nonsense"}).status_code == 400


def test_a_deleted_secret_stays_listed_where_it_surfaced(tenant, admin):
    make_secret(tenant)
    say(tenant, "Deploys", FIRST)
    assert admin.post(url("secret-action", "API_KEY"), {"action": "delete"}).status_code == 302
    page = admin.get(url("secret-detail", "API_KEY")).content.decode()
    assert "was deleted" in page
    assert "Deploys" in page
    assert admin.post(url("secret-action", "API_KEY"), {"action": "delete"}).status_code == 404


def test_a_member_sees_where_a_secret_surfaced_and_manages_nothing(tenant):
    make_secret(tenant)
    chat = say(tenant, "Deploys", f"{FIRST} {FIRST}")
    page = seat(tenant, viewer=True).get(url("secret-detail", "API_KEY")).content.decode()
    assert "Deploys" in page
    assert "2 times" in page
    assert chat.owner.display_name in page
    assert "/rotate/" not in page
    assert "/do/" not in page


def test_an_earlier_value_is_told_from_the_present_one(tenant, admin):
    make_secret(tenant)
    say(tenant, "Old", FIRST)
    rotate_secret(tenant_id=tenant.pk, name="API_KEY", value=SECOND, actor=SYSTEM)
    say(tenant, "New", SECOND)
    page = admin.get(url("secret-detail", "API_KEY")).content.decode()
    assert page.count("earlier value</span>") == 1


def test_a_rule_names_the_other_sessions_with_the_same_value(tenant):
    for n in range(3):
        say(tenant, f"Chat {n}", f"token {TOKEN}")
    rule = Surfacing.objects.filter(is_known=False).values_list("name", flat=True).distinct().get()
    page = seat(tenant).get(url("rule-detail", rule)).content.decode()
    assert page.count("the same value in 2 other sessions") == 3
    assert len(set(re.findall(r"<code>#(\w{4})</code>", page))) == 1
    assert seat(tenant).get(url("rule-detail", "no-such-rule")).status_code == 404


def test_sessions_are_listed_newest_first_a_page_at_a_time(tenant, admin):
    make_secret(tenant)
    for n in range(60):
        say(tenant, f"Chat {n:02}", FIRST, at=AT + timedelta(hours=n))
    seen, address = [], url("secret-detail", "API_KEY")
    for _ in range(2):
        page = admin.get(address).content.decode()
        seen += re.findall(r">(Chat \d\d)</a>", page)
        older = re.search(r'href="(\?before=[^"]+)"', page)
        address = url("secret-detail", "API_KEY") + older[1] if older else ""
    assert seen == [f"Chat {n:02}" for n in reversed(range(60))]
    assert address == ""


def test_a_page_costs_the_same_whatever_it_shows(tenant, admin):
    make_secret(tenant)
    counts = []
    for _ in range(2):
        for _ in range(5):
            say(tenant, "Chat", f"{FIRST} {TOKEN}")
        with CaptureQueriesContext(connection) as captured:
            admin.get(url("secret-detail", "API_KEY"))
            admin.get(url("secret-list"))
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_the_reverse_index_reads_an_index_in_its_order(tenant):
    rows = Surfacing.objects.for_tenant(tenant.pk).filter(is_known=True, name="API_KEY")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = rows.order_by("-last_at", "-id")[:51].explain()
    assert "surfacing_by_name" in plan
    assert "Sort" not in plan


def test_a_session_says_what_was_redacted_in_it(tenant):
    make_secret(tenant)
    chat = say(tenant, "Deploys", f"{FIRST} {FIRST} {TOKEN}")
    page = seat(tenant).get(reverse("chats:chat-detail", args=["acme", chat.pk])).content.decode()
    assert "3 redactions" in page
    assert f'<a href="{url("secret-detail", "API_KEY")}">API_KEY</a></mark>' in page


def test_a_session_says_that_a_text_was_withheld(tenant):
    deep: object = "x"
    for _ in range(300):
        deep = [deep]
    chat = ChatFactory(tenant=tenant)
    entry = NewEntry(kind=EntryKind.TOOL_CALL, native_id="c", arguments={"deep": deep})
    append_entries(tenant_id=tenant.pk, session=("chat", chat.pk), entries=[entry])
    client = seat(tenant)
    page = client.get(reverse("chats:chat-detail", args=["acme", chat.pk])).content.decode()
    assert "1 withheld: too deep" in page
    assert "could not be scanned" in client.get(url("rule-detail", "unscanned: too deep")).content.decode()


def test_sweeps_are_shown_with_their_progress(tenant, admin):
    assert admin.post(url("sweep-start")).status_code == 302
    RedactionSweep.objects.update(
        status="running",
        targets=[
            {
                "key": "a.b",
                "label": "chats",
                "done": 3,
                "total": 9,
                "changed": 1,
                "cursor": None,
                "is_done": False,
                "unscanned": 23,
                "unscanned_ids": [f"id-{number}" for number in range(23)],
            }
        ],
    )
    page = admin.get(url("sweep-list")).content.decode()
    assert "23 could not be looked through" in page
    assert "<code>id-19</code> and 3 more" in page
    assert '<progress max="9" value="3"' in page
    assert "1 of 3 rows held a known secret" in page
    assert "hx-trigger" in page
    RedactionSweep.objects.update(status="completed")
    part = admin.get(url("sweep-list"), headers={"HX-Request": "true"}).content.decode()
    assert "hx-trigger" not in part
    assert "<html" not in part
