"""Steps that make odd things, through the engine and the real shell: each ends and reads nothing outside."""

from __future__ import annotations

from typing import Any

import pytest

from agents.folders import session_folder
from agents.runtimes import Stop, get_runtime
from audit.entries import EntryKind
from flows.engine import advance
from flows.models import Artifact, FlowRun, StepRun
from tests.flows.doings import Bench
from tests.flows.worlds import lines_of, steps_of

NEXT = {"body": "pwd; ls -A", "artifacts": ("*",)}


def perform(bench: Bench, body: str, *globs: str, then: dict[str, Any] | None = None) -> FlowRun:
    run = bench.start({"body": body, "artifacts": globs}, then or {"body": "true"})
    advance(bench.claim(run), Stop(), find_runtime=get_runtime)
    return FlowRun.objects.get(pk=run.pk)


@pytest.fixture(autouse=True)
def _media(settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


def kept(run: FlowRun, position: int = 1) -> set[str]:
    rows = Artifact.objects.filter(run=run, step_run__position=position)
    return set(rows.values_list("name", flat=True))


def edited(run: FlowRun) -> set[str]:
    return {line.path for line in lines_of(run) if line.kind == EntryKind.FILE_EDIT}


def test_names_of_all_kinds_are_told_and_kept(bench):
    run = perform(
        bench,
        r"""touch $'a\nb' $'x\x01y' '$(id)'; echo hi > $'\xff.txt'; mkdir $'\xfe'; echo x > $'\xfe/\xff'""",
        "**/*",
    )
    assert run.status == "completed"
    assert kept(run) == {"a\nb", "x\x01y", "$(id)", "�.txt", "�/�"}
    assert len(edited(run)) == 5


@pytest.mark.parametrize("glob", ["*", "**/*", "etc/passwd", "d/up/real", "passwd"])
def test_links_lead_no_artifact_out_of_the_folder(bench, glob):
    links = "ln -s /etc/passwd passwd; ln -s /etc etc; ln -s loop loop; mkdir d; ln -s .. d/up"
    run = perform(bench, f"{links}; echo > real", glob)
    assert run.status == "completed"
    assert kept(run) <= {"real"}
    told = "".join(f"{line.before}{line.after}{line.text}" for line in lines_of(run))
    assert "root:" not in told


def test_a_link_in_the_place_of_the_folder_is_not_worked_in(bench, tmp_path):
    """Only a command without a sandbox can do that; what it leads to is none of ours to read."""
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (elsewhere / "precious").write_text("of somebody else")
    run = perform(bench, f'cd ..; rm -rf "$OLDPWD"; ln -s {elsewhere} "$OLDPWD"', "*", then=NEXT)
    folder = session_folder(run.tenant_id, run.pk)
    assert run.status == "completed"
    assert (kept(run), kept(run, 2), edited(run)) == (set(), set(), set())
    assert StepRun.objects.get(run=run, position=2).result["output"] == f"{folder}\n"
    assert "The run's folder was gone: it goes on in a fresh one" in [line.text for line in lines_of(run)]
    assert (elsewhere / "precious").exists()


@pytest.mark.parametrize(
    "body",
    [
        'rm -rf "$PWD"',
        'rm -rf "$HOME" "$TMPDIR" "$(dirname "$RESULT_FILE")"',
        'rm -rf "$(dirname "$HOME")"',
        "mkdir x; echo a > x/a; chmod 500 x .",
        "mkfifo fifo; ln -s a b; ln -s b a",
        "exec >&- 2>&-",
        "cat; read line || true",
        "head -c 200K /dev/urandom; printf '\\xed\\xa0\\x80'",
    ],
)
def test_a_run_goes_on_after_it(bench, body):
    run = perform(bench, body, "*", then=NEXT)
    assert (run.status, run.error) == ("completed", "")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("truncate -s 2G big.bin", "The artifact “big.bin” has 2,147,483,648 bytes, and one may have"),
        ("for i in $(seq 201); do : > f$i; done", "The step's artifacts are 201 files, and 200 are kept"),
        ('mkdir "$RESULT_FILE"', "$RESULT_FILE is no file"),
        ("head -c 50M /dev/zero | tr '\\0' a", "printed more than 16,384 KB and was stopped"),
    ],
)
def test_a_step_that_goes_too_far_fails_and_says_why(bench, body, error):
    run = perform(bench, body, "*")
    assert run.status == "failed"
    assert error in run.error
    assert steps_of(run) == [(1, 1, "failed"), (2, 1, "pending")]
