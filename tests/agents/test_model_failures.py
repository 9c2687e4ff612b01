"""What a provider can do to us, and somebody who stops the work meanwhile: all of it ends in clear words."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from agents.prompting.line import Patience
from agents.prompting.providers import KEY_NAMES, build, choose
from agents.prompting.tools import READING, WRITING
from agents.runtimes.model import ModelRuntime
from agents.runtimes.protocol import Limits, Stop, StopReason
from audit.entries import EntryKind
from tests.agents.model_server import Call, Refuses, Says
from tests.agents.work import make_work, perform, watch
from tests.config.processes import find_free_port

QUICK = ModelRuntime([*READING, *WRITING], Patience(tries=3, first_wait=0.05, silence=1.0))


def error(code: str, message: str = "no") -> dict[str, dict[str, str]]:
    return {"error": {"message": message, "code": code, "type": code}}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Refuses(401, error("invalid_api_key")), "does not accept the key in MODEL_API_KEY: set another"),
        (Refuses(403), "does not accept the key in MODEL_API_KEY"),
        (
            Refuses(404),
            "knows no model “small”: look at the profile's model, MODEL_DEFAULT and MODEL_BASE_URL",
        ),
        (Refuses(429, error("insufficient_quota")), "has used up its quota"),
        (Refuses(400, error("context_length_exceeded")), "outgrown what “small” can hold"),
        (Refuses(400), "refused the request"),
    ],
)
def test_what_waiting_does_not_help_is_asked_once(server, tmp_path: Path, answer: Refuses, says: str) -> None:
    server.says(answer)
    seen = perform(QUICK, make_work(tmp_path, "Go."))
    assert says in seen.outcome.error
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_what_passes_is_waited_for(server, tmp_path: Path, status: int) -> None:
    server.says(Refuses(status), Says("Hello"))
    seen = perform(QUICK, make_work(tmp_path, "Go."))
    assert seen.outcome.result == {"text": "Hello"}
    (told,) = [entry for entry in seen.of(EntryKind.SYSTEM) if entry.is_error]
    assert "asking once more in" in told.text


def test_a_provider_that_says_how_long_is_waited_for_so_long(server, tmp_path: Path) -> None:
    server.says(Refuses(429, headers={"Retry-After": "1"}), Says("Hello"))
    begun = time.monotonic()
    assert perform(QUICK, make_work(tmp_path, "Go.")).outcome.is_ok
    assert 1.0 <= time.monotonic() - begun < 10


def test_nobody_waits_for_an_hour(server, tmp_path: Path) -> None:
    server.says(Refuses(429, headers={"Retry-After": "3600"}))
    seen = perform(QUICK, make_work(tmp_path, "Go."))
    assert "lets no more requests through for now" in seen.outcome.error
    assert "(asked once)" in seen.outcome.error


def test_what_does_not_pass_is_given_up(server, tmp_path: Path) -> None:
    server.says(*[Refuses(503, error("overloaded", "overloaded"))] * 3)
    seen = perform(QUICK, make_work(tmp_path, "Go."))
    assert "is overloaded or out of order" in seen.outcome.error
    assert "(asked 3 times)" in seen.outcome.error
    assert len(server.asked) == 3


def test_an_answer_that_is_cut_is_asked_for_anew(server, tmp_path: Path) -> None:
    server.says(Says("one two three four five", thinking="Hm.", is_cut=True), Says("one two"))
    seen = perform(QUICK, make_work(tmp_path, "Count."))
    assert seen.outcome.result == {"text": "one two"}
    ids = [entry.native_id for entry in seen.entries]
    assert len(set(ids)) == len(ids)
    (told,) = [entry for entry in seen.of(EntryKind.SYSTEM) if entry.is_error]
    assert "connection" in told.text
    spoken = [entry for entry in seen.entries if entry.role == "assistant"]
    assert [(one.kind.value, one.text.strip()) for one in spoken] == [
        ("thinking", "Hm."),
        ("message", "one two"),
    ]
    assert spoken[0].message_id != spoken[1].message_id


def test_nobody_at_the_address_says_which_setting_has_it(settings, tmp_path: Path) -> None:
    settings.MODEL_BASE_URL = f"http://127.0.0.1:{find_free_port()}/v1"
    seen = perform(QUICK, make_work(tmp_path, "Go.", model="small"))
    assert f"the connection to {settings.MODEL_BASE_URL} failed: look at MODEL_BASE_URL" in seen.outcome.error


def test_a_server_that_speaks_something_else_is_an_outcome(server, tmp_path: Path) -> None:
    server.says(*[Refuses(200, "hello")] * 3)
    seen = perform(QUICK, make_work(tmp_path, "Go."))
    assert seen.outcome.error


def test_a_silent_provider_is_given_up(server, tmp_path: Path) -> None:
    server.says(*[Says("a b c", gap=3.0)] * 3)
    seen = perform(QUICK, make_work(tmp_path, "Go."))
    assert "did not answer in time" in seen.outcome.error


def test_no_key_is_in_what_went_wrong(server, tmp_path: Path) -> None:
    server.says(Refuses(401, error("invalid_api_key", "Incorrect API key provided: key-of-the-server")))
    seen = perform(QUICK, make_work(tmp_path, "Go."))
    assert "key-of-the-server" not in seen.outcome.error
    assert "[MODEL_API_KEY]" in seen.outcome.error


def test_a_stop_in_the_middle_of_an_answer_ends_the_request(server, tmp_path: Path) -> None:
    server.says(Says(" ".join(["word"] * 500), gap=0.05))
    stop, stopped_at = Stop(), []

    def cancel() -> None:
        server.speaking.wait(30)
        stopped_at.append(time.monotonic())
        stop.set(StopReason.CANCELLED)

    thread = threading.Thread(target=cancel)
    thread.start()
    seen = perform(QUICK, make_work(tmp_path, "Go."), stop)
    ended_at = time.monotonic()
    thread.join()
    assert seen.outcome.error == "stopped: cancelled"
    assert ended_at - stopped_at[0] < 2
    assert server.left.wait(5)  # the provider sees it too, and makes no more of what nobody wants


def test_a_stop_while_waiting_to_ask_again_is_prompt(server, tmp_path: Path) -> None:
    server.says(Refuses(429, headers={"Retry-After": "30"}))
    stop = Stop()
    performance = QUICK.perform(make_work(tmp_path, "Go."), stop)
    while not any("asking once more" in entry.text for entry in next(performance).entries):
        pass
    stop.set(StopReason.SHUTDOWN)
    begun = time.monotonic()
    assert watch(performance).outcome.error == "stopped: shutdown"
    assert time.monotonic() - begun < 2


def test_closing_the_performance_ends_the_request(server, tmp_path: Path) -> None:
    server.says(Says(" ".join(["word"] * 500), gap=0.05))
    performance = QUICK.perform(make_work(tmp_path, "Go."), Stop())
    next(performance)
    while not server.speaking.is_set():
        next(performance)
    performance.close()
    assert server.left.wait(5)


def test_time_is_limited(server, tmp_path: Path) -> None:
    server.says(Says(" ".join(["word"] * 500), gap=0.05))
    seen = perform(QUICK, make_work(tmp_path, "Go.", limits=Limits(seconds=1.5)))
    assert "not done after 1.5 seconds: raise the limit on minutes" in seen.outcome.error


def test_tools_are_not_used_for_who_has_stopped(server, tmp_path: Path) -> None:
    stop = Stop()
    server.says(Says(calls=[Call("write_file", {"path": "a", "content": "x"})]))
    performance = QUICK.perform(make_work(tmp_path, "Go."), stop)
    while not any(entry.kind == EntryKind.TOOL_CALL for entry in next(performance).entries):
        pass
    stop.set(StopReason.LEASE_LOST)
    assert watch(performance).outcome.error == "stopped: lease lost"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("provider", KEY_NAMES)
def test_each_provider_that_we_name_takes_its_key(provider: str) -> None:
    choice = choose(f"{provider}:some/model", {KEY_NAMES[provider][0]: "a-key"})
    model = build(choice)
    assert model.model_name == "some/model"
    assert choice.key_name == KEY_NAMES[provider][0]
