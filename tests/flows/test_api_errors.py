"""Every error below /api/ is a problem of one shape, whoever found it, and names what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from flows.models import FlowRun
from tests.flows.callers import make_token
from workspace.problems import Problem

JSON = "application/json"


@pytest.fixture
def ask(world):
    """One request with a good token; the problem that it ends with."""
    client = Client(raise_request_exception=False)
    token = make_token(world.owner)

    def ask(method: str, path: str, body: Any = b"", content_type: str = JSON, **headers: str) -> Problem:
        path = path.format(flow=world.flow.pk)
        headers = {"Authorization": f"Bearer {token}", **headers}
        answer = client.generic(method, path, body, content_type=content_type, headers=headers)
        assert answer.headers["Content-Type"] == "application/problem+json", answer.content[:200]
        problem = Problem.model_validate(answer.json())
        assert problem.status == answer.status_code
        assert problem.title
        assert problem.detail
        assert set(answer.json()) == set(Problem.model_fields)
        return problem

    return ask


def fields(problem: Problem) -> list[str]:
    return [error.field for error in problem.errors]


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v1/runs/",
        "/api/v2/runs",
        "/api/v1/docs",
        "/api/v1/flows/x/y",
    ],
)
def test_an_address_that_there_is_not(ask, path) -> None:
    assert ask("GET", path).status == 404


def test_it_is_one_for_who_brings_no_token_too() -> None:
    answer = Client().get("/api/v1/nothing")
    assert (answer.status_code, answer.json()["title"]) == (404, "Not found")


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "POST"])
def test_a_method_that_an_address_does_not_take(ask, method) -> None:
    problem = ask(method, "/api/v1/runs")
    assert (problem.status, problem.detail) == (405, "This address takes GET, HEAD, OPTIONS.")
    assert Client().delete("/api/v1/runs").headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["/api/v1/runs", "/api/v1/flows/{flow}", "/api/v1/runs/x", "/api/v1/no"])
def test_head_is_answered_as_get_without_a_body(world, path) -> None:
    headers = {"Authorization": f"Bearer {make_token(world.owner)}"}
    path = path.format(flow=world.flow.pk)
    asked, told = (getattr(Client(), way)(path, headers=headers) for way in ("get", "head"))
    assert (told.status_code, told.headers) == (asked.status_code, asked.headers)
    assert asked.content
    assert not told.content


@pytest.mark.parametrize(
    ("path", "ways"),
    [
        ("/api/v1/runs", "GET, HEAD, OPTIONS"),
        ("/api/v1/openapi.json", "GET, HEAD, OPTIONS"),
        ("/api/v1/runs/{flow}/approve", "OPTIONS, POST"),
    ],
)
def test_options_says_what_an_address_takes(world, path, ways) -> None:
    answer = Client().options(path.format(flow=world.flow.pk))
    assert (answer.status_code, answer.headers["Allow"], answer.content) == (204, ways, b"")


def test_options_of_an_address_that_there_is_not(ask) -> None:
    assert ask("OPTIONS", "/api/v1/nothing").status == 404


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
    ],
)
def test_a_body_that_is_not_called_json_starts_nothing(ask, content_type) -> None:
    body = b'{"parameters": {"environment": "staging"}}'
    problem = ask("POST", "/api/v1/flows/{flow}/runs", body, content_type)
    assert (problem.status, fields(problem)) == (415, ["body"])
    assert (content_type or "nothing") in problem.detail
    assert not FlowRun.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b"", 422, "body"),
        (b"[]", 422, "body"),
        (b"{", 400, "body"),
        (b"\xff\xfe", 400, "body"),
        (b"\xff\xfe{\0}\0", 400, "body"),
        (b'{"parameters": {"retries": 1e400}}', 400, "body"),
        (b'{"title": 3}', 422, "title"),
        (b'{"title": "\\u0000"}', 422, "title"),
        (b'{"title": "\\ud800"}', 422, "title"),
        (b'{"nope": 1}', 422, "nope"),
        (b'{"parameters": {"environment": {}}}', 422, "parameters.environment"),
        (b'{"title": "' + b"x" * 300_000 + b'"}', 413, "body"),
        (b"x" * (settings.FILE_UPLOAD_MAX_MEMORY_SIZE + 1), 413, "body"),
    ],
)
def test_a_body_that_is_wrong(ask, body, status, named) -> None:
    problem = ask("POST", "/api/v1/flows/{flow}/runs", body)
    assert (problem.status, fields(problem)) == (status, [named])
    assert not FlowRun.objects.exists()


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/api/v1/runs/x", "run_id"),
        ("/api/v1/runs?limit=x", "limit"),
        ("/api/v1/runs?limit=1000", "limit"),
        ("/api/v1/runs?staus=failed", "staus"),
        ("/api/v1/runs?status=failed&status=paused", "status"),
        ("/api/v1/flows?nmae=x", "nmae"),
        ("/api/v1/runs?cursor=x", "cursor"),
    ],
)
def test_a_query_that_is_wrong(ask, path, named) -> None:
    problem = ask("GET", path)
    assert (problem.status, fields(problem)) == (422, [named])


def test_a_name_that_is_not_ours(ask) -> None:
    assert ask("GET", "/api/v1/runs", Host="elsewhere.example").status == 400


def test_a_page_that_is_not_there_stays_a_page(client) -> None:
    answer = client.get("/nothing/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
