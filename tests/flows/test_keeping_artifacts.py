"""The files that a step declares are kept, each once, within limits, none from outside of its folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from agents.runtimes import Outcome, Performance, Stop, Work
from audit.models import TranscriptEntry
from audit.redaction import Redactor
from flows import services
from flows.leases import LeaseLost, claim_run
from flows.models import Artifact, FlowRun
from flows.moves import find_current_step
from flows.services.artifacts import ArtifactTooBig, keep_artifacts
from tests.flows.doings import say
from tests.flows.worlds import World

VALUE = "-".join(["correct", "horse", "battery"])
REDACTOR = Redactor({"DEPLOY_KEY": VALUE}, b"k" * 32)


@pytest.fixture
def folder(settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.ARTIFACT_MAX_BYTES = 1000
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
def run(world: World) -> FlowRun:
    run = world.start()
    world.call(services.begin_run, run)
    world.call(services.start_step, run)
    return FlowRun.objects.get(pk=run.pk)


def keep(
    world: World, run: FlowRun, folder: Path, *patterns: str, fence: int | None = None
) -> list[Artifact]:
    return keep_artifacts(
        tenant_id=run.tenant_id,
        run_id=run.pk,
        step_run_id=find_current_step(run).pk,
        fence=fence,
        folder=folder,
        patterns=patterns,
        redactor=REDACTOR,
        now=world.tick(),
    )


def media(settings) -> list[Path]:
    return [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


def test_text_is_kept_redacted_and_anything_else_as_it_is(world, run, folder, settings):
    (folder / "out").mkdir()
    (folder / "out" / "report.md").write_text(f"deployed with {VALUE}\n")
    (folder / "out" / "tool.bin").write_bytes(b"\x00\x01")
    (folder / "notes.txt").write_text("not asked for")
    report, tool = keep(world, run, folder, "out/*", "**/*.md")
    assert (report.name, report.text) == ("out/report.md", "deployed with [DEPLOY_KEY]\n")
    assert (report.content_type, report.size_bytes, report.is_scanned) == ("text/markdown", 27, True)
    assert (tool.name, tool.text, tool.is_scanned) == ("out/tool.bin", "", False)
    assert tool.content_type == "application/octet-stream"
    assert tool.file.read() == b"\x00\x01"
    assert len(media(settings)) == 1
    (line,) = TranscriptEntry.objects.filter(native_id="step:1:1:artifacts")
    assert line.text == "Kept out/report.md, out/tool.bin"


def test_keeping_again_adds_only_what_is_missing(world, run, folder, settings):
    (folder / "a.txt").write_text("one")
    (folder / "b.bin").write_bytes(b"\0")
    assert len(keep(world, run, folder, "*")) == 2
    assert keep(world, run, folder, "*") == []
    (folder / "c.txt").write_text("three")
    assert [artifact.name for artifact in keep(world, run, folder, "*")] == ["c.txt"]
    assert Artifact.objects.count() == 3
    assert len(media(settings)) == 1


def test_a_name_with_a_credential_is_redacted_and_stays_the_only_one_of_its_name(world, run, folder):
    for end in ("", " (2)"):
        (folder / f"{VALUE}{end}").write_text("x")
    (folder / "[DEPLOY_KEY]").write_text("x")
    names = {artifact.name for artifact in keep(world, run, folder, "*")}
    assert len(names) == 3
    assert VALUE not in str(names)


def test_links_and_what_lies_outside_are_not_kept(world, run, folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("precious")
    (folder / "file").symlink_to(outside / "secret.txt")
    (folder / "place").symlink_to(outside)
    (folder / "real.txt").write_text("real")
    (folder / "inner").symlink_to(folder / "real.txt")
    os.mkfifo(folder / "pipe")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("x")
    kept = keep(world, run, folder, "*", "**/*", "place/*", "../outside/*", ".git/*")
    assert [artifact.name for artifact in kept] == ["real.txt"]


def test_a_file_that_is_too_large_is_refused_by_name_before_any_is_kept(world, run, folder):
    (folder / "a.txt").write_text("fine")
    (folder / "big.bin").write_bytes(b"\0" * 1001)
    with pytest.raises(ArtifactTooBig, match=r"“big.bin” has 1,001 bytes.*raise ARTIFACT_MAX_MB"):
        keep(world, run, folder, "*")
    assert Artifact.objects.count() == 0


def test_too_many_files_and_too_much_in_all_are_refused(world, run, folder):
    for number in range(201):
        (folder / f"{number:03}").write_text("x")
    with pytest.raises(ArtifactTooBig, match=r"201 files.*“200”"):
        keep(world, run, folder, "*")
    for number in range(11):
        (folder / f"large{number}").write_text("x" * 1000)
    with pytest.raises(ArtifactTooBig, match=r"11,000 bytes together.*“large0”"):
        keep(world, run, folder, "large*")


def test_a_worker_that_lost_its_run_keeps_nothing(world, run, folder, settings):
    (folder / "b.bin").write_bytes(b"\0")
    claim = claim_run(run.pk, "a worker")
    assert claim is not None
    with pytest.raises(LeaseLost):
        keep(world, run, folder, "*", fence=claim.fence - 1)
    assert Artifact.objects.count() == 0
    assert media(settings) == []
    assert len(keep(world, run, folder, "*", fence=claim.fence)) == 1


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("**/x", ["a/a/x", "a/x", "x"]),
        ("*/x", ["a/x"]),
        ("**/a/**", ["a/a/x", "a/x"]),
        ("a/**/a/x", ["a/a/x"]),
        ("./a/[!y]", ["a/x"]),
        ("**/**/**/**/**/*/**/nothing", []),
    ],
)
def test_a_glob_names_files_at_any_depth(world, run, folder, pattern, names):
    (folder / "a" / "a").mkdir(parents=True)
    for path in ("x", "a/x", "a/a/x"):
        (folder / path).write_text("x")
    assert sorted(one.name for one in keep(world, run, folder, pattern)) == names


def test_a_glob_is_looked_for_in_one_walk(world, run, folder):
    """Ways to read many `**` would be tried for minutes one after the other, each time from the start."""
    deep = folder.joinpath(*["a"] * 60)
    deep.mkdir(parents=True)
    (deep / "x").write_text("x")
    began = time.process_time()
    [artifact] = keep(world, run, folder, "**/*/**/*/**/*/**/*/**/x")
    assert artifact.name.endswith("a/x")
    assert time.process_time() - began < 2


def test_a_glob_that_is_none_says_so(world, run, folder):
    with pytest.raises(ArtifactTooBig, match="names no files"):
        keep(world, run, folder, "/etc/*")


def test_a_step_whose_artifacts_are_too_big_fails_and_says_what_to_do(bench, folder):
    def write(work: Work, stop: Stop) -> Performance:
        (work.folder / "small.txt").write_text("fine")
        (work.folder / work.arguments["name"]).write_bytes(b"\0" * 1001)
        yield say(work, "written")
        return Outcome()

    bench.runtime.doings = {"write": write}
    step = {"body": "write", "artifacts": ("*.txt", "*.bin")}
    failed = bench.advance(bench.start({**step, "parameters": {"name": "big.bin"}}))
    assert failed.status == "failed"
    assert "“big.bin” has 1,001 bytes" in failed.error
    assert Artifact.objects.count() == 0
    kept = bench.advance(bench.start({**step, "parameters": {"name": "big.no"}}, name="Other"))
    assert kept.status == "completed"
    assert [artifact.name for artifact in Artifact.objects.filter(run=kept)] == ["small.txt"]
