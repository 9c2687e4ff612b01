"""Credentials planted in every field of every way in, and searched in everything that is left of them.

Nothing may be found: not as it was written, not in hex, not in base64; not in the database with its sealed
columns, not in Valkey nor in what was said to it, not in a log, a frame of a websocket, or a page.
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from audit.models import TranscriptEntry
from audit.redaction import Redactor
from chats.models import Chat
from intake.models import FileState, StagedFile, StagedPart, Upload
from intake.staged_import import import_staged
from intake.staging import PART_BYTES
from sessions_app.registry import all_kinds
from tests.browser.server import run_server
from tests.canaries.searching import (
    Canaries,
    dump_database,
    dump_valkey,
    overhear_socket,
    overhear_valkey,
    read_logs,
)
from tests.canaries.services import Planter
from tests.config.processes import eventually
from tests.factories.workspace import MembershipFactory
from tests.intake.claude_records import FIXTURES
from tests.intake.processes import following
from tests.intake.staged_files import stage
from tests.intake.workers import client as valkey
from tests.intake.workers import forget_jobs, run_worker
from workspace.actors import Actor
from workspace.models import Membership, Plan, Tenant
from workspace.services import set_secret

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture(autouse=True)
def verbose(monkeypatch, caplog) -> Iterator[None]:
    """Everything is logged, here and in the processes beside; afterwards Valkey holds none of it."""
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    caplog.set_level(logging.DEBUG)
    valkey().flushdb()
    yield
    forget_jobs()


@pytest.fixture
def member(canaries: Canaries) -> Membership:
    return make_member("acme", canaries)


def make_member(slug: str, canaries: Canaries) -> Membership:
    member = MembershipFactory(tenant__slug=slug, admin=True)
    actor = Actor.member(member.user)
    set_secret(tenant_id=member.tenant_id, name="CANARY", value=canaries.registered, actor=actor)
    return member


def files_of(canaries: Canaries) -> dict[str, bytes]:
    """The fixtures with canaries in all of their fields and in their names."""
    contents = {}
    for path in FIXTURES.rglob("*.jsonl"):
        name = path.relative_to(FIXTURES).with_suffix("").as_posix()
        contents[f"{name}-{canaries.registered}.jsonl"] = canaries.in_lines(path.read_bytes())
    return contents


def write_files(folder: Path, contents: dict[str, bytes]) -> Path:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def expect_none(canaries: Canaries, **places: bytes) -> None:
    assert {name: found for name, content in places.items() if (found := canaries.found_in(content))} == {}


def expect_none_stored(canaries: Canaries, *, heard: list[bytes], logs: bytes) -> None:
    expect_none(canaries, **dump_database(), valkey=dump_valkey(), said=b"\n".join(heard), logs=logs)


def pages_of(member: Membership) -> bytes:
    """What people see: the lists, each session's page with its raw records, the exports."""
    browser = Client()
    browser.force_login(member.user)
    slug = member.tenant.slug
    urls = [
        reverse(name, args=[slug])
        for name in ("sessions_app:session-list", "sessions_app:plan-list", "intake:upload-list")
    ]
    for kind in all_kinds():
        rows = kind.model._default_manager.filter(tenant_id=member.tenant_id)
        urls += [kind.url(row, slug) for row in rows if kind.key != "toy"]
    for entry in TranscriptEntry.objects.for_tenant(member.tenant_id).select_related("transcript"):
        place = [slug, entry.transcript.session_kind, entry.transcript.session_id, entry.seq]
        urls.append(reverse("audit:entry-detail", args=place))
    answers = [browser.get(url) for url in urls]
    assert {answer.status_code for answer in answers} == {200}
    return b"".join(answer.content for answer in answers)


def test_the_search_finds_what_was_planted(canaries):
    """Otherwise the tests below would prove nothing."""
    tenant = MembershipFactory().tenant
    Plan.objects.create(tenant=tenant, name="raw", body=canaries.registered)
    stage(MembershipFactory(tenant=tenant), {"a": b"x"})
    StagedPart.objects.update(sealed=canaries.shaped[0].encode())
    dumped = dump_database()
    assert canaries.found_in(dumped["workspace_plan"]) == ["registered: raw"]
    assert canaries.found_in(dumped["intake_stagedpart"]) == ["ghp: hex"]
    with overhear_valkey() as heard:
        valkey().rpush("intake", json.dumps({"text": canaries.in_text()}))
    assert len(canaries.found_in(dump_valkey())) == len(canaries.found_in(b"".join(heard))) == 3
    for lead in range(3):
        text = b"." * lead + canaries.registered.encode() + b"."
        assert canaries.found_in(base64.b64encode(text)) == [f"registered: base64 at {lead}"]


def test_importing_files_leaves_none(member, canaries, tmp_path, caplog, capfd):
    folder = write_files(tmp_path, files_of(canaries))
    output = StringIO()
    with overhear_valkey() as heard, pytest.raises(CommandError, match="lost a record"):
        call_command(
            *("import_sessions", str(folder), "--workspace", "acme", "--owner", member.user.email, "--json"),
            stdout=output,
        )
    assert TranscriptEntry.objects.count() > 50
    told = [json.loads(line) for line in output.getvalue().splitlines()]
    assert sum(report["redactions"] for report in told) > 100
    for report in told:
        del report["path"]  # where the file lies is told to whoever named the folder, and stored nowhere
    logs = caplog.text + "".join(capfd.readouterr())
    expect_none_stored(canaries, heard=heard, logs=logs.encode())
    expect_none(canaries, report=json.dumps(told).encode(), pages=pages_of(member))


