"""Files go from a browser through the real web part to a worker's import, and never through the disk."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.urls import reverse
from playwright.sync_api import Page, Route, expect

from config.demo.stage import SLUG
from intake.models import FileState, ImportedSession, StagedFile, Upload
from intake.staged_import import import_staged
from intake.staging import PART_BYTES
from tests.browser.visits import Visits
from tests.intake.claude_records import FIXTURES, PRESENT_DAY
from workspace.models import Tenant, User

pytestmark = pytest.mark.browser


def uploads() -> str:
    return reverse("intake:upload-list", args=[SLUG])


def in_thread(act: Callable[[], Any]) -> None:
    """Away from the browser's event loop, as a worker is."""

    def run() -> None:
        act()
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def work() -> None:
    for upload in Upload.objects.all():
        import_staged(tenant_id=upload.tenant_id, upload_id=upload.pk)


@pytest.fixture(autouse=True)
def no_files(demo: Tenant) -> Iterator[None]:
    yield
    StagedFile.objects.all().delete()


@pytest.fixture
def page(visits: Visits, owner: User) -> Page:
    return visits.open(uploads(), owner)


@pytest.fixture
def session_file(tmp_path: Path) -> Path:
    """A session that no other test has imported: what they import stays with the demo."""
    path = tmp_path / f"{uuid.uuid4()}.jsonl"
    path.write_text(PRESENT_DAY.read_text().replace(PRESENT_DAY.stem, path.stem))
    return path


def test_files_are_chosen_sent_imported_and_linked(page: Page, session_file: Path):
    page.locator("#pick-files").set_input_files([session_file, Path(__file__)])
    expect(page.locator("#uploads .upload-row")).to_have_count(2)
    expect(page.locator("#sending-summary")).to_have_text("2 of 2 files sent")
    expect(page.locator("#uploads")).to_contain_text("Waiting")
    in_thread(work)
    row = page.locator("#uploads .upload-row", has_text=session_file.name)
    expect(row.locator(".status")).to_have_text("Imported")
    expect(page.locator("#uploads")).to_contain_text("no session of a format that is known")
    row.locator(".upload-session").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Round prices half up")


def test_a_folder_brings_its_sub_agents_and_leaves_out_what_is_no_session(page: Page):
    page.locator("#pick-folder").set_input_files(FIXTURES)
    names = [path for path in FIXTURES.rglob("*") if path.suffix in (".jsonl", ".json")]
    expect(page.locator("#sending-summary")).to_have_text(f"{len(names)} of {len(names)} files sent")
    stored = set(StagedFile.objects.values_list("name", flat=True))
    assert stored == {path.relative_to(FIXTURES.parent).as_posix() for path in names}


DROP = """async (zone) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(['{"type":"x"}'], 'dropped.jsonl'));
    zone.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


def test_files_are_dropped(page: Page):
    page.locator("#drop-zone").evaluate(DROP)
    expect(page.locator("#uploads .upload-row")).to_contain_text("dropped.jsonl")


def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.jsonl"
    path.write_bytes(os.urandom(4 * PART_BYTES + 17))
    return path


def test_a_broken_network_is_waited_for_and_what_has_arrived_is_not_sent_twice(page: Page, tmp_path: Path):
    parts: list[str] = []
    is_cut = True

    def cut(route: Route) -> None:
        parts.append(route.request.url.split("/")[-2])
        if is_cut and parts[-1] == "2":
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/parts/*/", cut)
    page.locator("#pick-files").set_input_files(large(tmp_path))
    expect(page.locator("#sending-files")).to_contain_text("The connection is lost: trying again")
    is_cut = False
    expect(page.locator("#sending-summary")).to_have_text("1 of 1 files sent")
    assert [part for part in parts if part != "2"] == ["0", "1", "3", "4"]
    assert StagedFile.objects.get().state == FileState.WAITING


def test_a_refusal_is_shown_with_its_reason_and_can_be_sent_again(page: Page, tmp_path: Path):
    page.route("**/begin/", lambda route: route.fulfill(status=413, json={"error": "too large (SOME_LIMIT)"}))
    page.locator("#pick-files").set_input_files(PRESENT_DAY)
    expect(page.locator("#sending-files .upload-row")).to_contain_text("too large (SOME_LIMIT)")
    page.unroute("**/begin/")
    page.get_by_role("button", name="Send the rest again").click()
    expect(page.locator("#sending-summary")).to_have_text("1 of 1 files sent")


def test_the_form_works_without_scripts(visits: Visits, owner: User, session_file: Path):
    page = visits.open(uploads(), owner, java_script_enabled=False)
    page.locator("#pick-files").set_input_files(session_file)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator(".messages")).to_contain_text("1 file waits to be imported")
    in_thread(work)
    assert ImportedSession.objects.filter(native_id=session_file.stem, session_kind="chat").exists()


def test_too_much_for_one_form_is_told(visits: Visits, owner: User, tmp_path: Path):
    page = visits.open(uploads(), owner, java_script_enabled=False)
    page.locator("#pick-files").set_input_files(large(tmp_path))
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This is too much at once")
    expect(page.locator("main")).to_contain_text("2.5 MB")
    assert not StagedFile.objects.exists()
