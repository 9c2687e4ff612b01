"""Commands that a model runs: like any step's command, without the keys of models."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from agents.runtimes import Limits, Stop, StopReason
from agents.runtimes.model import RUNTIME
from audit.entries import EntryKind
from tests.agents.model_server import Call, Says
from tests.agents.work import Seen, make_work, perform, watch

SECRET = "correct horse battery staple 77"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


def run(server, folder: Path, command: str, **more) -> Seen:
    server.says(Says(calls=[Call("run_command", {"command": command})]), Says("Done."))
    return perform(RUNTIME, make_work(folder, "Go.", sandbox="none", **more))


def test_a_command_runs_in_the_folder_and_its_output_is_told(server, folder: Path) -> None:
    (folder / "a.txt").write_text("one\n")
    command = "cat a.txt; echo two > b.txt; echo three >&2"
    seen = run(server, folder, command)
    assert seen.outcome.result == {"text": "Done."}
    assert server.results() == ["one\nthree\n\n(it ended well)"]
    assert (folder / "b.txt").read_text() == "two\n"
    (call,) = seen.of(EntryKind.TOOL_CALL)
    assert (call.tool_name, call.arguments) == (
        "run_command",
        {"command": "cat a.txt; echo two > b.txt; echo three >&2"},
    )
    results = seen.of(EntryKind.TOOL_RESULT)
    assert {(one.call_id, one.tool_name) for one in results} == {(call.call_id, "run_command")}
    assert "".join(one.text for one in results) == "one\nthree\n"
    assert len({entry.native_id for entry in seen.entries}) == len(seen.entries)
    assert (seen.facts.runtime, seen.facts.model, seen.facts.sandbox) == ("model", "small", "none")


def test_two_commands_of_a_message_have_entries_of_their_own(server, folder: Path) -> None:
    calls = [Call("run_command", {"command": f"echo {name}"}) for name in ("one", "two")]
    server.says(Says(calls=calls), Says("Done."))
    seen = perform(RUNTIME, make_work(folder, "Go.", sandbox="none"))
    assert server.results() == ["one\n\n(it ended well)", "two\n\n(it ended well)"]
    assert len({entry.native_id for entry in seen.entries}) == len(seen.entries)


def test_a_command_that_fails_is_told_and_ends_nothing(server, folder: Path) -> None:
    seen = run(server, folder, "echo before; exit 3")
    assert seen.outcome.is_ok
    (told,) = server.results()
    assert told.startswith("before\n\n")
    assert "exit code 3" in told
    assert seen.of(EntryKind.TOOL_RESULT)[-1].is_error


def test_a_command_has_the_secrets_of_the_work_but_no_key_of_a_model(server, folder: Path) -> None:
    given = {"MODEL_API_KEY": "of-the-profile-1234", "DEPLOY_PASS": SECRET}
    seen = run(
        server,
        folder,
        'echo "${MODEL_API_KEY-none}"; echo "$DEPLOY_PASS"; printf %s "$DEPLOY_PASS" > kept',
        environment=given,
        known={"DEPLOY_PASS": SECRET},
    )
    assert seen.outcome.is_ok
    assert server.keys[0] == "Bearer of-the-profile-1234"
    assert server.results() == ["none\n[DEPLOY_PASS]\n\n(it ended well)"]
    assert (folder / "kept").read_text() == SECRET
    assert SECRET not in str(server.asked)


def test_only_the_end_of_much_output_is_told(server, folder: Path) -> None:
    run(server, folder, "seq 100000")
    (told,) = server.results()
    assert len(told) < 31_000
    assert told.endswith("\n99999\n100000\n\n(it ended well)")


def test_a_command_is_stopped_after_what_the_model_gave_it(server, folder: Path) -> None:
    server.says(Says(calls=[Call("run_command", {"command": "sleep 30", "seconds": 1})]), Says("Too long."))
    seen = perform(RUNTIME, make_work(folder, "Go.", sandbox="none"))
    assert seen.outcome.is_ok
    assert "more than 1 seconds" in server.results()[0]


def test_the_limit_of_the_step_bounds_its_commands(server, folder: Path) -> None:
    begun = time.monotonic()
    seen = run(server, folder, "sleep 30", limits=Limits(seconds=2))
    assert "not done after 2 seconds" in seen.outcome.error
    assert time.monotonic() - begun < 20
    assert len(server.asked) == 1


def test_a_stop_ends_the_command_too(server, folder: Path) -> None:
    stop = Stop()
    server.says(Says(calls=[Call("run_command", {"command": "echo begun; sleep 60"})]))
    performance = RUNTIME.perform(make_work(folder, "Go.", sandbox="none"), stop)
    while not any(entry.text == "begun\n" for entry in next(performance).entries):
        pass
    timer = threading.Timer(0.2, stop.set, [StopReason.SHUTDOWN])
    timer.start()
    begun = time.monotonic()
    assert watch(performance).outcome.error == "stopped: shutdown"
    assert time.monotonic() - begun < 3
    timer.join()


def test_a_sandbox_that_is_not_there_is_missing_before_the_model_is_asked(server, folder: Path) -> None:
    assert "“jail”" in RUNTIME.find_missing(make_work(folder, "Go.", sandbox="jail"))
