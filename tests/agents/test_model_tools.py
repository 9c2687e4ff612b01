"""The tools of a model: what they do in the folder, and that they do nothing outside of it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from agents.prompting import files
from agents.prompting.tools import READING, WRITING, Desk, ToolError, ToolResult, check_arguments
from agents.runtimes.model import RUNTIME
from agents.runtimes.protocol import Stop
from audit.entries import JSON
from tests.agents.model_server import Call, Says
from tests.agents.work import make_work, perform

TOOLS = {tool.name: tool for tool in [*READING, *WRITING]}
TOKEN = "gh" + "p_" + "Zk3TnQ8xLw1RvB6yHd9JcM2sFa5GpE7uXt4o"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    (tmp_path / "outside.txt").write_text("not for you")
    return made


def use(folder: Path, name: str, known: Mapping[str, str] | None = None, **arguments: JSON) -> ToolResult:
    tool = TOOLS[name]
    work = make_work(folder, "", known=known)
    made = tool.run(Desk(work, Stop()), **check_arguments(tool, arguments))
    assert isinstance(made, ToolResult)
    return made


def refusal(folder: Path, name: str, **arguments: JSON) -> str:
    with pytest.raises(ToolError) as refused:
        use(folder, name, **arguments)
    return str(refused.value)


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside.txt", "a/../../outside.txt", "a\0b"])
@pytest.mark.parametrize("name", ["read_file", "write_file"])
def test_a_path_that_leaves_the_folder_is_refused(folder: Path, name: str, path: str) -> None:
    more = {"content": "x"} if name == "write_file" else {}
    assert "not inside of the folder" in refusal(folder, name, path=path, **more)


def test_no_link_is_followed(folder: Path, tmp_path: Path) -> None:
    (folder / "file").symlink_to(tmp_path / "outside.txt")
    (folder / "up").symlink_to(tmp_path)
    (folder / "new").symlink_to(tmp_path / "made.txt")
    assert "symbolic link" in refusal(folder, "read_file", path="file")
    assert "link to one" in refusal(folder, "read_file", path="up/outside.txt")
    assert "symbolic link" in refusal(folder, "write_file", path="file", content="x")
    assert "symbolic link" in refusal(folder, "write_file", path="new", content="x")
    assert "link to one" in refusal(folder, "write_file", path="up/made.txt", content="x")
    assert use(folder, "list_files").text.splitlines() == ["file@", "new@", "up@"]
    assert use(folder, "search", pattern="not for").text == "(nothing matches)"
    assert "link to one" in refusal(folder, "list_files", path="up")
    assert (tmp_path / "outside.txt").read_text() == "not for you"
    assert not (tmp_path / "made.txt").exists()


def test_what_is_no_regular_file_is_refused_at_once(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    begun = time.monotonic()
    assert "no regular file" in refusal(folder, "read_file", path="pipe")
    assert "pipe" in refusal(folder, "write_file", path="pipe", content="x")
    assert "folder itself" in refusal(folder, "read_file", path=".")
    assert time.monotonic() - begun < 2


def test_lines_of_a_file_can_be_asked_for(folder: Path) -> None:
    (folder / "a.txt").write_text("".join(f"line {number}\n" for number in range(1, 5001)))
    text = use(folder, "read_file", path="a.txt", first_line=4999, lines=10).text
    assert text == "line 4999\nline 5000\n\n(from line 4999; there are 5000 lines)"
    whole = use(folder, "read_file", path="a.txt").text
    assert whole.count("\nline") == 1999
    assert whole.endswith("(from line 1; there are 5000 lines)")


def test_what_is_no_text_or_too_large_is_said(folder: Path) -> None:
    (folder / "image").write_bytes(b"\x89PNG\0\0")
    (folder / "large").write_bytes(b"x" * (files.MAX_FILE_BYTES + 5))
    (folder / "empty").touch()
    assert "no text (6 bytes)" in refusal(folder, "read_file", path="image")
    assert f"of {files.MAX_FILE_BYTES + 5} bytes" in use(folder, "read_file", path="large").text
    assert use(folder, "read_file", path="empty").text == "(the file is empty)"
    assert "a file may have" in refusal(
        folder, "write_file", path="a", content="x" * (files.MAX_FILE_BYTES + 1)
    )


def test_files_are_listed_by_name_and_without_what_git_keeps(folder: Path) -> None:
    for path in ("b/c.py", ".git/config", "a.py", "b/.git/config"):
        (folder / path).parent.mkdir(exist_ok=True, parents=True)
        (folder / path).write_text("x = 1")
    assert use(folder, "list_files").text.splitlines() == ["a.py 5", "b/", "b/c.py 5"]
    assert use(folder, "list_files", glob="*.py").text.splitlines() == ["a.py 5", "b/c.py 5"]
    assert use(folder, "list_files", path="b", glob="b/c*").text == "b/c.py 5"
    assert use(folder, "list_files", glob="*.rs").text == "(nothing there)"
    assert "no such file" in refusal(folder, "list_files", path="z")


def test_a_search_names_file_and_line(folder: Path) -> None:
    (folder / "a.py").write_text("import os\r\n\ndef größe():\n    return os.sep")
    (folder / "b.txt").write_text("import nothing")
    assert use(folder, "search", pattern=r"^import \w+", glob="*.py").text == "a.py:1: import os"
    assert use(folder, "search", pattern=r"os\.sep$").text == "a.py:4:     return os.sep"
    assert use(folder, "search", pattern="GRÖSSE|GRÖßE", ignore_case=True).text == "a.py:3: def größe():"
    assert use(folder, "search", pattern="import").text.count("\n") == 1
    assert "cannot be used" in refusal(folder, "search", pattern="(a")
    assert "Back-references" in refusal(folder, "search", pattern=r"(a)\1")


def test_no_pattern_keeps_a_search_busy(folder: Path) -> None:
    (folder / "a.txt").write_text("a" * 500_000 + "b\n")
    begun = time.monotonic()
    assert use(folder, "search", pattern="(a|aa|a+)+$").text == "(nothing matches)"
    assert use(folder, "search", pattern=".").text.startswith("a.txt:1: aaa")
    assert time.monotonic() - begun < 20


def test_much_that_matches_is_cut(folder: Path) -> None:
    (folder / "a.txt").write_text("hit\n" * 5000)
    lines = use(folder, "search", pattern="hit").text.splitlines()
    assert lines[-2:] == ["a.txt:200: hit", "(the first 200; there may be more)"]


def test_a_file_is_written_with_its_folders(folder: Path) -> None:
    made = use(folder, "write_file", path="a/b/c.txt", content="one")
    assert (folder / "a/b/c.txt").read_text() == "one"
    assert made.change is not None
    assert (made.change.before, made.change.after) == ("", "one")
    (folder / "a/b/c.txt").chmod(0o755)
    again = use(folder, "write_file", path="a/b/c.txt", content="2")
    assert again.change is not None
    assert again.change.before == "one"
    assert (folder / "a/b/c.txt").read_text() == "2"
    assert (folder / "a/b/c.txt").stat().st_mode & 0o777 == 0o755


def test_what_was_no_text_has_no_before(folder: Path) -> None:
    (folder / "a").write_bytes(b"\xff\xfe\0")
    made = use(folder, "write_file", path="a", content="text")
    assert made.change is not None
    assert made.change.before is None


@pytest.mark.parametrize("path", [".git", ".git/hooks/pre-commit", "sub/.GIT/config"])
def test_what_git_keeps_is_not_written(folder: Path, path: str) -> None:
    assert "not for writing" in refusal(folder, "write_file", path=path, content="x")


def test_what_tools_read_goes_to_the_provider_without_credentials(server, folder: Path) -> None:
    canary = "correct horse battery staple 77"
    (folder / ".env").write_text(f"A=1\nPASS={canary}\nTOKEN={TOKEN}\n")
    (folder / f"{TOKEN}.txt").write_text("x")
    server.says(
        Says(
            calls=[
                Call("read_file", {"path": ".env"}),
                Call("read_file", {"path": ".env", "first_line": 2, "lines": 1}),
                Call("search", {"pattern": "PASS|TOKEN"}),
                Call("search", {"pattern": "correct h"}),
                Call("list_files", {}),
            ]
        ),
        Says("Done."),
    )
    work = make_work(
        folder, "Use {{ params.it }}.", known={"DB_PASS": canary}, arguments={"it": f"{canary} and {TOKEN}"}
    )
    assert perform(RUNTIME, work).outcome.is_ok
    sent = str(server.asked)
    assert canary not in sent
    assert TOKEN not in sent
    whole, line, found, guess, listed = server.results()
    assert "PASS=[DB_PASS]" in whole
    assert "PASS=[DB_PASS]" in line
    assert ".env:2: PASS=[DB_PASS]" in found
    assert guess == "(nothing matches)"
    assert "[REDACTED:" in listed


def test_a_credential_is_not_written_over_with_its_name(folder: Path) -> None:
    secret = "correct horse battery staple 77"
    (folder / "settings.py").write_text(f"PASS = '{secret}'\nDEBUG = True\n")
    seen = use(folder, "read_file", known={"DB_PASS": secret}, path="settings.py").text
    written = seen.replace(secret, "[DB_PASS]").replace("True", "False")
    with pytest.raises(ToolError, match="Change the file by a command"):
        use(folder, "write_file", known={"DB_PASS": secret}, path="settings.py", content=written)
    assert secret in (folder / "settings.py").read_text()
