"""The operator's admin in a real browser: its widgets work, and nothing breaks the policy."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from chats.models import Chat
from tests.admin.asking import change_page, list_page
from tests.admin.rows import MAKERS
from tests.factories.chats import ChatFactory
from tests.factories.workspace import InitiativeFactory, PlanFactory, TenantFactory, UserFactory
from workspace.models import Membership, Plan, User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_operator_signs_in_and_finds_leafs_through_and_ends_chats(open_page: Callable[..., Page]):
    password = uuid.uuid4().hex
    operator = User.objects.create_superuser("operator@example.com", password)
    chats = [ChatFactory(title=f"Fix the login {n}") for n in range(52)]
    page = open_page()
    page.goto(list_page(Chat))
    page.fill("input[name=username]", operator.email)
    page.fill("input[name=password]", password)
    page.click("#login-form input[type=submit]")
    expect(page.locator("#result_list tbody tr")).to_have_count(50)
    page.click("a[rel=next]")
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    page.fill("#searchbar", "login 51")
    page.click("#changelist-search input[type=submit]")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.wait_for_load_state()  # the box ticks all others once the page's scripts have run
    page.check("#action-toggle")
    page.select_option("select[name=action]", "end")
    page.click("button[name=index]")
    expect(page.locator("h1", has_text="End?")).to_be_visible()
    page.click("input[type=submit][value=End]")
    expect(page.locator(".messagelist")).to_contain_text("done for 1 chat")
    chats[51].refresh_from_db()
    assert chats[51].status == "ended"


def test_a_row_is_ended_from_its_page_and_has_a_history(open_page: Callable[..., Page]):
    chat = ChatFactory(title="Deploy on Friday")
    page = open_page(UserFactory(superuser=True))
    page.goto(change_page(chat))
    page.select_option("select[name=CHANGE_FORM-action]", "end")
    page.click(".actions button")
    page.click("text=No, take me back")
    expect(page).to_have_url(re.compile("/change/$"))
    expect(page.locator("select[name=CHANGE_FORM-action]")).to_be_visible()
    page.select_option("select[name=CHANGE_FORM-action]", "end")
    page.click(".actions button")
    page.click("input[type=submit][value=End]")
    expect(page.locator(".messagelist")).to_contain_text("done for 1 chat")
    page.click("text=History")
    expect(page.locator("#change-history")).to_contain_text("End")


def test_a_workspace_and_a_person_are_chosen_by_typing(open_page: Callable[..., Page]):
    TenantFactory(name="Acme Rockets")
    UserFactory(email="wile@example.com", name="Wile E.")
    page = open_page(UserFactory(superuser=True))
    page.goto(reverse("admin:workspace_membership_add"))
    for field, typed, offered in (("workspace", "rocket", "Acme Rockets"), ("user", "wile@", "Wile E.")):
        page.click(f".field-{field} .select2-selection")
        page.locator(".select2-search__field").press_sequentially(typed)
        page.click(f".select2-results__option:has-text('{offered}')")
    page.select_option("#id_role", "viewer")
    page.click("input[name=_save]")
    expect(page.locator(".messagelist")).to_contain_text("added successfully")
    seat = Membership.objects.get()
    assert (seat.tenant.name, seat.user.email, seat.role) == ("Acme Rockets", "wile@example.com", "viewer")


def test_a_row_is_chosen_in_a_popup(open_page: Callable[..., Page]):
    plan = PlanFactory()
    initiative = InitiativeFactory(tenant=plan.tenant, name="Payments")
    page = open_page(UserFactory(superuser=True))
    page.goto(change_page(plan))
    with page.expect_popup() as opened:
        page.click("#lookup_id_initiative")
    popup = opened.value
    popup.wait_for_load_state()  # a row is chosen once the page's scripts have run
    with popup.expect_event("close"):
        popup.click("#result_list >> text=Payments")
    expect(page.locator("#id_initiative")).to_have_value(str(initiative.pk))
    page.click("input[name=_save]")
    expect(page.locator(".messagelist")).to_contain_text("changed successfully")
    assert Plan.objects.get().initiative == initiative


def test_a_sign_in_link_is_shown_on_a_page_of_its_own(open_page: Callable[..., Page]):
    user = UserFactory()
    page = open_page(UserFactory(superuser=True))
    page.goto(change_page(user))
    page.select_option("select[name=CHANGE_FORM-action]", "sign_in_link")
    page.click(".actions button")
    link = page.locator("#sign-in-link").inner_text()
    visitor = open_page()
    visitor.goto(link)
    visitor.click("main button")
    expect(visitor).not_to_have_url(re.compile("sign-in"))


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}}])
def test_each_kind_of_page_keeps_the_policy(open_page: Callable[..., Page], options: dict[str, object]):
    rows = [make() for make in MAKERS.values()]
    user = UserFactory()
    page = open_page(UserFactory(superuser=True), **options)
    visited = [
        reverse("admin:index"),
        reverse("admin:password_change"),
        reverse("admin:workspace_user_password", args=[user.pk]),
        reverse("admin:workspace_tenant_add"),
        reverse("admin:workspace_secret_add"),
        *(list_page(type(row)) for row in rows),
        *(change_page(row) for row in rows),
    ]
    for address in visited:
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        assert "nonce-" in answer.headers["content-security-policy"]
        expect(page.locator("#content")).to_be_visible()
    if not options:
        page.click("#toggle-nav-sidebar")
        page.click(".theme-toggle")
