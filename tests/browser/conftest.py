"""A real Chromium on the running product. A page that breaks its content security policy fails its test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright

from workspace.models import User

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
#: Runs before any script of the page, in each frame and popup.
WATCH = """
window.addEventListener('securitypolicyviolation', (event) => {
    window.reportViolation(`${document.location.pathname}: ${event.violatedDirective} ${event.blockedURI}`
        + ` ${event.sourceFile}:${event.lineNumber} ${event.sample}`);
});
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.fail("Chromium is missing: install it, or name it in CHROMIUM")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's event loop runs in this thread, where Django would refuse to touch the database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, live_server: Any) -> Iterator[Callable[..., Page]]:
    """A fresh browser on the product, signed in as `user`; keywords are those of a browser context.

    When the test is over no page may have broken the policy or met an error of its own scripts.
    """
    problems: list[str] = []
    contexts = []

    def open_as(user: User | None = None, **options: Any) -> Page:
        context = chromium.new_context(base_url=live_server.url, **options)
        contexts.append(context)
        context.set_default_timeout(15_000)
        context.expose_function("reportViolation", lambda text: problems.append(text))
        context.add_init_script(WATCH)
        context.on("weberror", lambda error: problems.append(f"script error: {error.error}"))
        if user is not None:
            client = Client()
            client.force_login(user)
            name = settings.SESSION_COOKIE_NAME
            context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
        return context.new_page()

    yield open_as
    for context in contexts:
        context.close()
    assert problems == []
