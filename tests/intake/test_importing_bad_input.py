"""Damaged files of every format, through the command: what is kept, what is told, and the exit code."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.models import RawRecord, Transcript, TranscriptEntry
from chats.models import Chat
from tests.factories.workspace import MembershipFactory
from tests.intake.claude_records import Session
from tests.intake.codex_records import NOW, Rollout, iso
from workspace.models import Membership

pytestmark = pytest.mark.django_db

type Rows = list[dict[str, Any]]


@pytest.fixture
def member() -> Membership:
    return MembershipFactory(tenant__slug="acme", user__email="ada@example.com")


def claude() -> Rows:
    session = Session(cwd="D:\\work\\shop")
    session.user("One")
    session.answer("First.", stop="end_turn")
    session.user("Two")
    session.answer("Second.", stop="end_turn")
    return session.rows


def codex() -> Rows:
    rollout = Rollout(cwd="D:\\work\\shop")
    for prompt, answer in (("One", "First."), ("Two", "Second.")):
        rollout.told(prompt)
        rollout.item("message", role="assistant", content=[{"type": "output_text", "text": answer}])
    return rollout.rows


EACH_FORMAT = pytest.mark.parametrize("rows", [claude(), codex()], ids=["claude_code", "codex"])


def lines(rows: Rows) -> list[bytes]:
    return [json.dumps(row).encode() + b"\n" for row in rows]


def imported(*paths: Path) -> tuple[list[dict[str, Any]], int]:
    """What the command says of each file, and its exit code."""
    out, code = io.StringIO(), 0
    args = [*map(str, paths), "--workspace", "acme", "--owner", "ada@example.com", "--json"]
    try:
        call_command("import_sessions", *args, stdout=out, stderr=io.StringIO())
    except CommandError as error:
        code = error.returncode
    return [json.loads(line) for line in out.getvalue().splitlines()], code


def texts() -> list[str]:
    rows = TranscriptEntry.objects.filter(kind="message").order_by("transcript", "seq")
    return list(rows.values_list("text", flat=True))


def glued(rows: Rows) -> bytes:
    return b"".join(line.rstrip(b"\n") for line in lines(rows)) + b"\n"


def pretty(rows: Rows) -> bytes:
    return b"\n".join(json.dumps(row, indent=2).encode() for row in rows) + b"\n"


def with_mark_and_windows_ends(rows: Rows) -> bytes:
    return b"\xef\xbb\xbf" + b"".join(lines(rows)).replace(b"\n", b"\r\n")


def torn(rows: Rows) -> bytes:
    return b"".join(lines(rows)) + lines(rows)[-1][:40]


def with_runs_of_nul(rows: Rows) -> bytes:
    return b"\0" * 500 + b"\n" + b"".join(lines(rows))


def without_times(rows: Rows) -> bytes:
    return b"".join(lines([{key: row[key] for key in row if key != "timestamp"} for row in rows]))


def with_jumping_clocks(rows: Rows) -> bytes:
    times = [iso(NOW + timedelta(days=days)) for days in (5000, 0, -9, 3, -400, 1, 2)]
    return b"".join(lines([{**row, "timestamp": at} for row, at in zip(rows, times, strict=False)]))


@EACH_FORMAT
@pytest.mark.parametrize(
    "damage",
    [glued, pretty, with_mark_and_windows_ends, torn, with_runs_of_nul, without_times, with_jumping_clocks],
)
def test_what_can_be_read_all_the_same_is_no_failure(
    member, tmp_path, rows: Rows, damage: Callable[[Rows], bytes]
) -> None:
    file = tmp_path / "s.jsonl"
    file.write_bytes(damage(rows))
    (report,), code = imported(file)
    assert (report["outcome"], code) == ("imported", 0)
    assert texts() == ["One", "First.", "Two", "Second."]
    assert RawRecord.objects.count() == len(rows)
    assert Chat.objects.get().repo == "shop"


@EACH_FORMAT
def test_bad_bytes_are_repaired_and_told(member, tmp_path, rows: Rows) -> None:
    file = tmp_path / "s.jsonl"
    data = b"".join(lines(rows)).replace(b"First.", b"Fir\xff\xfest.").replace(b"Second.", b"Sec\\u0000ond.")
    file.write_bytes(data)
    (report,), code = imported(file)
    assert code == 0
    assert {problem["severity"] for problem in report["problems"]} == {"repaired"}
    assert texts()[1].startswith("Fir")
    assert texts()[1].endswith("st.")
    assert RawRecord.objects.count() == len(rows)


@EACH_FORMAT
def test_a_line_of_four_mebibytes_is_a_record_as_any_other(member, tmp_path, rows: Rows) -> None:
    long = "word " * (4 * 1024 * 1024 // 5 + 1)
    file = tmp_path / "s.jsonl"
    file.write_bytes(b"".join(lines(rows)).replace(b"First.", long.encode()))
    (report,), code = imported(file)
    assert (report["problems"], code) == ([], 0)
    assert len(texts()[1]) == len(long)


@EACH_FORMAT
def test_a_lost_record_is_told_with_file_line_and_reason_and_the_rest_is_kept(
    member, tmp_path, rows: Rows
) -> None:
    bad, good = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    broken = lines(rows)
    broken[-2] = broken[-2][:50] + b"\n"
    bad.write_bytes(b"".join(broken))
    good.write_bytes(b"".join(lines(rows)).replace(b"-0000-", b"-1111-"))
    reports, code = imported(tmp_path)
    assert code == 1
    assert [(report["path"], report["outcome"]) for report in reports] == [
        (str(bad), "imported"),
        (str(good), "imported"),
    ]
    (problem,) = reports[0]["problems"]
    assert (problem["line"], problem["severity"]) == (len(rows) - 1, "lost")
    assert problem["reason"]
    assert "Two" not in json.dumps(reports)
    assert Transcript.objects.count() == 2
    assert RawRecord.objects.count() == 2 * len(rows) - 1


@EACH_FORMAT
def test_records_of_unknown_types_are_kept_and_counted(member, tmp_path, rows: Rows) -> None:
    unknown = [{**rows[-1], "type": f"hologram-{number}", "uuid": f"h{number}"} for number in range(3)]
    file = tmp_path / "s.jsonl"
    file.write_bytes(b"".join(lines([*rows, *unknown])))
    (report,), code = imported(file)
    assert code == 0
    assert [problem["severity"] for problem in report["problems"]] == ["unknown"] * 3
    assert RawRecord.objects.filter(record_type__startswith="hologram").count() == 3


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"# Notes\n\nNothing here.\n",
        b'{"name": "shop", "version": "1.0.0"}\n',
        b'{"level": "info", "msg": "started", "type": "event"}\n' * 3,
        b'{"session_id": "s", "ts": 1, "text": "hello"}\n',
        b'{"id": "x", "timestamp": "2026-01-01T00:00:00Z"}\n',
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"\0" * 4096,
    ],
)
def test_what_is_no_transcript_is_ignored(member, tmp_path, data: bytes) -> None:
    (tmp_path / "rollout-2026.jsonl").write_bytes(data)
    (report,), code = imported(tmp_path)
    assert (report["outcome"], report["problems"], code) == ("ignored", [], 0)
