"""Importers as real processes: several at once, and killed in the middle."""

from __future__ import annotations

import contextlib
import os
import pty
import termios
from pathlib import Path
from typing import Any

import pytest

from audit.models import MessageUsage, RawRecord, Transcript, TranscriptEntry
from bench.claude_files import write_files
from chats.models import Chat
from intake.reports import FileOutcome
from tasks.models import BackgroundTask
from tests.config.processes import eventually
from tests.factories.workspace import MembershipFactory
from tests.intake.claude_records import FIXTURES, Session
from tests.intake.imports import run, talk, write
from tests.intake.processes import is_none_connected, start
from workspace.models import Membership

pytestmark = pytest.mark.django_db(transaction=True)

FACTS = (
    "title",
    "status",
    "message_count",
    "turn_count",
    "last_message_at",
    "changed_at",
    "evidence",
    "repo",
)


@pytest.fixture
def member() -> Membership:
    return MembershipFactory(tenant__slug="acme", user__email="ada@example.com")


def large(path: Path, turns: int) -> Path:
    """A session of some batches, with a sub-agent inside that is done half-way."""
    session = talk(turns // 2)
    agent = Session(isSidechain=True)
    agent.user("Look around")
    agent.answer("Seen", stop="end_turn")
    for number, row in enumerate(agent.rows):
        row |= {"uuid": f"side-{number}", "parentUuid": f"side-{number - 1}" if number else None}
    session.rows += agent.rows
    session.rows += [{**row, "uuid": f"again-{row['uuid']}"} for row in talk(turns // 2).rows]
    return write(path, session)


def everything(member: Membership) -> dict[str, Any]:
    """All that an import leaves, but for ids and times of ours."""
    tenant_id = member.tenant_id
    found: dict[str, Any] = {"chats": list(Chat.objects.for_tenant(tenant_id).values_list(*FACTS))}
    tasks = BackgroundTask.objects.for_tenant(tenant_id)
    found["tasks"] = sorted(tasks.values_list("title", "status", "turn_count", "changed_at", "is_folded"))
    for table, names in {
        TranscriptEntry: ("transcript__session_kind", "seq", "native_id", "text"),
        RawRecord: ("transcript__session_kind", "ordinal", "native_id", "body__type"),
        MessageUsage: ("message_id", "output_tokens"),
        Transcript: ("session_kind", "next_seq", "output_tokens", "redaction_count"),
    }.items():
        rows = table.objects.for_tenant(tenant_id).values_list(*names)
        found[table.__name__] = sorted(rows)
    return found


def test_processes_at_once_on_the_same_files_double_nothing(member, tmp_path):
    large(tmp_path / "s.jsonl", 900)
    processes = [start(member, tmp_path, FIXTURES) for _ in range(3)]
    outputs = [process.communicate(timeout=100) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    eventually(is_none_connected)
    undisturbed = MembershipFactory()
    run(undisturbed, tmp_path, FIXTURES)
    assert everything(member) == everything(undisturbed)


def test_a_run_that_is_killed_anywhere_is_completed_by_the_next(member, tmp_path):
    file = large(tmp_path / "s.jsonl", 1_500)
    reached = []
    for entries in (1, 1_000):
        process = start(member, tmp_path)
        count = TranscriptEntry.objects.for_tenant(member.tenant_id).count
        eventually(lambda count=count, entries=entries: count() >= entries, seconds=60)
        process.kill()
        process.communicate()
        eventually(is_none_connected)
        reached.append(count())
    assert reached[-1] < 3_000, "it was never killed in the middle: write a larger file"
    evidence = Chat.objects.get().evidence
    assert "being read" in evidence[0]["text"]
    completed, again = run(member, file)[0], run(member, file)[0]
    assert completed.entries == 3_002 - reached[-1]
    assert again.outcome == FileOutcome.UNCHANGED
    undisturbed = MembershipFactory()
    run(undisturbed, file)
    assert everything(member) == everything(undisturbed)


def peak_memory(member: Membership, path: Path) -> int:
    """The peak of resident memory, in KiB, of a process that imports a file."""
    process = start(member, path, "--quiet")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    outputs = process.communicate()
    assert process.returncode == 0, outputs
    eventually(is_none_connected)
    return usage.ru_maxrss


def test_memory_does_not_grow_with_the_size_of_a_file(member, tmp_path):
    peaks = []
    for megabytes in (6, 24):
        folder = tmp_path / str(megabytes)
        write_files(folder, megabytes * 1_000_000, in_one=True, seed=megabytes)
        peaks.append(peak_memory(member, folder))
    assert peaks[1] < peaks[0] * 1.15


@pytest.mark.parametrize(("options", "is_drawn"), [([], True), (["--json"], False), (["--quiet"], False)])
def test_a_bar_is_drawn_on_a_terminal_alone(member, tmp_path, options, is_drawn):
    write(tmp_path / "s.jsonl", talk(2))
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    process = start(member, tmp_path, *options, output=theirs)
    os.close(theirs)
    written = b""
    with contextlib.suppress(OSError):  # the terminal's end, once nobody holds it open
        while part := os.read(ours, 4096):
            written += part
    os.close(ours)
    assert process.wait() == 0, written
    eventually(is_none_connected)
    assert (b"0 of 1 files" in written and b"B/s" in written) == is_drawn
    piped = start(member, tmp_path).communicate()
    assert "files" not in "".join(piped)
