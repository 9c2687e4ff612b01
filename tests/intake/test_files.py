"""Which files an import finds, and what it says that it could not look at."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from intake.files import find_files, look_for_files
from intake.readers.side_files import AgentFiles, agent_files, meta_of
from tests.intake.claude_records import OWN_AGENT_FILE, PRESENT_DAY, Session

NOBODY = 65_534


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder that this process may not enter, with a session in it; root steps down to be kept out."""
    top = Path(tempfile.mkdtemp())
    folder = top / "closed"
    folder.mkdir()
    shutil.copy(PRESENT_DAY, folder)
    top.chmod(0o755)
    folder.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o700)
        shutil.rmtree(top)


def agent_file(folder: Path, agent: str, session_id: str) -> Path:
    session = Session(sessionId=session_id, isSidechain=True, agentId=agent)
    session.user("Go")
    path = folder / f"agent-{agent}.jsonl"
    path.write_bytes(session.data)
    return path


def test_sessions_come_before_the_sub_agents_that_they_bring_along() -> None:
    assert look_for_files([PRESENT_DAY]).files == [PRESENT_DAY.resolve(), OWN_AGENT_FILE.resolve()]
    assert find_files([OWN_AGENT_FILE, PRESENT_DAY]) == look_for_files([PRESENT_DAY]).files


def test_a_folder_that_may_not_be_entered_is_named_with_the_reason(closed_folder) -> None:
    found = look_for_files([closed_folder.parent])
    assert (found.files, found.unreadable) == ([], [(closed_folder, "Permission denied")])


def test_a_path_inside_a_folder_that_may_not_be_entered_is_named_with_the_reason(closed_folder) -> None:
    path = closed_folder / PRESENT_DAY.name
    found = look_for_files([path])
    assert (found.files, found.unreadable) == ([], [(path, "Permission denied")])


def test_a_pipe_is_never_opened_and_named_if_it_was_asked_for(tmp_path) -> None:
    for name in ("pipe.jsonl", "agent-a1.jsonl", "agent-a1.meta.json"):
        os.mkfifo(tmp_path / name)
    session = shutil.copy(PRESENT_DAY, tmp_path / "s.jsonl")
    found = look_for_files([tmp_path / "pipe.jsonl", tmp_path])
    assert found.files == [session]
    assert found.unreadable == [(tmp_path / "pipe.jsonl", "neither a file nor a folder")]
    assert meta_of(tmp_path / "agent-a1.jsonl").description == ""


def test_links_that_lead_nowhere_are_passed_over_and_those_in_a_circle_are_named(tmp_path) -> None:
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nothing")
    (tmp_path / "circle.jsonl").symlink_to(tmp_path / "circle.jsonl")
    found = look_for_files([tmp_path])
    assert found.files == []
    assert [path for path, _ in found.unreadable] == [tmp_path / "circle.jsonl"]


def test_a_missing_path_is_named(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-file"):
        look_for_files([tmp_path / "no-such-file"])


def test_each_file_of_a_sub_agent_is_opened_once_however_many_sessions_there_are(
    tmp_path, monkeypatch
) -> None:
    opened: Counter[str] = Counter()
    really_open = Path.open

    def counted(self, *args, **options):
        opened[self.name] += 1
        return really_open(self, *args, **options)

    for number in range(20):
        shutil.copy(PRESENT_DAY, tmp_path / f"s{number}.jsonl")
        agent_file(tmp_path, f"a{number}", f"s{number}")
    monkeypatch.setattr(Path, "open", counted)
    assert len(look_for_files([tmp_path]).files) == 40
    assert opened == Counter({f"agent-a{number}.jsonl": 1 for number in range(20)})


def test_a_run_that_knows_the_agents_of_a_folder_does_not_look_again(tmp_path) -> None:
    path = agent_file(tmp_path, "a1", "s1")
    known = AgentFiles()
    assert agent_files(tmp_path / "s1.jsonl", known) == {"a1": path}
    agent_file(tmp_path, "a2", "s1")
    assert agent_files(tmp_path / "s1.jsonl", known) == {"a1": path}
    assert set(agent_files(tmp_path / "s1.jsonl")) == {"a1", "a2"}
