"""Whatever a record looks like, it is kept or reported: fields dropped, renamed and retyped at random."""

from __future__ import annotations

import io
import json
import random
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit.models import RawRecord
from intake.readers.base import ReadContext, Severity
from intake.readers.detect import FORMATS, detect
from intake.readers.summary import SummaryFold
from intake.reports import FileOutcome
from intake.sources import Source
from tests.factories.workspace import MembershipFactory
from tests.intake.claude_records import NOW, PRESENT_DAY, PROGRESS_AGENTS, Session
from tests.intake.codex_records import Rollout
from tests.intake.imports import importer

#: What a field may hold that no writer would put there.
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1e30,
    "",
    "x",
    "\x00",
    "�",
    [],
    {},
    [[]],
    {"type": []},
    [1, "a", {}],
    "9" * 300,
]
EACH_FORMAT = pytest.mark.parametrize("format_", FORMATS, ids=lambda one: one.key)


def claude_rows() -> list[dict[str, Any]]:
    session = Session()
    session.user([{"type": "text", "text": "Look"}, {"type": "image", "source": {"data": "AAAA"}}])
    session.call("c1", "Bash", command="ls")
    session.result("c1", "a.py", typed={"stdout": "a.py", "stderr": "", "interrupted": False})
    session.bare("custom-title", customTitle="Mine")
    files = [PRESENT_DAY, PROGRESS_AGENTS]
    lines = [line for file in files for line in file.read_text().splitlines() if line.strip()]
    return session.rows + [json.loads(line) for line in lines]


def codex_rows() -> list[dict[str, Any]]:
    rollout = Rollout(git={"branch": "main", "repository_url": "https://host.example/a/b.git"})
    rollout.turn("One", "First.")
    rollout.call(
        "c1", "exec_command", cmd="apply_patch <<'E'\n*** Begin Patch\n*** Delete File: a\n*** End Patch"
    )
    rollout.event(
        "patch_apply_end", call_id="c1", success=True, changes={"a": {"type": "delete", "content": "x"}}
    )
    rollout.result("c1", "Exit code: 0\nWall time: 1 seconds\nOutput:\nok")
    rollout.call("c2", "spawn_agent", message="Look", agent_type="explorer")
    rollout.result("c2", json.dumps({"agent_id": "a1"}))
    rollout.tokens((100, 20, 10))
    rollout.item("reasoning", summary=[{"type": "summary_text", "text": "Hm"}])
    rollout.item("web_search_call", action={"type": "search", "query": "x"})
    rollout.add("compacted", message="We did it", replacement_history=[])
    rollout.add("session_meta", id="other", timestamp="2026-01-01T00:00:00Z", cwd="/")
    rollout.event("turn_aborted", reason="interrupted")
    rollout.event("thread_rolled_back", num_turns=1)
    return rollout.rows


ROWS = {"claude_code": claude_rows(), "codex": codex_rows()}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to each field of a record, at any depth."""
    found = [path] if path else []
    pairs: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in pairs:
        found += places(inner, (*path, key))
    return found


def mutate(row: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    mutated: dict[str, Any] = json.loads(json.dumps(row))
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        options = places(mutated)
        if not options:
            break
        *path, last = chance.choice(options)
        owner: Any = mutated
        for key in path:
            owner = owner[key]
        change = chance.choice(("drop", "retype", "rename"))
        if change == "retype":
            owner[last] = deepcopy(chance.choice(ODD))
        elif change == "drop":
            del owner[last]
        elif isinstance(owner, dict):
            owner[str(chance.choice(("x", "type", "uuid", "payload", "message")))] = owner.pop(last)
    return mutated


def mutated_file(key: str, seed: int, size: int) -> bytes:
    """Records as they are written, then ones that were changed; each is told from all others by a number."""
    chance = random.Random(seed)
    rows = ROWS[key]
    changed = [rows[0], *(mutate(chance.choice(rows), chance) for _ in range(size))]
    numbered = [{**row, "number": number} for number, row in enumerate(changed)]
    return "".join(json.dumps(row) + "\n" for row in numbered).encode()


@EACH_FORMAT
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
@example(seed=770)  # an id that is too long to be one
def test_a_reader_keeps_or_reports_every_record(format_, seed: int) -> None:
    data = mutated_file(format_.key, seed, 40)
    assert detect(io.BytesIO(data)) is format_
    records = list(format_.reader(ReadContext(now=NOW, name="x")).read(io.BytesIO(data)))
    fold = SummaryFold()
    for record in records:
        fold.add(record)
        is_reported = any(problem.severity is Severity.LOST for problem in record.problems)
        assert record.session_id
        assert (record.record is not None) != is_reported
    fold.summaries()
    bodies = [record.record.body for record in records if record.record]
    assert bodies == [json.loads(line) for line in cleaned(data).splitlines()]
    ids = [(one.session_id, one.agent_id, entry.native_id) for one in records for entry in one.entries]
    assert len(ids) == len(set(ids))


def cleaned(data: bytes) -> bytes:
    """NUL cannot be stored: readers put the sign for it in its place, and say so."""
    return data.replace(rb"\u0000", "␀".encode())


@EACH_FORMAT
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.django_db
def test_an_import_stores_or_reports_every_record(format_, seed: int) -> None:
    data = mutated_file(format_.key, seed, 60)
    source = Source(name="x.jsonl", written_at=NOW, open=lambda: io.BytesIO(data))
    report = importer(MembershipFactory()).import_source(source)
    assert report.outcome is FileOutcome.IMPORTED, report.problems
    lost = [problem for problem in report.problems if problem.severity is Severity.LOST]
    assert RawRecord.objects.count() + len(lost) == len(data.splitlines())
