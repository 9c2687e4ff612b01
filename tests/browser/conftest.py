"""A real Chromium on the running product. A page that breaks its content security policy fails its test.

`open_page` is for tests that make their own data, with `django_db(transaction=True)`. `visits` is for those
that share the demo, committed for one module at a time, on the web part as `make run` starts it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections
from django.db.backends.base.creation import TEST_DATABASE_PREFIX
from django.test.utils import setup_databases, teardown_databases
from playwright.sync_api import Browser, Page, expect, sync_playwright

from config.demo.loading import load_demo
from config.demo.stage import OWNER, SLUG
from tests.browser.server import is_somebody_at_work, run_server
from tests.browser.visits import PATIENCE_MS, Visits
from tests.config.processes import eventually
from workspace.models import Membership, Role, Tenant, User

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: What headless Chromium needs in a container, as root, and what keeps it from calling anybody else.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for a module: Playwright's event loop must be gone before tests that run their own."""
    found = (shutil.which(name) for name in (os.environ.get("CHROMIUM", ""), *NAMES))
    path = next((path for path in found if path), None)
    if path is None:
        pytest.fail(
            "Chromium is missing: install it (Debian: apt-get install chromium), name it in CHROMIUM, "
            'or leave its tests out with -m "not browser"'
        )
    # The connection from before belongs to no event loop, so nobody would close it while one runs.
    connections.close_all()
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's event loop runs in this thread, where Django would refuse to touch the database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
        # Django keeps connections apart for code under an event loop; these would hold the database open.
        connections.close_all()


@pytest.fixture
def open_page(chromium: Browser, live_server: Any) -> Iterator[Callable[..., Page]]:
    """A fresh browser on the product, signed in as `user`; keywords are those of a browser context.

    When the test is over no page may have broken the policy or met an error of its own scripts.
    """
    visits = Visits(chromium, live_server.url)
    yield visits.enter
    visits.close()
    assert visits.problems == []


@pytest.fixture(scope="session")
def database(django_db_setup, django_db_blocker) -> Iterator[None]:
    """The database of the test run, also where no test with pytest-django's mark was asked for.

    The tests that share the demo have no such mark: it would put what they write into a transaction, which
    the server does not see.
    """
    with django_db_blocker.unblock():
        if str(connection.settings_dict["NAME"]).startswith(TEST_DATABASE_PREFIX):
            yield
            return
        made = setup_databases(verbosity=0, interactive=False, aliases=["default"])
        yield
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="session")
def server(database, django_db_blocker, tmp_path_factory) -> Iterator[str]:
    with django_db_blocker.unblock(), run_server(tmp_path_factory.mktemp("server") / "log") as address:
        yield address


@pytest.fixture(scope="module")
def demo(database, chromium, django_db_blocker) -> Iterator[Tenant]:
    """The demo's workspace; afterwards the database is emptied for the tests of other modules."""
    with django_db_blocker.unblock():
        load_demo()
        yield Tenant.objects.get(slug=SLUG)
        eventually(is_emptied)


def is_emptied() -> bool:
    """Empties the database; False if somebody was still at work on it."""
    if is_somebody_at_work():
        return False
    try:
        call_command("flush", interactive=False, verbosity=0)
    except CommandError as error:
        if isinstance(error.__cause__, OperationalError):
            return False
        raise
    return True


@pytest.fixture(scope="module")
def owner(demo: Tenant) -> User:
    """An admin of the demo's workspace, who owns most of what is in it."""
    return User.objects.get(email=OWNER)


@pytest.fixture
def colleague(demo: Tenant, owner: User) -> User:
    """Another member of that workspace, who may decide."""
    others = Membership.objects.for_tenant(demo.pk).exclude(user=owner).exclude(role=Role.VIEWER)
    return others.select_related("user").earliest("pk").user


@pytest.fixture
def visits(chromium: Browser, server: str, demo: Tenant) -> Iterator[Visits]:
    """Browsers on the product with the demo in it; complaints at the end as for `open_page`."""
    made = Visits(chromium, server)
    yield made
    made.close()
    assert made.problems == []