def test_following_files_leaves_none(member, canaries, tmp_path):
    folder = write_files(tmp_path, {})
    with overhear_valkey() as heard, following(member, folder) as follow:
        write_files(folder, files_of(canaries))
        eventually(lambda: len(follow.reports) >= 3, seconds=60)
        eventually(lambda: TranscriptEntry.objects.count() > 50, seconds=60)
    for report in follow.reports:
        del report["path"]
    expect_none_stored(canaries, heard=heard, logs=json.dumps(follow.reports).encode())


def upload(address: str, member: Membership, contents: dict[str, bytes]) -> None:
    """As the page's script does it, over a real connection to the web part."""
    browser = Client()
    browser.force_login(member.user)
    browser.get("/sign-in/")
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    headers = {"Cookie": cookies, "X-CSRFToken": browser.cookies["csrftoken"].value}
    web = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)

    def ask(method: str, url: str, body: bytes) -> bytes:
        web.request(method, url, body, headers)
        answer = web.getresponse()
        assert answer.status in (200, 204), answer.read()
        return answer.read()

    base = reverse("intake:upload-list", args=[member.tenant.slug])
    files = [{"name": name, "size": len(content), "written_at": 0} for name, content in contents.items()]
    places = json.loads(ask("POST", f"{base}begin/", json.dumps({"files": files}).encode()))["files"]
    for place, content in zip(places, contents.values(), strict=True):
        for number, start in enumerate(range(0, len(content), PART_BYTES)):
            ask("PUT", f"{base}{place['id']}/parts/{number}/", content[start : start + PART_BYTES])
        ask("POST", f"{base}{place['id']}/complete/", b"")
    web.close()


def test_uploading_files_leaves_none_while_they_wait_nor_afterwards(member, canaries, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    contents = files_of(canaries)
    with (
        overhear_valkey() as heard,
        run_server(logs / "web") as address,
        overhear_socket(address, member) as frames,
    ):
        upload(address, member, contents)
        assert StagedPart.objects.count() == len(contents)
        expect_none(canaries, **dump_database(), valkey=dump_valkey(), said=b"\n".join(heard))
        with run_worker(logs / "worker", level="DEBUG"):
            eventually(lambda: not StagedPart.objects.exists(), seconds=100)
        shown = [str(key).encode() for key in Chat.objects.values_list("pk", flat=True)]
        eventually(lambda: all(key in b"".join(frames) for key in shown))
        Planter(member, canaries).plant_everywhere()
        chat = Chat.objects.latest("pk")
        eventually(lambda: str(chat.pk).encode() in b"".join(frames))
    assert set(StagedFile.objects.values_list("state", flat=True)) == {FileState.DONE}
    assert TranscriptEntry.objects.count() > 50
    assert b"intake.jobs.import_upload" in b"\n".join(heard)
    expect_none_stored(canaries, heard=heard, logs=read_logs(logs))
    expect_none(canaries, pages=pages_of(member), frames=b"".join(frames))


def test_what_people_and_agents_write_leaves_none(member, canaries, caplog, capfd):
    planter = Planter(member, canaries)
    with overhear_valkey() as heard:
        planter.plant_everywhere()
        planter.plant_forms()
    logs = caplog.text + "".join(capfd.readouterr())
    expect_none_stored(canaries, heard=heard, logs=logs.encode())
    expect_none(canaries, pages=pages_of(member))
    dumped = dump_database()
    for table in ("chats_chat", "tasks_backgroundtask", "flows_flowrun", "flows_flow", "agents_skill"):
        assert b"[CANARY]" in dumped[table]


@pytest.fixture
def failing(monkeypatch) -> None:
    """The detection of what has a shape fails on every text."""

    def fail(*_args, **_kwargs):
        raise RuntimeError("the library broke")

    monkeypatch.setattr("audit.redaction.detector.Detector.find", fail)


def test_when_detection_fails_nothing_is_stored_as_it_was(member, canaries, failing, tmp_path, caplog):
    contents = files_of(canaries)
    stage(member, contents)
    for one in Upload.objects.all():
        import_staged(tenant_id=one.tenant_id, upload_id=one.pk)
    planter = Planter(member, canaries)
    planter.plant_records()
    planter.plant_chats()
    planter.plant_tasks()
    assert TranscriptEntry.objects.filter(text__startswith="[UNSCANNED: failed").count() > 50
    expect_none(canaries, **dump_database(), logs=caplog.text.encode())


def test_a_redactor_that_cannot_be_made_lets_nothing_in(member, canaries, monkeypatch, caplog):
    """Without the known secrets nothing can be redacted, so nothing is stored."""

    def refuse(*_args, **_kwargs):
        raise RuntimeError("no redactor")

    stage(member, {"a.jsonl": next(iter(files_of(canaries).values()))})
    monkeypatch.setattr(Redactor, "__init__", refuse)
    import_staged(tenant_id=member.tenant_id, upload_id=Upload.objects.get().pk)
    assert StagedFile.objects.get().state == FileState.WAITING
    assert not TranscriptEntry.objects.exists()
    assert Tenant.objects.exists()
    expect_none(canaries, **dump_database(), logs=caplog.text.encode())
