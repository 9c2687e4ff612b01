"""Files that grow, that are cut anywhere, and files of other kinds."""

import io
import json
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.readers import claude_code, summary
from intake.readers.base import ReadContext, ReadRecord, Severity
from intake.readers.claude_code import ClaudeCodeReader
from intake.readers.detect import detect
from intake.readers.summary import SummaryFold
from tests.intake.claude_records import (
    INLINE_SIDECHAINS,
    NOW,
    OWN_AGENT_FILE,
    PRESENT_DAY,
    PROGRESS_AGENTS,
    Session,
    entries,
    read,
    summaries,
)

FIXTURE_FILES = [PRESENT_DAY, INLINE_SIDECHAINS, PROGRESS_AGENTS, OWN_AGENT_FILE]


def ids(records: list[ReadRecord]) -> list[tuple[str, str]]:
    return [(record.agent_id, entry.native_id) for record in records for entry in record.entries]


def cuts_of(data: bytes) -> list[int]:
    """Every byte of a small file; of a larger one every ninth, and all those around the ends of lines."""
    ends = [at for at, byte in enumerate(data) if byte == ord("\n")]
    near = {at + step for at in ends for step in range(-3, 4)}
    return [at for at in range(len(data)) if len(data) < 3_000 or at % 9 == 0 or at in near]


@pytest.mark.parametrize("path", FIXTURE_FILES, ids=lambda path: path.stem[:10])
def test_a_file_cut_at_any_byte_gives_the_beginning_of_what_the_whole_file_gives(path) -> None:
    data = path.read_bytes()
    whole = ids(read(data))
    assert len(set(whole)) == len(whole)
    ends = [record.end for record in read(data)]
    counts = [len(record.entries) for record in read(data)]
    for cut in cuts_of(data):
        found = ids(read(data[:cut]))
        # An object is there as soon as its last byte is; the line end after it does not matter.
        complete = sum(n for end, n in zip(ends, counts, strict=True) if end - 1 <= cut)
        assert found == whole[:complete]


@settings(max_examples=30)
@given(st.data())
def test_a_file_that_grows_is_read_on_from_where_it_ended(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(FIXTURE_FILES))
    whole, name = path.read_bytes(), read(path.read_bytes())[-1].session_id
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    reader = ClaudeCodeReader(ReadContext(now=NOW, name=name))
    found: list[ReadRecord] = []
    for cut in [*cuts, len(whole)]:
        stream = io.BytesIO(whole[:cut])
        stream.seek(reader.offset)
        found += reader.read(stream)
    assert entries(found) == entries(read(whole))
    assert summaries(found) == summaries(read(whole))


damages = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3)), max_size=4)


@settings(max_examples=60)
@given(
    st.sampled_from(FIXTURE_FILES), st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3)), max_size=4)
)
def test_no_damage_to_a_file_raises_or_doubles_an_entry(path, damage: list[tuple[float, bytes]]) -> None:
    data = bytearray(path.read_bytes())
    for place, junk in damage:
        at = int(place * len(data))
        data[at : at + len(junk)] = junk
    records = read(bytes(data))
    assert max(Counter(ids(records)).values(), default=1) == 1
    for record in records:
        assert record.record is not None or any(p.severity is Severity.LOST for p in record.problems)


def test_a_lost_record_is_reported_with_its_line_and_the_rest_is_read() -> None:
    session = Session()
    session.user("One")
    session.user("Two")
    session.user("Three")
    lines = session.data.splitlines(keepends=True)
    lines[1] = lines[1][:50] + b"\n"
    records = read(b"".join(lines))
    assert [entry.text for entry in entries(records)] == ["One", "Three"]
    (problem,) = [problem for record in records for problem in record.problems]
    assert (problem.severity, problem.line) == (Severity.LOST, 2)
    assert [record.ordinal for record in records] == [0, 1, 2]


def test_an_array_in_the_place_of_a_record_is_lost_with_a_reason() -> None:
    session = Session()
    session.user("One")
    records = read(session.data + b"[1, 2]\n")
    assert [problem.reason for problem in records[1].problems] == ["not an object"]


def test_a_fork_keeps_the_ids_of_the_rows_that_it_copied() -> None:
    session = Session()
    session.user("One")
    session.answer("Two")
    own = ids(session.read())
    fork = [{**row, "sessionId": "fork"} for row in session.rows]
    assert ids(read("\n".join(map(json.dumps, fork)).encode())) == own


@pytest.mark.parametrize("path", FIXTURE_FILES, ids=lambda path: path.stem[:10])
def test_claude_codes_files_are_known_by_their_content(path) -> None:
    with path.open("rb") as stream:
        found = detect(stream)
        assert found is not None
        assert (found.key, stream.tell()) == ("claude_code", 0)


@pytest.mark.parametrize(
    "first",
    [
        {"type": "user.message", "data": {"content": "x"}, "id": "1", "timestamp": "t", "parentId": None},
        {"sessionId": "x", "projectHash": "y", "startTime": "t", "messages": [{"id": "1", "type": "user"}]},
        {"id": 1, "source": "user", "action": "message", "args": {"content": "x"}},
        {"resourceSpans": []},
        {"environment": "e", "trajectory": [], "history": []},
        {"role": "user", "message": {"content": []}},
        {"type": "user", "message": {"role": "user", "content": "x"}, "session_id": "s", "uuid": "u"},
        {"type": "system", "subtype": "init", "session_id": "s", "uuid": "u"},
        [1, 2],
        "text",
    ],
)
def test_files_of_other_kinds_are_not_claude_codes(first: object) -> None:
    assert detect(io.BytesIO(json.dumps(first, indent=1).encode() + b"\n{}\n")) is None


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"hello\n" * 300, b"\x89PNG\r\n\x1a\n\0\0\0", b"\0" * 9000, b"{"]
)
def test_files_of_no_kind_are_of_none(data: bytes) -> None:
    assert detect(io.BytesIO(data)) is None


def test_a_broken_beginning_does_not_hide_a_session() -> None:
    session = Session()
    session.user("Hi")
    assert detect(io.BytesIO(b"\0\0\0\nju" + b"nk\n" * 20 + session.data)) is not None


def test_prose_that_quotes_a_few_records_is_no_session() -> None:
    session = Session()
    session.user("Hi")
    assert (
        detect(io.BytesIO(b"A line about sessions.\n" * 60 + session.data + b"\nMore prose.\n" * 60)) is None
    )


class Endless(io.RawIOBase):
    """A stream of so many lines, none of which is held."""

    def __init__(self, templates: list[str], lines: int) -> None:
        self._templates = templates
        self._left = lines

    def readline(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            return b""
        line = self._templates[self._left % len(self._templates)]
        return line.replace("uuid-", f"u{self._left}-").replace("msg_", f"m{self._left}_").encode()


def test_memory_does_not_grow_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claude_code, "_RECENT", 200)
    monkeypatch.setattr(summary, "_WINDOW", 200)
    session = Session()
    session.user("x" * 100)
    session.call("c", "Read")
    session.result("c", "y" * 200)
    templates = [json.dumps(row) + "\n" for row in session.rows]

    def peak(lines: int) -> int:
        fold = SummaryFold()
        tracemalloc.start()
        for record in ClaudeCodeReader(ReadContext(now=NOW, name="x")).read(Endless(templates, lines)):
            fold.add(record)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert fold.summaries()[0].records == lines
        return top

    assert peak(6_000) < 1.2 * peak(1_500)
