"""A step that a language model does, from the engine to the record."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agents.runtimes import Stop, get_runtime
from audit.models import MessageUsage, Transcript, TranscriptEntry
from flows.engine import advance
from flows.models import FlowRun, RunStatus, StepRun
from flows.services import resume_run
from tests.agents.model_server import Call, ModelServer, Says, serving
from tests.factories.agents import ProfileFactory
from workspace.secrets import create_secret


@pytest.fixture
def server(settings) -> Iterator[ModelServer]:
    with serving() as told:
        settings.MODEL_DEFAULT, settings.MODEL_BASE_URL, settings.MODEL_API_KEY = "small", told.url, ""
        yield told


def work_on(bench, run: FlowRun) -> FlowRun:
    advance(bench.claim(run), Stop(), find_runtime=get_runtime)
    return FlowRun.objects.get(pk=run.pk)


def test_a_model_does_a_step_and_the_next_one_has_its_result(server, bench) -> None:
    tenant_id, secret = bench.world.tenant.pk, "correct horse battery staple 77"
    create_secret(tenant_id=tenant_id, name="DB_PASS", value=secret, actor=bench.world.actor)
    kept = {"path": "a.txt", "content": f"pass={secret}\n"}
    ask = "---\nresult: json\n---\nWho is {{ params.who }}?"
    run = bench.start(
        {"name": "ask", "body": ask, "runtime": "model", "parameters": {"who": "Ada"}},
        {
            "name": "tell",
            "body": 'printf "$PARAM_TOLD"',
            "parameters": {"told": "{{ steps.ask.result.name }}"},
        },
    )
    server.says(
        Says("I write.", [Call("write_file", kept)], thinking="Hm."),
        Says(calls=[Call("read_file", {"path": "a.txt"})]),
        Says('{"name": "Lovelace"}'),
    )
    done = work_on(bench, run)
    assert done.status == RunStatus.COMPLETED, done.error
    ask_step, tell_step = StepRun.objects.filter(run=run).order_by("position")
    assert (ask_step.result, tell_step.result["output"]) == ({"name": "Lovelace"}, "Lovelace")
    assert server.results() == ["made a.txt", "pass=[DB_PASS]\n"]
    transcript = Transcript.objects.get(session_id=run.pk)
    entries = TranscriptEntry.objects.filter(transcript=transcript, native_id__startswith="step:1:1:")
    kinds = list(entries.order_by("seq").values_list("kind", flat=True))
    assert [kind for kind in kinds if kind in {"thinking", "tool_call", "tool_result", "file_edit"}] == [
        "thinking",
        "tool_call",
        "tool_result",
        "file_edit",
        "tool_call",
        "tool_result",
    ]
    assert entries.get(kind="file_edit").after == "pass=[DB_PASS]\n"
    assert secret not in str(list(entries.values()))
    assert MessageUsage.objects.filter(transcript=transcript).count() == 3


def test_a_run_waits_for_the_key_that_its_profile_is_to_have(server, bench, settings, monkeypatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    tenant = bench.world.tenant
    profile = ProfileFactory(
        tenant=tenant, runtime="model", model="openai-chat:small", env_secret_names=["OPENAI_API_KEY"]
    )
    run = bench.start({"body": "Hello", "runtime": "model", "profile_id": profile.pk})
    blocked = work_on(bench, run)
    assert (blocked.status, "OPENAI_API_KEY" in blocked.error) == (RunStatus.BLOCKED, True)
    key = "key-of-this-workspace"
    create_secret(tenant_id=tenant.pk, name="OPENAI_API_KEY", value=key, actor=bench.world.actor)
    resume_run(tenant_id=tenant.pk, run_id=run.pk, actor=bench.world.actor)
    server.says(Says("Hello!"))
    assert work_on(bench, run).status == RunStatus.COMPLETED
    assert server.keys == [f"Bearer {key}"]
