"""A session's file grows while a browser looks at what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import expect

from chats.models import Chat
from config.demo.stage import SLUG
from tests.browser.visits import Visits
from tests.config.processes import eventually
from tests.intake.claude_records import Session
from tests.intake.processes import following
from workspace.models import Membership, Tenant, User

pytestmark = pytest.mark.browser


def test_what_a_followed_file_gains_is_on_its_page_once(
    visits: Visits, demo: Tenant, owner: User, tmp_path: Path
):
    session = Session()
    now = datetime.now(UTC).isoformat()
    session.user("Count the herons", timestamp=now)
    session.answer("Counting herons now.", timestamp=now)
    file = tmp_path / "projects" / "herons.jsonl"
    file.parent.mkdir()
    member = Membership.objects.get(tenant=demo, user=owner)
    with following(member, CLAUDE_CONFIG_DIR=str(tmp_path), CODEX_HOME=str(tmp_path / "codex")) as follow:
        file.write_bytes(session.data)
        chats = Chat.objects.for_tenant(demo.pk).filter(title="Count the herons")
        eventually(chats.exists)
        page = visits.open(f"/w/{SLUG}/sessions/", owner)
        page.get_by_role("link", name="Count the herons").click()
        expect(page.get_by_text("Counting herons now.")).to_have_count(1)
        said = [f"Heron number {number}" for number in range(1, 4)]
        for words in said:
            session.answer(words, stop="end_turn", timestamp=datetime.now(UTC).isoformat())
            file.write_bytes(session.data)
        eventually(lambda: sum(report["entries"] for report in follow.reports) == 5)
        page.reload()
        for words in ["Counting herons now.", *said]:
            expect(page.get_by_text(words)).to_have_count(1)
    page.goto(f"/w/{SLUG}/sessions/")
    row = page.locator(".row", has_text="Count the herons")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("5 messages")
    expect(row).to_have_attribute("data-live", "true")
