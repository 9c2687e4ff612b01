"""Rollouts that grow, that are cut anywhere, or that are damaged."""

from __future__ import annotations

import io
import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from intake.readers import codex
from intake.readers.base import ReadContext, ReadRecord, Severity
from intake.readers.codex import CodexReader
from tests.intake.codex_records import (
    NOW,
    THREAD,
    Rollout,
    entries,
    fork_of,
    parent_and_child,
    read,
    summaries,
)


def everything() -> bytes:
    """A fork with all that a rollout may hold: what a reader remembers from one record to the next."""
    parent, child = parent_and_child()
    parent.tokens((100, 20, 10))
    parent.event("user_message", message="Only an event")
    parent.event("agent_message", message="Only an event as well")
    parent.call("c1", "exec_command", cmd="make watch")
    parent.result("c1", "Wall time: 10.0 seconds\nProcess running with session ID 7\nOutput:\nbuilding")
    parent.call("c2", "write_stdin", session_id=7, chars="")
    parent.event("turn_aborted", reason="interrupted")
    fork = fork_of(parent, keeps_times=False, is_named=True, has_turns=True)
    fork.result("c2", "Exit code: 0\nOutput:\nbuilt")
    fork.rows += child.rows
    return fork.data


DATA = everything()


def ids(records: list[ReadRecord]) -> list[tuple[str, str, str]]:
    return [(one.session_id, one.agent_id, entry.native_id) for one in records for entry in one.entries]


def test_a_rollout_cut_at_any_byte_gives_the_beginning_of_what_the_whole_one_gives() -> None:
    records = read(DATA)
    whole = ids(records)
    assert len(set(whole)) == len(whole)
    for cut in range(0, len(DATA), 7):
        complete = sum(len(record.entries) for record in records if record.end - 1 <= cut)
        assert ids(read(DATA[:cut])) == whole[:complete]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, len(DATA)), max_size=4))
def test_a_rollout_that_grows_is_read_on_from_where_it_ended(cuts: list[int]) -> None:
    reader = CodexReader(ReadContext(now=NOW, name="file-name"))
    found: list[ReadRecord] = []
    for cut in [*sorted(cuts), len(DATA)]:
        stream = io.BytesIO(DATA[:cut])
        stream.seek(reader.offset)
        found += reader.read(stream)
    assert entries(found) == entries(read(DATA))
    assert summaries(found) == summaries(read(DATA))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3)), max_size=4))
def test_no_damage_to_a_rollout_raises_or_doubles_an_entry(damage: list[tuple[float, bytes]]) -> None:
    data = bytearray(DATA)
    for place, junk in damage:
        at = int(place * len(data))
        data[at : at + len(junk)] = junk
    records = read(bytes(data))
    assert max(Counter(ids(records)).values(), default=1) == 1
    for record in records:
        assert record.record is not None or any(p.severity is Severity.LOST for p in record.problems)


def test_a_rollout_whose_first_line_is_lost_is_known_by_its_name() -> None:
    rollout = Rollout()
    rollout.turn("One", "Done.")
    lines = [json.dumps(row).encode() + b"\n" for row in rollout.rows]
    records = read(lines[0][:30] + b"\n" + b"".join(lines[1:]), name=f"rollout-2026-03-02T10-00-00-{THREAD}")
    assert {record.session_id for record in records} == {THREAD}


def test_ids_do_not_crowd_out_the_count_of_what_looks_alike(monkeypatch) -> None:
    monkeypatch.setattr(codex, "_RECENT", 3)
    rollout = Rollout()
    for number in range(6):
        rollout.answer("Done.")
        rollout.call(f"c{number}", "shell", command=["ls"])
        rollout.result(f"c{number}", "ok")
    found = ids(rollout.read())
    assert len(set(found)) == len(found) == 18
