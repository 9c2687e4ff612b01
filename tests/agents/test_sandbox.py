"""Commands in bubblewrap see their folder and a read-only system; what is not there is asked for by name."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path

import pytest

from agents import sandbox
from agents.folders import prepare_folder, session_folder
from agents.runtimes import Limits, Stop, StopReason, get_runtime
from config.doctor import examine_git, examine_sandbox
from tests.agents.work import Seen, make_work, perform, watch_until
from tests.config.processes import eventually

SHELL = get_runtime("shell")
needs_bubblewrap = pytest.mark.skipif(bool(sandbox.probe()), reason=f"no sandbox here: {sandbox.probe()}")


@pytest.fixture
def folder(settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path / "data"
    settings.WORK_DIR = settings.DATA_DIR / "work"
    settings.REPO_ROOTS = [settings.DATA_DIR / "repos"]
    return prepare_folder(session_folder(uuid.uuid4(), uuid.uuid4())).path


def run(folder: Path, body: str, sandbox: str = "bubblewrap", **more) -> Seen:
    return perform(SHELL, make_work(folder, body, sandbox=sandbox, **more))


@needs_bubblewrap
def test_a_command_writes_in_its_folder_and_nowhere_else(folder):
    seen = run(
        folder,
        'echo a > a; echo b > "$HOME/b"; echo c > "$TMPDIR/c"; echo 4 > "$RESULT_FILE"; echo d > /tmp/d',
    )
    assert seen.outcome.result == 4
    assert (folder / "a").read_text() == "a\n"
    assert seen.facts.sandbox == "bubblewrap"
    assert "Read-only file system" in run(folder, "touch /usr/here").output
    assert "No such file" in run(folder, "cat /tmp/d").output


@needs_bubblewrap
def test_a_command_sees_nothing_of_the_data_folder_and_no_other_processes(folder, settings):
    (settings.DATA_DIR / "keys").mkdir()
    (settings.DATA_DIR / "keys" / "secret_key").write_text("precious")
    other = prepare_folder(session_folder(uuid.uuid4(), uuid.uuid4())).path
    (other / "theirs").write_text("x")
    seen = run(folder, f"ls {settings.DATA_DIR}; ls {settings.WORK_DIR}; cat /proc/[0-9]*/comm | sort -u")
    lines = seen.output.split()
    assert lines[:2] == ["work", folder.parent.name]
    assert set(lines[2:]) <= {"bwrap", "bash", "cat", "sort"}
    assert seen.outcome.is_ok


@needs_bubblewrap
def test_the_network_is_there_unless_the_profile_says_no(folder):
    body = "cat /proc/net/dev | tail -n +3 | wc -l; readlink /proc/self/ns/net"
    own = os.readlink("/proc/self/ns/net")
    assert own in run(folder, body).output
    without = run(folder, body, sandbox="bubblewrap-no-network")
    assert own not in without.output
    assert without.facts.sandbox == "bubblewrap-no-network"


@needs_bubblewrap
def test_what_leaves_the_group_ends_with_the_sandbox(folder):
    mark = uuid.uuid4().hex
    body = f"setsid sh -c 'exec -a {mark} sleep 100' & setsid bash -c 'exec -a {mark} sleep 100' & sleep 0.3"
    assert run(folder, body).outcome.is_ok
    assert not processes_called(mark)
    stop = Stop()
    performance = SHELL.perform(make_work(folder, body + "; echo on; sleep 100", sandbox="bubblewrap"), stop)
    watch_until(performance, "on")
    eventually(lambda: processes_called(mark))
    stop.set(StopReason.SHUTDOWN)
    list(performance)
    assert not processes_called(mark)


@needs_bubblewrap
def test_limits_hold_inside(folder):
    assert "ran for more than" in run(folder, "sleep 60", limits=Limits(seconds=0.5)).outcome.error
    body = "x=$(head -c 300M /dev/zero | tr '\\0' a)"
    assert "may use 64 MB" in run(folder, body, limits=Limits(memory_bytes=64 << 20)).outcome.error


@needs_bubblewrap
def test_a_worktree_can_be_committed_to_and_its_hooks_cannot_be_changed(folder, settings):
    repository = settings.REPO_ROOTS[0] / "acme" / "demo"
    repository.mkdir(parents=True)
    names = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *names, *arguments], cwd=repository, check=True)
    (repository / ".git" / "hooks").mkdir(exist_ok=True)
    tree = prepare_folder(session_folder(uuid.uuid4(), uuid.uuid4()), "demo", workspace="acme").path
    seen = run(
        tree, f"echo a > a; git add a; git {' '.join(names)} commit -qm work; git log --oneline | wc -l"
    )
    assert seen.output == "2\n", seen.output
    assert "Read-only" in run(tree, f"touch {repository}/.git/hooks/post-checkout").output
    assert not run(tree, "git config core.fsmonitor x").outcome.is_ok


def processes_called(mark: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes()
        except OSError:
            continue
        if text.startswith(mark.encode()):
            found.append(str(path))
    return found


@pytest.fixture
def without(monkeypatch, tmp_path):
    """No bwrap on the PATH; whoever asks after the test looks anew."""
    monkeypatch.setenv("PATH", str(tmp_path))
    sandbox.probe.cache_clear()
    yield
    sandbox.probe.cache_clear()


def test_a_sandbox_that_is_wanted_and_not_there_is_missing(without):
    for wish in ("bubblewrap", "bubblewrap-no-network"):
        missing = SHELL.find_missing(make_work(Path("/"), "true", sandbox=wish))
        assert "bwrap is not on the PATH. Install bubblewrap" in missing
    assert SHELL.find_missing(make_work(Path("/"), "true")) == ""
    assert sandbox.choose_sandbox("").name == "none"


def test_one_that_does_not_work_says_what_it_said(without, tmp_path):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'no permission to make a namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    assert sandbox.probe() == "bwrap does not work here: no permission to make a namespace"
    assert sandbox.choose_sandbox("").name == "none"


def test_the_doctor_says_which_it_is(without):
    assert "none: bwrap is not on the PATH" in examine_sandbox().detail
    assert examine_sandbox().is_ok
    assert examine_git().remedy.startswith("install git")
