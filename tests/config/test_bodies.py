"""No body of a request touches the disk: the web part runs where no file may grow beyond 64 KB."""

from __future__ import annotations

import http.client
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from config.bodies import BoundedBody
from intake.models import StagedFile, StagedPart
from intake.staging import PART_BYTES, open_part
from tests.browser.server import run_server
from tests.factories.workspace import MembershipFactory
from tests.intake.staged_files import begin
from workspace.models import Membership

pytestmark = pytest.mark.django_db(transaction=True)

LARGEST_FILE = 64 << 10


def no_large_files() -> None:
    """In the child: writing a file beyond this fails there, also in one that has no name."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[http.client.HTTPConnection]:
    with run_server(tmp_path / "log", in_child=no_large_files) as address:
        client = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        yield client
        client.close()


def send(web: http.client.HTTPConnection, member: Membership, method: str, url: str, body: object) -> int:
    """The status of the answer, as somebody signed in and with the page's token."""
    browser = Client()
    browser.force_login(member.user)
    browser.get("/sign-in/")
    token = browser.cookies["csrftoken"].value
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    headers = {"Cookie": cookies, "X-CSRFToken": token, "Content-Type": "application/octet-stream"}
    web.request(method, url, body=body, headers=headers)
    answer = web.getresponse()
    answer.read()
    return answer.status


def part_url(file: StagedFile) -> str:
    return reverse("intake:part-store", args=[file.tenant.slug, file.pk, 0])


def test_a_part_goes_from_the_socket_to_its_seal_in_memory(web):
    member = MembershipFactory()
    content = os.urandom(PART_BYTES)
    _, [file] = begin(member, {"a.jsonl": content})
    assert send(web, member, "PUT", part_url(file), content) == 204
    assert open_part(StagedPart.objects.get()) == content


def test_a_body_above_the_limit_is_read_to_its_end_and_refused(web):
    member = MembershipFactory()
    _, [file] = begin(member, {"a.jsonl": b"x" * PART_BYTES})
    for _ in range(2):  # the connection goes on afterwards
        assert send(web, member, "PUT", part_url(file), b"x" * 10_000_000) == 413
    assert send(web, member, "PUT", part_url(file), b"x" * PART_BYTES) == 204


def test_a_body_of_unknown_length_is_refused(web):
    member = MembershipFactory()
    _, [file] = begin(member, {"a.jsonl": b"x"})
    assert send(web, member, "PUT", part_url(file), iter([b"x" * 1000] * 5000)) == 413


def test_what_is_beyond_the_limit_is_dropped(settings):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    body = BoundedBody()
    assert [body.write(b"123456"), body.write(b"7890abc"), body.write(b"d")] == [6, 7, 1]
    assert body.getvalue() == b"1234567890"
