"""The model runtime against a server that speaks the protocols of providers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agents.runtimes import get_runtime
from agents.runtimes.model import READER, RUNTIME
from agents.runtimes.protocol import Limits
from audit.entries import EntryKind, RunFacts
from config.environment import BASE_DIR
from tests.agents.model_server import Call, Refuses, Says
from tests.agents.work import make_work, perform


def test_a_prompt_is_filled_in_and_the_last_message_is_the_result(server, tmp_path: Path) -> None:
    server.says(Says("Hello Ada", thinking="Who is it?"))
    seen = perform(RUNTIME, make_work(tmp_path, "Greet {{ params.name }}.", arguments={"name": "Ada"}))
    assert seen.outcome.result == {"text": "Hello Ada"}
    assert seen.kinds == ["system", "message", "thinking", "message"]
    assert server.asked[0]["messages"][-1] == {"role": "user", "content": "Greet Ada."}
    assert server.asked[0]["messages"][0]["role"] == "system"
    assert server.keys == ["Bearer key-of-the-server"]
    assert [entry.native_id for entry in seen.entries] == [f"step:1:1:{number}" for number in range(1, 5)]


def test_tokens_are_told_for_each_message_without_those_of_the_cache(server, tmp_path: Path) -> None:
    server.says(Says(calls=[Call("list_files", {})], cached=40), Says("Done."))
    seen = perform(RUNTIME, make_work(tmp_path, "Look."))
    first, second = seen.usages
    assert (first.input_tokens, first.cache_read_tokens, first.output_tokens) == (60, 40, 7)
    assert (second.input_tokens, second.model) == (100, "small-dated")
    assert first.message_id != second.message_id
    assert [e.message_id for e in seen.of(EntryKind.MESSAGE) if e.role == "assistant"] == [second.message_id]
    assert seen.facts == RunFacts(runtime="model", model="small", cwd=str(tmp_path))


def test_a_model_works_with_its_tools_until_it_calls_none(server, tmp_path: Path) -> None:
    (tmp_path / "greeting.txt").write_text("Hello")
    server.says(
        Says("I look.", [Call("read_file", {"path": "greeting.txt"}), Call("list_files", {"glob": "*.txt"})]),
        Says(calls=[Call("write_file", {"path": "greeting.txt", "content": "Hello, world"})]),
        Says("It greets the world now."),
    )
    seen = perform(RUNTIME, make_work(tmp_path, "Improve it."))
    assert seen.outcome.result == {"text": "It greets the world now."}
    assert server.results(1) == ["Hello", "greeting.txt 5"]
    assert (tmp_path / "greeting.txt").read_text() == "Hello, world"
    (edit,) = seen.of(EntryKind.FILE_EDIT)
    assert (edit.path, edit.before, edit.after) == ("greeting.txt", "Hello", "Hello, world")
    assert not edit.is_partial
    calls, results = seen.of(EntryKind.TOOL_CALL), seen.of(EntryKind.TOOL_RESULT)
    assert [call.call_id for call in calls] == [result.call_id for result in results]
    assert len({call.call_id for call in calls}) == 3  # the server gives the same ids in each message
    assert calls[2].arguments == {"path": "greeting.txt", "content": "Hello, world"}
    assert edit.call_id == calls[2].call_id


def test_the_same_work_gives_the_same_ids(server, tmp_path: Path) -> None:
    ids = []
    for _ in range(2):
        server.says(Says("Wait.", [Call("list_files", {})], thinking="Hm."), Says("Done."))
        seen = perform(RUNTIME, make_work(tmp_path, "Look."))
        ids.append([(entry.native_id, entry.call_id, entry.message_id) for entry in seen.entries])
    assert ids[0] == ids[1]
    assert len({native_id for native_id, *_ in ids[0]}) == len(ids[0])


def test_what_is_wrong_with_a_call_is_told_to_the_model(server, tmp_path: Path) -> None:
    server.says(
        Says(
            calls=[
                Call("read_file", '{"path": "a'),
                Call("read_file", "[1]"),
                Call("remove_file", {}),
                Call("read_file", {"paht": "a", "first_line": "one"}),
                Call("read_file", {"path": "missing"}),
            ]
        ),
        Says("I give up."),
    )
    seen = perform(RUNTIME, make_work(tmp_path, "Try."))
    assert seen.outcome.is_ok
    no_json, no_object, unknown, wrong, missing = server.results()
    assert no_json.startswith("Error: the arguments are no JSON object")
    assert no_object.startswith("Error: the arguments are no JSON object")
    assert "there is no tool “remove_file”; there are read_file, " in unknown
    assert all(part in wrong for part in ("no “paht”", "“path” is missing", "“first_line” has to be of"))
    assert missing == "Error: missing: no such file or directory"
    assert all(entry.is_error for entry in seen.of(EntryKind.TOOL_RESULT))
    assert seen.of(EntryKind.TOOL_CALL)[0].arguments == '{"path": "a'


def test_a_reader_has_nothing_that_writes_or_runs(server, tmp_path: Path) -> None:
    server.says(Says(calls=[Call("write_file", {"path": "a", "content": "x"})]), Says("Well."))
    seen = perform(READER, make_work(tmp_path, "Write a."))
    assert seen.outcome.is_ok
    offered = [tool["function"]["name"] for tool in server.asked[0]["tools"]]
    assert offered == ["read_file", "list_files", "search"]
    assert "there is no tool “write_file”" in server.results()[0]
    assert list(tmp_path.iterdir()) == []


def test_front_matter_can_leave_out_what_writes(server, tmp_path: Path) -> None:
    server.says(Says("Fine."))
    perform(RUNTIME, make_work(tmp_path, "---\ntools: read\n---\nReview it."))
    assert [tool["function"]["name"] for tool in server.asked[0]["tools"]] == [
        "read_file",
        "list_files",
        "search",
    ]
    assert server.asked[0]["messages"][-1]["content"] == "Review it."


@pytest.mark.parametrize("text", ['{"files": ["a.py"]}', '```json\n{"files": ["a.py"]}\n```'])
def test_a_skill_that_asks_for_json_gets_the_value(server, tmp_path: Path, text: str) -> None:
    server.says(Says(text))
    seen = perform(RUNTIME, make_work(tmp_path, "---\nresult: json\n---\nWhich files?"))
    assert seen.outcome.result == {"files": ["a.py"]}
    assert "one JSON value" in server.asked[0]["messages"][0]["content"]


def test_a_model_may_put_its_json_right_once(server, tmp_path: Path) -> None:
    body = "---\nresult: json\n---\nHow many?"
    server.says(Says("Three, I think."), Says("3"), Says("Three."), Says("NaN"))
    assert perform(RUNTIME, make_work(tmp_path, body)).outcome.result == 3
    assert "not JSON" in server.asked[1]["messages"][-1]["content"]
    failed = perform(RUNTIME, make_work(tmp_path, body)).outcome
    assert "the model's last message is none: NaN is no JSON" in failed.error


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("---\nresult: yaml\n---\nGo.", "“result: yaml”; it may say result: text | json, tools: all | read"),
        ("---\n[\n---\nGo.", "no YAML"),
        ("---\ntools: [read]\n---\nGo.", "it may say"),
        ("Go to {{ params.place }}.", "place"),
        ("  \n", "empty"),
    ],
)
def test_a_body_that_makes_no_prompt_is_an_outcome(server, tmp_path: Path, body: str, says: str) -> None:
    seen = perform(RUNTIME, make_work(tmp_path, body))
    assert says in seen.outcome.error
    assert server.asked == []


def test_arguments_make_no_front_matter_and_no_expressions(server, tmp_path: Path) -> None:
    text = "---\ntools: read\n---\n{{ params.other }}"
    server.says(Says("Fine."))
    perform(RUNTIME, make_work(tmp_path, "{{ params.text }}", arguments={"text": text, "other": "gone"}))
    assert server.asked[0]["messages"][-1]["content"] == text
    assert len(server.asked[0]["tools"]) > 3


def test_turns_are_limited(server, tmp_path: Path) -> None:
    server.says(*[Says(calls=[Call("list_files", {})])] * 3)
    seen = perform(RUNTIME, make_work(tmp_path, "Go on.", limits=Limits(turns=2)))
    assert "not done after 2 turns: raise the limit on turns" in seen.outcome.error
    assert len(server.asked) == 2
    assert len(seen.of(EntryKind.TOOL_RESULT)) == 2


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (Says(""), "answered with nothing"),
        (Says("Once upon", finish="length"), "the most that it can write at once"),
        (Says("No", finish="content_filter"), "refused"),
    ],
)
def test_an_answer_that_is_none_is_an_error(server, tmp_path: Path, says: Says, error: str) -> None:
    server.says(says)
    assert error in perform(RUNTIME, make_work(tmp_path, "Go.")).outcome.error


def test_the_protocol_of_anthropic_is_spoken_too(server, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url.removesuffix("/v1"))
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    server.says(
        Says("I look.", [Call("read_file", {"path": "a.txt"})], thinking="Where is it?"), Says("Two lines.")
    )
    work = make_work(
        tmp_path,
        "Count.",
        model="anthropic:claude-small",
        environment={"ANTHROPIC_API_KEY": "of-the-profile"},
    )
    seen = perform(RUNTIME, work)
    assert seen.outcome.result == {"text": "Two lines."}
    assert [key.endswith("of-the-profile") for key in server.keys] == [True, True]
    assert seen.kinds[2:] == ["thinking", "message", "tool_call", "tool_result", "message"]
    usage = seen.usages[0]
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (60, 30, 10)
    assert "cache_control" in str(server.asked[0])  # the growing conversation is paid for once


def test_the_protocol_of_google_is_spoken_too(server, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url.removesuffix("/v1"))
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    read = [Call("read_file", {"path": "a.txt"}), Call("list_files", {})]
    server.says(Says("I look.", read, thinking="Where is it?", cached=30), Says("Two lines."))
    work = make_work(
        tmp_path,
        "Count.",
        model="google:gemini-small",
        environment={"GEMINI_API_KEY": "of-the-profile"},
    )
    seen = perform(RUNTIME, work)
    assert seen.outcome.error == ""
    assert seen.outcome.result == {"text": "Two lines."}
    assert server.keys == ["of-the-profile", "of-the-profile"]
    assert seen.kinds[2:] == [
        *("thinking", "message", "tool_call", "tool_call", "tool_result", "tool_result", "message")
    ]
    first, second = server.asked
    assert "Count." in str(first["contents"])
    declared = [one for tools in first["tools"] for one in tools["functionDeclarations"]]
    assert {"read_file", "write_file", "run_command"} <= {one["name"] for one in declared}
    answers = [part["functionResponse"] for part in second["contents"][-1]["parts"]]
    assert [one["name"] for one in answers] == ["read_file", "list_files"]
    assert list(answers[0]["response"].values()) == ["one\ntwo\n"]
    assert "thoughtSignature" in str(second["contents"])  # it refuses calls without what it signed
    usage = seen.usages[0]
    assert (usage.input_tokens, usage.cache_read_tokens, usage.model) == (70, 30, "gemini-small-dated")


def test_what_google_refuses_says_what_to_do_and_never_the_key(server, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url.removesuffix("/v1"))
    told = "API key not valid. Please pass a valid API key."
    body = {"error": {"code": 400, "message": told, "status": "INVALID_ARGUMENT"}}
    server.says(Refuses(400, body))
    work = make_work(tmp_path, "Go.", model="google:small", environment={"GOOGLE_API_KEY": "of-the-profile"})
    error = perform(RUNTIME, work).outcome.error
    assert error.startswith("google does not accept the key in GOOGLE_API_KEY: set another one")
    assert told in error
    assert "of-the-profile" not in error


def test_what_asks_no_model_does_not_load_the_library() -> None:
    look = "import sys, django; django.setup(); import config.asgi, config.worker"
    look += "; import agents.runtimes.model as m, agents.prompting.talk, config.doctor"
    look += "; print([n for n in sys.modules if n.split('.')[0] in ('pydantic_ai', 'openai', 'anthropic')])"
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=BASE_DIR, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr
    assert get_runtime("model") is RUNTIME
