"""Commands of a shell: what they are given, what is seen of them while they run, how they end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from agents.runtimes import Limits, Stop, StopReason, get_runtime
from audit.entries import EntryKind
from audit.redaction import Redactor
from tests.agents.work import Seen, make_work, perform, watch, watch_until

SHELL = get_runtime("shell")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


def run(folder: Path, body: str, **more) -> Seen:
    return perform(SHELL, make_work(folder, body, **{"sandbox": "none", **more}))


def test_a_command_is_called_prints_and_ends(folder):
    seen = run(folder, "echo out; echo err >&2; echo again")
    assert [entry.kind for entry in seen.entries[:2]] == [EntryKind.TOOL_CALL, EntryKind.TOOL_RESULT]
    assert seen.entries[0].arguments == {"command": "echo out; echo err >&2; echo again"}
    assert seen.output == "out\nerr\nagain\n"
    assert seen.outcome.result == {"exit_code": 0, "output": "out\nerr\nagain\n"}
    assert seen.end.data["exit_code"] == 0
    assert not seen.end.is_error
    assert seen.end.duration_ms is not None
    assert (seen.facts.runtime, seen.facts.sandbox) == ("shell", "none")
    assert len({entry.native_id for entry in seen.entries}) == len(seen.entries)
    assert {entry.call_id for entry in seen.entries} == {"step:1:1"}
    assert all(entry.native_id.startswith("step:1:1:") for entry in seen.entries)


def test_output_is_seen_while_the_command_runs(folder):
    seen = run(folder, "echo first; sleep 0.8; echo second; sleep 0.8; echo third")
    assert [entry.text for entry in seen.entries[1:-1]] == ["first\n", "second\n", "third\n"]
    first, second, third = seen.times[1:-1]
    assert second - first > 0.6
    assert third - second > 0.6


def test_what_comes_quickly_comes_in_few_pieces(folder):
    seen = run(folder, "for i in $(seq 200); do echo $i; sleep 0.005; done")
    assert seen.output == "".join(f"{i}\n" for i in range(1, 201))
    assert len(seen.entries) <= 5 + seen.seconds / 0.3


def test_the_first_command_that_fails_ends_it_also_inside_of_a_pipe(folder):
    seen = run(folder, "echo before; false | cat; echo after")
    assert seen.output == "before\n"
    assert seen.outcome.error == "The command ended with exit code 1: before"
    assert seen.end.is_error
    assert "unbound variable" in run(folder, "echo $NEVER_SET").output


def test_a_value_reaches_a_command_as_environment_and_never_as_text_of_it(folder):
    arguments = {
        "title": 'x"; touch stolen; echo $(touch stolen) `touch stolen`',
        "count": 3,
        "is-dry": True,
        "files": ["a", "ü"],
        "nothing": None,
    }
    body = 'printf "%s|" "$PARAM_TITLE" "$PARAM_COUNT" "$PARAM_IS_DRY" "$PARAM_FILES" "$PARAM_NOTHING"; echo'
    seen = run(folder, body, arguments=arguments)
    assert seen.output == f'{arguments["title"]}|3|true|["a", "ü"]||\n'
    assert os.listdir(folder) == []
    assert "stolen" not in json.dumps(seen.entries[0].arguments)


def test_nothing_of_the_servers_environment_reaches_a_command(folder, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://server")
    monkeypatch.setenv("BASH_ENV", "/etc/profile")
    seen = run(folder, "env", environment={"DEPLOY_TOKEN": "given by name"})
    names = {line.partition("=")[0] for line in seen.output.splitlines()}
    assert names == {
        "DEPLOY_TOKEN", "HOME", "LANG", "PATH", "PWD", "OLDPWD", "RESULT_FILE", "SHLVL", "STARTED_BY_COMMAND",
        "TMPDIR", "_",
    } - {"OLDPWD"}  # fmt: skip
    assert seen.entries[0].arguments["secrets"] == ["DEPLOY_TOKEN"]
    assert "given by name" not in repr([entry.arguments for entry in seen.entries])


def test_home_and_temporary_files_are_its_own_and_no_part_of_the_work(folder):
    seen = run(folder, 'echo a > "$HOME/kept"; echo b > "$(mktemp)"; pwd; ls -A')
    assert seen.output == f"{folder}\n"
    assert run(folder, 'cat "$HOME/kept"').output == "a\n"


def test_a_result_is_what_the_command_wrote_as_json(folder):
    seen = run(folder, """echo '{"files": ["a.txt"], "count": 2}' > "$RESULT_FILE" """)
    assert seen.outcome.result == {"files": ["a.txt"], "count": 2}
    assert run(folder, 'echo null > "$RESULT_FILE"').outcome.result is None
    assert run(folder, "true").outcome.result == {"exit_code": 0, "output": ""}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('echo "{" > "$RESULT_FILE"', "holds no JSON"),
        ('true > "$RESULT_FILE"', "$RESULT_FILE is empty: it has to hold JSON, or not to be there"),
        ('echo NaN > "$RESULT_FILE"', "holds no JSON that can be kept: NaN"),
        ("""echo '{"a": 1e999}' > "$RESULT_FILE" """, "holds no JSON that can be kept: 1e999 is too large"),
        ('printf "[%.0s" $(seq 200000) > "$RESULT_FILE"', "holds no JSON"),
        (
            "printf '%.0s[' $(seq 92) > $RESULT_FILE; printf '%.0s]' $(seq 92) >> $RESULT_FILE",
            "nested too deeply, more than 90 levels",
        ),
        ('ln -s /etc/hostname "$RESULT_FILE"', "cannot be read"),
        ('mkfifo "$RESULT_FILE"', "is no file"),
        ('mkdir "$RESULT_FILE"', "is no file"),
        ('head -c 2000000 /dev/zero > "$RESULT_FILE"', "more than 1,024 KB"),
    ],
)
def test_a_result_that_is_none_fails_the_step_and_says_why(folder, body, problem):
    assert problem in run(folder, body).outcome.error


def test_the_result_of_an_earlier_attempt_is_not_taken_for_this_ones(folder):
    run(folder, 'echo 1 > "$RESULT_FILE"')
    assert run(folder, "true").outcome.result == {"exit_code": 0, "output": ""}


def test_a_command_that_takes_too_long_is_stopped_and_says_what_to_raise(folder):
    seen = run(folder, "echo begun; sleep 60", limits=Limits(seconds=2))
    assert 2 <= seen.seconds < 40
    assert "ran for more than 2 seconds" in seen.outcome.error
    assert "Raise the limit of minutes" in seen.outcome.error
    assert seen.output == "begun\n"


def test_a_command_that_does_not_hear_is_killed(folder):
    stop = Stop()
    body = "trap '' TERM; echo deaf; while :; do sleep 0.1; done"
    performance = SHELL.perform(make_work(folder, body, sandbox="none"), stop)
    watch_until(performance, "deaf")
    stop.set(StopReason.SHUTDOWN)
    seen = watch(performance)
    assert seen.end.data["exit_code"] == -9


def test_a_command_that_prints_too_much_is_stopped_and_says_what_to_raise(folder):
    seen = run(folder, "yes", limits=Limits(output_bytes=50_000))
    assert len(seen.output) == 50_000
    assert "printed more than 48 KB" in seen.outcome.error
    assert "raise the output limit" in seen.outcome.error


def test_a_command_that_wants_too_much_memory_fails_and_says_what_to_raise(folder):
    body = "head -c 400M /dev/zero | tr '\\0' a | sort > /dev/null; x=$(head -c 300M /dev/zero | tr '\\0' a)"
    seen = run(folder, body, limits=Limits(memory_bytes=64 << 20))
    assert "may use 64 MB" in seen.outcome.error
    assert "raise the memory limit" in seen.outcome.error


def test_a_command_without_limits_is_told_nothing_of_memory(folder):
    assert run(folder, "echo why; exit 3").outcome.error == "The command ended with exit code 3: why"


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"arguments": {"text": "a\0b"}}, "has a NUL character"),
        ({"arguments": {"text": "a" * 200_000}}, "more than 128 KB"),
    ],
)
def test_what_cannot_be_started_is_an_outcome_that_says_why(folder, more, problem):
    assert problem in run(folder, "true", **more).outcome.error


def test_a_folder_that_is_gone_is_an_outcome(tmp_path):
    assert "No such file" in run(tmp_path / "gone", "true").outcome.error


def test_bytes_that_are_no_text_are_made_visible(folder):
    assert run(folder, r"printf 'a\xff\0b\xc3'; sleep 0.5; printf '\xbc\n'").output == "a\ufffd\u2400bü\n"


def test_what_was_written_over_is_not_kept(folder):
    bar = r"for i in $(seq 500); do printf '\r%d %%' $i; done; printf '\r100 %%\n'"
    body = bar + r"; printf 'done\r\n\033[32mgreen\033[0m\n'"
    assert run(folder, body).output == "100 %\ndone\n\x1b[32mgreen\x1b[0m\n"


def test_a_command_reads_nothing(folder):
    assert run(folder, "cat; echo end").output == "end\n"


def test_an_unknown_secret_stays_out_of_the_result_too(folder):
    value = "-".join(["correct", "horse", "battery"])
    redactor = Redactor({"DEPLOY_KEY": value}, b"k" * 32)
    seen = run(folder, 'echo "$DEPLOY_KEY"; exit 4', environment={"DEPLOY_KEY": value}, redactor=redactor)
    assert seen.outcome.error == "The command ended with exit code 4: [DEPLOY_KEY]"


def test_a_sandbox_that_nobody_knows_is_missing():
    work = make_work(Path("/"), "true", sandbox="jail")
    assert "set it to none, bubblewrap" in SHELL.find_missing(work)
    assert SHELL.find_missing(make_work(Path("/"), "true")) == ""
