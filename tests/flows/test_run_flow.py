"""`manage.py run_flow`: starting a run from a terminal and seeing it through."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.entries import EntryKind
from audit.models import TranscriptEntry
from config.environment import BASE_DIR
from flows import services
from flows.design import FlowDesign, ParameterDesign, StepDesign
from flows.following import show_entry, show_line
from flows.management.starting import read_parameters
from flows.models import Flow, FlowRun, StepRun
from tests.config.processes import eventually
from tests.factories.agents import ProfileFactory, SkillFactory
from tests.flows.doings import lapse
from tests.flows.worlds import World, steps_of
from tests.intake.processes import database_away_from
from tests.intake.workers import NAME, environment, forget_jobs

PARAMETERS = (
    ParameterDesign(name="target", required=True),
    ParameterDesign(name="count", type="number", default=1),
    ParameterDesign(name="dry", type="boolean", default=False),
)


def make_flow(world: World, *bodies: str, name: str = "Ship it", **first: Any) -> Flow:
    """A flow of commands; they see its parameters."""
    profile = ProfileFactory(tenant=world.tenant, sandbox="none")
    parameters = {parameter.name: f"{{{{ params.{parameter.name} }}}}" for parameter in PARAMETERS}
    steps = tuple(
        StepDesign(
            name=f"s{number}",
            skill_id=SkillFactory(tenant=world.tenant, body=body).pk,
            profile_id=profile.pk,
            parameters=parameters,
            **(first if number == 1 else {}),
        )
        for number, body in enumerate(bodies, start=1)
    )
    design = FlowDesign(name=name, parameters=PARAMETERS, steps=steps)
    return services.create_flow(tenant_id=world.tenant.pk, actor=world.actor, design=design)


def start(work_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "run_flow", *arguments],
        cwd=BASE_DIR,
        env={**environment(), "WORK_DIR": str(work_dir)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(work_dir: Path, *arguments: str) -> tuple[int, str]:
    process = start(work_dir, *arguments)
    out, err = process.communicate(timeout=100)
    return process.returncode, out + err


@pytest.fixture
def flow(world: World) -> Flow:
    return make_flow(world, "true")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Nothing"], "there is no flow “Nothing”; there are: Release, Ship it"),
        (["ship it"], "the parameter “target” is required"),
        (["Ship it", "-p", "target"], "-p target: write -p KEY=VALUE"),
        (["Ship it", "-p", "taget=a"], "there is no parameter taget; there are: target, count, dry"),
        (["Ship it", "-p", "count=many"], "-p count=many: write a number"),
        (["Ship it", "-p", "dry=maybe"], "-p dry=maybe: write true or false"),
        (["Ship it", "-p", "count=nan", "-p", "target=a"], "the parameter “count” must be a number"),
        (["Ship it", "--owner", "nobody@example.com"], "nobody@example.com is no member of the workspace"),
        (["Ship it", "--workspace", "nowhere"], "there is no workspace 'nowhere'; there are: "),
    ],
)
def test_what_cannot_start_says_why_and_starts_nothing(flow, arguments, words):
    with pytest.raises(CommandError) as refused:
        call_command("run_flow", *arguments, stdout=StringIO())
    assert words in str(refused.value)
    assert refused.value.returncode == 2
    assert not FlowRun.objects.exists()


def test_values_are_read_by_the_types_of_their_parameters(flow):
    given = ["target=1=2", "count=3", "dry=Yes"]
    assert read_parameters(flow, given) == {"target": "1=2", "count": 3, "dry": True}
    assert read_parameters(flow, ["target=", "count=-2.5", "dry=0"]) == {
        "target": "",
        "count": -2.5,
        "dry": False,
    }


def test_no_text_steers_the_terminal():
    text = "a\x1b[31mred\x1b[0m\x1b]0;title\x07b\rc\x08\x9b2J\u202ed\ttab\nnext"
    entry = TranscriptEntry(kind=EntryKind.TOOL_RESULT, text=text)
    assert show_entry(entry) == ["          aredbcd\ttab", "          next"]


def test_a_title_steers_no_terminal_and_fits_its_encoding():
    title = "שלום\x1b]0;title\x07 \u202eé\ud800"
    assert show_line(title, "utf-8") == show_line(title, None) == "שלום é?"
    assert show_line(title, "latin-1") == "???? é?"
    assert show_line(title, "ascii") == "???? ??"


@pytest.mark.django_db(transaction=True)
def test_a_run_that_no_worker_takes_is_done_by_the_command_and_shown(world, tmp_path):
    make_flow(world, 'echo "to $PARAM_TARGET, $PARAM_COUNT times"', "echo done")
    code, out = run(tmp_path, "ship it", "-p", "target=moon", "-p", "count=2", "--follow")
    assert code == 0
    lines = [line[10:] for line in out.splitlines()]
    shown = ["Step 1 of 2 “s1” started", "to moon, 2 times", "Step 2 of 2 “s2” finished", "Run completed"]
    assert [line for line in lines if line in shown] == shown
    assert out.splitlines()[-1] == "completed"
    done = FlowRun.objects.get()
    assert (done.origin, done.status, done.owner_id) == ("cli", "completed", world.admin.user_id)
    assert f"/w/{world.tenant.slug}/" in out.splitlines()[0]
    forget_jobs()


@pytest.mark.django_db(transaction=True)
def test_a_failure_and_a_checkpoint_have_codes_of_their_own(world, tmp_path):
    make_flow(world, "exit 7")
    code, out = run(tmp_path, "ship it", "-p", "target=moon", "--json")
    assert code == 1
    told = [json.loads(line) for line in out.splitlines()]
    assert [one["event"] for one in told] == ["started", "ended"]
    assert (told[-1]["status"], told[-1]["error"]) == ("failed", "The command ended with exit code 7.")
    _, out = run(tmp_path, "ship it", "-p", "target=moon", "--follow")
    assert [line[10:] for line in out.splitlines()].count("The command ended with exit code 7.") == 1
    make_flow(world, "true", name="Ask", has_checkpoint=True, checkpoint_message="Really?")
    code, out = run(tmp_path, "ask", "-p", "target=moon", "--follow")
    assert code == 3
    assert "Really?" in out
    assert "Approve, skip or reject it: http" in out
    forget_jobs()


@pytest.mark.django_db(transaction=True)
def test_ctrl_c_hands_the_run_back_and_says_so(world, tmp_path):
    mark = tmp_path / "mark"
    make_flow(world, "true", f"touch {mark}; sleep 600")
    process = start(tmp_path, "ship it", "-p", "target=moon")
    eventually(mark.exists, seconds=60)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Handed back: it goes on as soon as a worker runs" in out
    left = FlowRun.objects.get()
    assert (left.status, left.lease_holder) == ("running", "")
    assert steps_of(left) == [(1, 1, "completed"), (2, 1, "failed"), (2, 2, "pending")]
    assert StepRun.objects.get(run=left, position=2, attempt=1).was_cut_off
    forget_jobs()


@pytest.mark.django_db(transaction=True)
def test_it_waits_for_a_database_that_is_away_and_sees_the_run_through(world, tmp_path):
    mark, go = tmp_path / "mark", tmp_path / "go"
    make_flow(world, f"touch {mark}; until [ -e {go} ]; do sleep 0.1; done")
    process = start(tmp_path, "ship it", "-p", "target=moon")
    eventually(mark.exists, seconds=60)
    with database_away_from(NAME):
        assert any(line.startswith("The database is away (") for line in process.stderr or ())
        go.touch()
    lapse(FlowRun.objects.get())
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out.splitlines()[-1]) == (0, "completed")
    assert "Traceback" not in err
    forget_jobs()
