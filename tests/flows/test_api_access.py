"""Every address of the HTTP API from every seat: an operation without an entry here fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from flows.api import api
from flows.models import Artifact, FlowRun, RunStatus
from tests.factories.workspace import MembershipFactory
from tests.flows.callers import Caller, make_token
from tests.flows.worlds import World

type Bodies = Callable[[FlowRun], Any]


def nothing(run: FlowRun) -> None:
    return None


def version(run: FlowRun) -> dict[str, Any]:
    return {"version": run.version}


def decision(run: FlowRun) -> dict[str, Any]:
    return {"version": run.version, "content_hash": run.checkpoint_hash}


def parameters(run: FlowRun) -> dict[str, Any]:
    return {"parameters": {"environment": "staging"}}


@dataclass(frozen=True)
class Operation:
    """What a run has to be for it, what is sent, the scope that it needs, and the answer."""

    scope: str = "flows:read"
    status: RunStatus = RunStatus.PAUSED
    body: Bodies = nothing
    answer: int = 200
    teammate: int = 200


CONTROL = {"scope": "flows:run", "teammate": 403}
DECIDE = {"scope": "runs:decide", "body": decision}
OPERATIONS = {
    "get /flows": Operation(),
    "get /flows/{flow_id}": Operation(),
    "post /flows/{flow_id}/runs": Operation("flows:run", body=parameters, answer=201, teammate=201),
    "get /runs": Operation(),
    "get /runs/{run_id}": Operation(),
    "get /runs/{run_id}/entries": Operation(),
    "get /runs/{run_id}/artifacts": Operation(),
    "get /runs/{run_id}/artifacts/{artifact_id}": Operation(),
    "post /runs/{run_id}/cancel": Operation(**CONTROL),
    "post /runs/{run_id}/retry": Operation(status=RunStatus.FAILED, body=version, **CONTROL),
    "post /runs/{run_id}/resume": Operation(status=RunStatus.BLOCKED, body=version, **CONTROL),
    "post /runs/{run_id}/approve": Operation(**DECIDE),
    "post /runs/{run_id}/reject": Operation(**DECIDE),
    "post /runs/{run_id}/skip": Operation(**DECIDE),
}


def test_every_operation_has_an_entry() -> None:
    paths = api.get_openapi_schema()["paths"]
    found = {f"{method} {path.removeprefix('/api/v1')}" for path, one in paths.items() for method in one}
    assert found == set(OPERATIONS)


def ask(world: World, name: str, token: str) -> Any:
    operation = OPERATIONS[name]
    run = world.run_that_is(operation.status)
    artifact = Artifact.objects.create(
        tenant=world.tenant,
        run=run,
        name="a",
        content_type="text/plain",
        size_bytes=1,
        text="a",
        is_scanned=True,
    )
    method, path = name.split()
    path = path.format(flow_id=world.flow.pk, run_id=run.pk, artifact_id=artifact.pk)
    return Caller(token).ask(method, path, operation.body(run))


@pytest.mark.parametrize("name", OPERATIONS)
def test_owner_and_teammate_get_what_they_may(world, name) -> None:
    operation = OPERATIONS[name]
    assert ask(world, name, make_token(world.owner, operation.scope)).status_code == operation.answer
    assert ask(world, name, make_token(world.teammate, operation.scope)).status_code == operation.teammate


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_scope_that_is_missing_is_named(world, name) -> None:
    scope = OPERATIONS[name].scope
    others = {"flows:read", "flows:run", "runs:decide"} - {scope}
    answer = ask(world, name, make_token(world.owner, *others))
    assert answer.status_code == 403
    assert f"the scope {scope}" in answer.json()["detail"]


@pytest.mark.parametrize("name", [name for name in OPERATIONS if "{" in name])
def test_a_strangers_token_finds_nothing(world, name) -> None:
    answer = ask(world, name, make_token(MembershipFactory(admin=True)))
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["get /flows", "get /runs"])
def test_a_strangers_lists_are_their_own(world, name) -> None:
    assert ask(world, name, make_token(MembershipFactory(admin=True))).json()["items"] == []


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("token", ["", "sess_nonsense"])
def test_nobody_gets_in_without_a_token(world, name, token) -> None:
    answer = ask(world, name, token)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "API tokens" in answer.json()["detail"]


@pytest.mark.parametrize("name", [name for name, one in OPERATIONS.items() if one.scope == "flows:read"])
def test_viewers_read(world, name) -> None:
    assert ask(world, name, make_token(world.viewer, "flows:read")).status_code == 200


def test_a_cookie_counts_for_nothing(world) -> None:
    client = Client()
    client.force_login(world.owner.user)
    assert client.get("/api/v1/runs").status_code == 401


def test_the_schema_is_there_for_everybody_and_no_page_beside_it(world, client) -> None:
    schema = client.get("/api/v1/openapi.json")
    assert json.loads(schema.content)["info"]["title"] == "Sessions"
    assert client.get("/api/v1/docs").status_code == 404
