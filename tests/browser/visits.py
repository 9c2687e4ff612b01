"""Opening pages in a browser as somebody, and what may be said of a page then."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page

from workspace.models import User

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
TABLET = {"width": 1024, "height": 768}
#: How long the browser looks for what is expected; the machine may be busy.
PATIENCE_MS = 15_000
#: Runs before any script of the page, in each frame and popup.
WATCH = """
window.addEventListener('securitypolicyviolation', (event) => {
    window.reportViolation(`${document.location.pathname}: ${event.violatedDirective} ${event.blockedURI}`
        + ` ${event.sourceFile}:${event.lineNumber} ${event.sample}`);
});
"""


@dataclass
class Visits:
    """Browsers of people on one server, and in `problems` what broke the policy or failed in a script."""

    browser: Browser
    server: str
    contexts: list[BrowserContext] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def enter(self, user: User | None = None, **options: Any) -> Page:
        """An empty page in a browser of its own; `options` are those of a browser context."""
        context = self.browser.new_context(base_url=self.server, **options)
        self.contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        context.expose_function("reportViolation", lambda text: self.problems.append(text))
        context.add_init_script(WATCH)
        context.on("weberror", lambda error: self.problems.append(f"script error: {error.error}"))
        if user is not None:
            client = Client()
            client.force_login(user)
            name = settings.SESSION_COOKIE_NAME
            context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": self.server}])
        return context.new_page()

    def open(self, path: str, user: User | None = None, **options: Any) -> Page:
        """The page at `path`, wide and light unless `options` say otherwise."""
        page = self.enter(user, **{"viewport": WIDE, "color_scheme": "light", **options})
        page.goto(path)
        return page

    def close(self) -> None:
        for context in self.contexts:
            context.close()


def say_online(page: Page) -> None:
    """What a browser says once its network is back: the page connects at once, not after its pause."""
    page.evaluate("() => { dispatchEvent(new Event('online')); }")


def install_clock(page: Page) -> None:
    """Let the timers of what is loaded next run when the test says so, however slow the machine is."""
    page.clock.install()
    page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))


def violations(page: Page, *rules: str, within: str | None = None) -> list[str]:
    """What axe finds on the page as it stands, or in a part of it, by all its rules or by these."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {}
    run = f"part => axe.run(part || document, {json.dumps(options)}).then(result => result.violations)"
    found = page.evaluate(run, within)
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found
        for node in violation["nodes"]
    ]


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    wider: int = page.evaluate(
        "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return wider
