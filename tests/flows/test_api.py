"""The HTTP API of flows: what programs read and do with a token, and what they are told when they may not."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.entries import EntryKind, NewEntry
from audit.imports import Delivery
from audit.models import AuditEntry, Outcome
from flows import services
from flows.models import Artifact, FlowRun, RunMode, RunStatus
from tests.factories.workspace import InitiativeFactory, PlanFactory
from tests.flows.callers import Caller, make_token
from tests.flows.worlds import receipts_of, steps_of
from workspace.models import ApiToken
from workspace.tokens import revoke_tokens_of


@pytest.fixture
def caller(world) -> Caller:
    return Caller(make_token(world.owner))


def start(caller, world, **body):
    body = {"parameters": {"environment": "staging"}, **body}
    return caller.post(f"/flows/{world.flow.pk}/runs", body)


def decision_on(run, **more):
    run.refresh_from_db()
    return {"version": run.version, "content_hash": run.checkpoint_hash, **more}


def test_flows_are_listed_with_their_parameters(caller, world) -> None:
    page = caller.get("/flows").json()
    assert [flow["name"] for flow in page["items"]] == ["Release"]
    assert page["items"][0]["parameters"][0] == {
        "name": "environment",
        "type": "string",
        "required": True,
        "default": None,
        "hidden": False,
    }
    assert page["next"] is None
    assert caller.get("/flows", name="release").json()["items"] == page["items"]
    assert caller.get("/flows", name="other").json()["items"] == []
    services.archive_flow(tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=world.actor)
    assert caller.get("/flows").json()["items"] == []
    assert caller.get("/flows", archived=True).json()["items"][0]["is_archived"]


def test_a_flow_shows_its_steps(caller, world) -> None:
    flow = caller.get(f"/flows/{world.flow.pk}").json()
    assert [(step["name"], step["has_checkpoint"]) for step in flow["steps"]] == [
        ("build", False),
        ("test", False),
        ("deploy", True),
    ]
    assert flow["steps"][0]["skill"] == "Ship"


def test_a_run_is_started_as_the_tokens_member(caller, world) -> None:
    initiative = InitiativeFactory(tenant=world.tenant, name="Autumn")
    plan = PlanFactory(tenant=world.tenant)
    answer = start(caller, world, title="Nightly", initiative="autumn", plan=str(plan.pk), mode="background")
    assert answer.status_code == 201
    run = FlowRun.objects.get(pk=answer.json()["id"])
    assert (run.owner, run.title, run.origin) == (world.owner.user, "Nightly", "api")
    assert (run.initiative_id, run.plan_id, run.run_mode) == (initiative.pk, plan.pk, RunMode.BACKGROUND)
    assert run.parameters == {"environment": "staging", "retries": 3}
    entry = AuditEntry.objects.get(action="start_run")
    prefix = ApiToken.objects.get().prefix
    assert entry.actor_name == f"{world.owner.user.display_name} (token “CI” {prefix})"


def test_the_record_tells_by_which_token_however_long_the_names_are(world) -> None:
    type(world.owner.user).objects.filter(pk=world.owner.user_id).update(name="A" * 200)
    texts = [make_token(world.owner, name="T" * 100) for _ in range(2)]
    for text in texts:
        assert start(Caller(text), world).status_code == 201
    prefixes = {text[:11] for text in texts}
    named = AuditEntry.objects.filter(action="start_run").values_list("actor_name", flat=True)
    assert {name.partition("” ")[2] for name in named} == {f"{prefix})" for prefix in prefixes}
    assert {len(name) for name in named} == {200}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"parameters": {}}, ["parameters.environment"]),
        (
            {"parameters": {"environment": 3, "retries": "x"}},
            ["parameters.environment", "parameters.retries"],
        ),
        ({"parameters": {"environment": "a", "retries": 10**400}}, ["parameters.retries"]),
        ({"parameters": {"environment": "a", "colour": "b"}}, ["parameters.colour"]),
        ({"plan": "nowhere", "initiative": "none"}, ["initiative", "plan"]),
        ({"mode": "sometimes"}, ["mode"]),
        ({"title": "x" * 201}, ["title"]),
        ({"titel": "x"}, ["titel"]),
        ({"title": "a\0b"}, ["title"]),
    ],
)
def test_what_is_wrong_with_a_start_is_told_by_field(caller, world, body, fields) -> None:
    answer = start(caller, world, **body)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert sorted(error["field"] for error in answer.json()["errors"]) == fields
    assert not FlowRun.objects.exists()


def test_an_archived_flow_starts_nothing(caller, world) -> None:
    services.archive_flow(tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=world.actor)
    answer = start(caller, world)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "flow_id")


@pytest.mark.parametrize(
    "body", ['{"parameters": {"environment": NaN}}', "{", '{"title": 1e999}', "[" * 99_999]
)
def test_what_is_no_json_is_refused(caller, world, body) -> None:
    answer = caller.post(f"/flows/{world.flow.pk}/runs", body)
    assert answer.status_code == 400
    assert answer.json()["title"] == "The request cannot be read"


def test_a_large_body_is_refused(caller, world) -> None:
    answer = start(caller, world, parameters={"environment": "x" * 300_000})
    assert (answer.status_code, answer.json()["detail"]) == (413, "A body may have 256 KB.")
    larger = start(caller, world, parameters={"environment": "x" * 3_000_000})
    assert (larger.status_code, larger.json()["title"]) == (413, "Too large")


def test_runs_are_walked_through_without_gap_or_double(caller, world) -> None:
    runs = [world.run_that_is(status) for status in (*RunStatus, *RunStatus)]
    seen, cursor = [], ""
    while cursor is not None:
        page = caller.get("/runs", limit=5, cursor=cursor).json()
        assert len(page["items"]) <= 5
        seen += page["items"]
        cursor = page["next"]
    newest_first = sorted(runs, key=lambda run: (run.changed_at, run.pk), reverse=True)
    assert [run["id"] for run in seen] == [str(run.pk) for run in newest_first]


def test_runs_are_asked_for_by_status_and_flow(caller, world) -> None:
    paused = world.run_that_is(RunStatus.PAUSED)
    world.run_that_is(RunStatus.FAILED)
    assert [run["id"] for run in caller.get("/runs", status="paused").json()["items"]] == [str(paused.pk)]
    assert len(caller.get("/runs", flow_id=world.flow.pk).json()["items"]) == 2
    assert caller.get("/runs", flow_id=paused.pk).json()["items"] == []
    assert caller.get("/runs", status="sleeping").json()["errors"][0]["field"] == "status"
    assert caller.get("/runs", cursor="elsewhere").json()["errors"][0]["field"] == "cursor"


def test_the_list_of_runs_costs_the_same_however_many_there_are(caller, world) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert caller.get("/runs").status_code == 200
        return len(queries)

    world.start()
    caller.get("/runs")
    few = cost()
    for _ in range(5):
        world.start()
    assert cost() == few


def test_a_run_shows_each_attempt_and_what_may_be_done(caller, world) -> None:
    run = world.run_that_is(RunStatus.FAILED)
    shown = caller.get(f"/runs/{run.pk}").json()
    assert (shown["status"], shown["error"]) == ("failed", "Error: exit code 2")
    assert [(step["name"], step["status"]) for step in shown["steps"]][:2] == [
        ("build", "failed"),
        ("test", "pending"),
    ]
    assert shown["actions"] == ["retry"]
    assert shown["checkpoint"] is None
    assert shown["url"].endswith(f"/w/{world.tenant.slug}/flow-runs/{run.pk}/")


def test_a_transcript_is_followed_by_its_numbers(caller, world) -> None:
    run = world.run_that_is(RunStatus.RUNNING)
    said = [NewEntry(kind=EntryKind.MESSAGE, native_id=f"m{n}", text=f"line {n}" * 20_000) for n in range(2)]
    services.add_entries(tenant_id=world.tenant.pk, run_id=run.pk, delivery=Delivery(entries=said))
    window = caller.get(f"/runs/{run.pk}/entries", limit=3).json()
    assert [entry["seq"] for entry in window["items"]] == [1, 2, 3]
    rest = caller.get(f"/runs/{run.pk}/entries", after=window["next"]).json()
    assert [entry["kind"] for entry in rest["items"]] == ["message", "message"]
    assert rest["items"][0]["is_cut"]
    assert len(rest["items"][0]["text"]) == 50_000
    assert rest["next"] is None


def test_artifacts_are_listed_and_handed_out_as_they_were_kept(caller, world) -> None:
    run = world.start()
    made = {"tenant": world.tenant, "run": run, "content_type": "text/plain", "size_bytes": 5}
    text = Artifact.objects.create(name="out/notes.txt", text="notes", is_scanned=True, **made)
    binary = Artifact.objects.create(name="a.bin", is_scanned=False, **made)
    binary.file.save("a.bin", ContentFile(b"\0\1"))
    listed = caller.get(f"/runs/{run.pk}/artifacts").json()
    assert [(one["name"], one["is_scanned"]) for one in listed] == [("out/notes.txt", True), ("a.bin", False)]
    got = caller.get(f"/runs/{run.pk}/artifacts/{text.pk}")
    assert (got.content, got.headers["Content-Type"]) == (b"notes", "application/octet-stream")
    assert got.headers["Content-Disposition"] == 'attachment; filename="notes.txt"'
    assert b"".join(caller.get(f"/runs/{run.pk}/artifacts/{binary.pk}").streaming_content) == b"\0\1"
    other = world.start()
    assert caller.get(f"/runs/{other.pk}/artifacts/{text.pk}").status_code == 404


def test_a_checkpoint_is_decided_with_what_was_shown(caller, world) -> None:
    run = world.run_that_is(RunStatus.PAUSED)
    shown = caller.get(f"/runs/{run.pk}").json()
    checkpoint = shown["checkpoint"]
    assert checkpoint["message"] == "Deploy it?"
    body = {"version": shown["version"], "content_hash": checkpoint["content_hash"], "comment": "Fine."}
    answer = caller.post(f"/runs/{run.pk}/approve", body)
    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    (receipt,) = receipts_of(run)
    assert (receipt.outcome, receipt.comment, receipt.decided_by) == (
        Outcome.APPROVED,
        "Fine.",
        world.owner.user,
    )
    again = caller.post(f"/runs/{run.pk}/approve", body)
    assert again.status_code == 409
    assert "decided already" in again.json()["detail"]
    assert again.json()["version"] == answer.json()["version"]


def test_what_was_not_shown_cannot_be_approved(caller, world) -> None:
    run = world.run_that_is(RunStatus.PAUSED)
    answer = caller.post(f"/runs/{run.pk}/approve", decision_on(run, content_hash="0" * 64))
    assert (answer.status_code, answer.json()["version"]) == (409, run.version)
    assert receipts_of(run) == []


def test_arguments_are_changed_and_approved(caller, world) -> None:
    run = world.run_that_is(RunStatus.PAUSED)
    body = decision_on(run, arguments={"target": "x"})
    refused = caller.post(f"/runs/{run.pk}/approve", body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "arguments.target")


@pytest.mark.parametrize(("verb", "status"), [("reject", "rejected"), ("skip", "completed")])
def test_a_checkpoint_is_rejected_or_skipped(caller, world, verb, status) -> None:
    run = world.run_that_is(RunStatus.PAUSED)
    assert caller.post(f"/runs/{run.pk}/{verb}", decision_on(run)).json()["status"] == status


@pytest.mark.parametrize(
    ("status", "verb"),
    [(RunStatus.FAILED, "retry"), (RunStatus.BLOCKED, "resume"), (RunStatus.INTERRUPTED, "resume")],
)
def test_a_run_is_taken_up_again(caller, world, status, verb) -> None:
    run = world.run_that_is(status)
    stale = caller.post(f"/runs/{run.pk}/{verb}", {"version": run.version + 1})
    assert stale.status_code == 409
    assert caller.post(f"/runs/{run.pk}/{verb}", {"version": run.version}).json()["status"] == "running"
    assert steps_of(run)[1][1] == 2


def test_a_run_is_cancelled_and_then_allows_nothing_more(caller, world) -> None:
    run = world.run_that_is(RunStatus.RUNNING)
    assert caller.post(f"/runs/{run.pk}/cancel").json()["status"] == "cancelled"
    again = caller.post(f"/runs/{run.pk}/cancel")
    assert again.status_code == 409
    assert (again.json()["allowed"], "cancel is not possible" in again.json()["detail"]) == ([], True)


def test_only_owner_and_admins_control_a_run(world) -> None:
    run = world.run_that_is(RunStatus.RUNNING)
    refused = Caller(make_token(world.teammate)).post(f"/runs/{run.pk}/cancel")
    assert refused.status_code == 403
    assert Caller(make_token(world.admin)).post(f"/runs/{run.pk}/cancel").status_code == 200


def test_only_those_decide_whom_the_flow_names(caller, world) -> None:
    world.name_approver(world.teammate)
    run = world.run_that_is(RunStatus.RUNNING)
    world.call(services.finish_step, run)
    world.finish_steps(run, 1)
    world.call(services.pause_at_checkpoint, run)
    assert caller.post(f"/runs/{run.pk}/approve", decision_on(run)).status_code == 403
    teammate = Caller(make_token(world.teammate))
    assert teammate.post(f"/runs/{run.pk}/approve", decision_on(run)).status_code == 200


def test_a_revoked_token_is_refused_by_the_next_request(caller, world) -> None:
    assert caller.get("/runs").status_code == 200
    revoke_tokens_of(tenant_id=world.tenant.pk, user_id=world.owner.user_id, actor=world.actor)
    assert caller.get("/runs").status_code == 401


def test_what_breaks_is_a_problem_without_its_reason(caller, world, monkeypatch, caplog) -> None:
    monkeypatch.setattr("flows.api.list_runs", lambda *_, **__: 1 / 0)
    answer = caller.get("/runs")
    assert answer.status_code == 500
    assert "zero" not in answer.content.decode()
    assert "ZeroDivisionError" in caplog.text


def test_arguments_that_are_nested_too_deeply_are_refused(caller, world) -> None:
    run = world.run_that_is(RunStatus.PAUSED)
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    answer = caller.post(f"/runs/{run.pk}/approve", decision_on(run, arguments={"target": deep}))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "arguments")
    run.refresh_from_db()
    assert run.status == RunStatus.PAUSED
