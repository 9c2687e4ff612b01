"""The page that files are dropped on: what its script sends, the form without scripts, what it shows."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chats.models import Chat
from intake.models import FileState, StagedFile, StagedPart, Upload
from intake.staged_import import import_staged
from intake.staging import PART_BYTES
from tests.factories.workspace import InitiativeFactory, MembershipFactory, PlanFactory
from tests.intake.claude_records import PRESENT_DAY, START
from tests.intake.staged_files import begin, stage
from workspace.models import Membership, Role

pytestmark = pytest.mark.django_db

TEXT = PRESENT_DAY.read_bytes()


@pytest.fixture
def member() -> Membership:
    return MembershipFactory(tenant__slug="acme")


@pytest.fixture
def client(member: Membership) -> Client:
    return client_of(member)


def client_of(member: Membership) -> Client:
    client = Client()
    client.force_login(member.user)
    return client


def url(name: str, **kwargs: Any) -> str:
    return reverse(f"intake:{name}", kwargs={"workspace": "acme", **kwargs})


def post_begin(client: Client, *files: dict[str, Any], **fields: Any) -> Any:
    body = json.dumps({"files": files, **fields})
    return client.post(url("upload-begin"), body, content_type="application/json")


def described(name: str = "a.jsonl", size: int = len(TEXT)) -> dict[str, Any]:
    return {"name": name, "size": size, "written_at": START.timestamp() * 1000}


def put(client: Client, file_id: str, number: int, content: bytes) -> Any:
    return client.put(url("part-store", file_id=file_id, number=number), content)


def work() -> None:
    for upload in Upload.objects.all():
        import_staged(tenant_id=upload.tenant_id, upload_id=upload.pk)


def page(client: Client, **query: str) -> str:
    return client.get(url("upload-list"), query).content.decode()


def test_a_file_goes_from_the_browser_to_a_session(member, client):
    initiative, plan = InitiativeFactory(tenant=member.tenant), PlanFactory(tenant=member.tenant)
    answer = post_begin(client, described(), initiative=str(initiative.pk), plan=str(plan.pk))
    [place] = answer.json()["files"]
    assert place["received"] == []
    assert put(client, place["id"], 0, TEXT).status_code == 204
    assert "Not whole yet" in page(client)
    assert client.post(url("file-complete", file_id=place["id"])).status_code == 204
    assert "Waiting" in page(client)
    work()
    shown = page(client)
    chat = Chat.objects.get()
    assert (chat.owner_id, chat.initiative_id, chat.plan_id) == (member.user_id, initiative.pk, plan.pk)
    assert f'href="/w/acme/chats/{chat.pk}/"' in shown
    assert "Round prices half up" in shown
    assert "Imported" in shown


def test_sending_again_tells_which_parts_are_here(client):
    content = b"x" * (2 * PART_BYTES + 1)
    [place] = post_begin(client, described(size=len(content))).json()["files"]
    put(client, place["id"], 1, content[PART_BYTES : 2 * PART_BYTES])
    [again] = post_begin(client, described(size=len(content))).json()["files"]
    assert again == {"id": place["id"], "received": [1]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"files": 1}',
        b'{"files": [1]}',
        b'{"files": [{"name": "a", "size": -1, "written_at": 0}]}',
        b'{"files": [{"name": "a", "size": 1.5, "written_at": 0}]}',
        b'{"files": [{"name": "", "size": 1, "written_at": 0}]}',
        b'{"files": [{"name": "a", "size": 1, "written_at": 1e300}]}',
        b'{"files": [{"name": "a", "size": 1, "written_at": NaN}]}',
    ],
)
def test_what_is_no_list_of_files_is_refused(client, body):
    answer = client.post(url("upload-begin"), body, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert not Upload.objects.exists()


def test_a_limit_is_told_with_its_name(client, settings):
    settings.UPLOAD_MAX_FILE_BYTES = 1000
    answer = post_begin(client, described(size=1001))
    assert answer.status_code == 413
    assert "UPLOAD_MAX_FILE_MB" in answer.json()["error"]


def test_missing_and_wrong_parts_are_told(client):
    [place] = post_begin(client, described(size=5)).json()["files"]
    assert put(client, place["id"], 0, b"1234").status_code == 422
    answer = client.post(url("file-complete", file_id=place["id"]))
    assert (answer.status_code, answer.json()) == (422, {"error": "1 of 1 parts are missing"})
    put(client, place["id"], 0, b"12345")
    client.post(url("file-complete", file_id=place["id"]))
    assert put(client, place["id"], 0, b"54321").status_code == 409


def test_a_place_of_another_workspace_is_not_there(client):
    assert post_begin(client, described(), initiative=str(InitiativeFactory().pk)).status_code == 404
    assert post_begin(client, described(), plan="nonsense").status_code == 404


def test_nothing_is_taken_without_the_token_of_the_page(member):
    client = Client(enforce_csrf_checks=True)
    client.force_login(member.user)
    assert post_begin(client, described()).status_code == 403
    _, [file] = begin(member, {"a.jsonl": b"{}"})
    assert put(client, str(file.pk), 0, b"{}").status_code == 403


def test_the_form_takes_small_files_without_scripts(member, client):
    files = [SimpleUploadedFile(PRESENT_DAY.name, TEXT), SimpleUploadedFile("notes.txt", b"no session")]
    answer = client.post(url("upload-form"), {"files": files, "initiative": "", "plan": ""}, follow=True)
    assert "2 files wait to be imported" in answer.content.decode()
    work()
    assert Chat.objects.get().owner_id == member.user_id
    assert "no session of a format that is known" in page(client)


def test_the_form_tells_a_limit(client, settings):
    settings.UPLOAD_MAX_FILES = 1
    files = [SimpleUploadedFile(name, b"{}") for name in ("a.jsonl", "b.jsonl")]
    answer = client.post(url("upload-form"), {"files": files}, follow=True)
    assert "UPLOAD_MAX_FILES" in answer.content.decode()
    assert not StagedPart.objects.exists()


def test_a_file_that_was_set_aside_says_why_and_is_tried_again_or_deleted(member, client):
    stage(member, {"a.jsonl": TEXT})
    file = StagedFile.objects.get()
    dead = {"state": FileState.DEAD, "tries": 3, "reason": "the worker was lost in each of 3 tries"}
    StagedFile.objects.update(**dead)
    assert "Set aside" in page(client)
    assert "the worker was lost in each of 3 tries" in page(client)
    client.post(url("file-retry", file_id=file.pk))
    file.refresh_from_db()
    assert file.state == FileState.WAITING
    answer = client.post(url("file-retry", file_id=file.pk), follow=True)
    assert "is waiting: retry is not possible" in answer.content.decode()
    StagedFile.objects.update(**dead)
    client.post(url("file-delete", file_id=file.pk))
    assert not StagedFile.objects.exists()


def test_an_admin_may_see_to_the_files_of_others_and_a_teammate_only_look(member):
    stage(member, {"a.jsonl": TEXT})
    StagedFile.objects.update(state=FileState.DEAD)
    file = StagedFile.objects.get()
    teammate = client_of(MembershipFactory(tenant=member.tenant))
    assert "a.jsonl" in page(teammate)
    assert url("file-retry", file_id=file.pk) not in page(teammate)
    admin = client_of(MembershipFactory(tenant=member.tenant, role=Role.ADMIN))
    assert url("file-retry", file_id=file.pk) in page(admin)
    assert admin.post(url("file-retry", file_id=file.pk)).status_code == 302


def test_problems_are_listed_with_their_lines(member, client):
    lines = TEXT.splitlines(keepends=True)
    broken = b"".join([*lines[:3], *[b"no record %d\n" % n for n in range(5)], *lines[3:]])
    stage(member, {PRESENT_DAY.name: broken})
    work()
    shown = page(client)
    assert "Line 4: no JSON object" in shown
    assert "2 more problems" in shown
    detail = client.get(url("file-detail", file_id=StagedFile.objects.get().pk)).content.decode()
    assert detail.count("no JSON object") == 5


def test_a_viewer_sees_the_files_and_no_form(member):
    stage(member, {"a.jsonl": TEXT})
    shown = page(client_of(MembershipFactory(tenant=member.tenant, role=Role.VIEWER)))
    assert "a.jsonl" in shown
    assert "upload-form" not in shown


def test_the_list_is_asked_for_alone_and_page_by_page(member, client):
    names = [f"{number:03}.jsonl" for number in range(52)]
    begin(member, dict.fromkeys(names, b"{}"))
    first = client.get(url("upload-list"), headers={"HX-Request": "true"}).content.decode()
    assert first.lstrip().startswith("<section")
    oldest = StagedFile.objects.order_by("pk")[2]
    assert f"?before={oldest.pk}" in first
    rest = page(client, before=str(oldest.pk))
    assert [name for name in names if f">{name}<" in rest] == names[:2]
    assert client.get(url("upload-list"), {"before": "x"}).status_code == 404


def test_what_the_list_costs_does_not_grow(member, client, django_assert_max_num_queries):
    costs = []
    for count in (2, 8):
        for number in range(count):
            stage(member, {f"{PRESENT_DAY.stem}-{number}.jsonl": TEXT})
        work()
        with django_assert_max_num_queries(20) as asked:
            page(client)
        costs.append(len(asked))
    assert costs[0] == costs[1]


def test_an_unknown_file_is_not_there(client):
    assert client.get(url("file-detail", file_id=uuid.uuid4())).status_code == 404
    assert put(client, str(uuid.uuid4()), 0, b"x").status_code == 404


def test_a_time_in_the_future_is_taken_for_now(client):
    later = {**described(size=0), "written_at": (timezone.now().timestamp() + 9999) * 1000}
    assert post_begin(client, later).status_code == 200
    assert StagedFile.objects.get().written_at <= timezone.now()
