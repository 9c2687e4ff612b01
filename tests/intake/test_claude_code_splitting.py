"""Objects come out of a stream whatever its lines look like, and a torn end waits for the rest."""

import io
import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.redaction import Redactor
from audit.redaction.pieces import MAX_DEPTH
from intake.readers import jsonl
from intake.readers.base import Severity
from intake.readers.jsonl import Decoded, Splitter


def split(data: bytes) -> list[Decoded]:
    return list(Splitter().split(io.BytesIO(data)))


def values(data: bytes) -> list[object]:
    return [found.value for found in split(data) if not found.is_lost]


def reasons(data: bytes) -> list[tuple[Severity, int]]:
    return [(problem.severity, problem.line) for found in split(data) for problem in found.problems]


texts = st.text(st.characters(codec="utf-8"), max_size=12)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8"), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
records = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), json_values, max_size=4)
layouts = st.sampled_from(["line", "glued", "pretty", "crlf", "ascii", "blank"])


def without_nul(value: object) -> object:
    return json.loads(json.dumps(value).replace("\\u0000", "\\u2400"))


def lay_out(record: dict[str, object], layout: str) -> bytes:
    if layout == "pretty":
        return json.dumps(record, indent=2, ensure_ascii=False).encode() + b"\n"
    text = json.dumps(record, ensure_ascii=layout == "ascii").encode()
    return text + {"glued": b"", "crlf": b"\r\n", "blank": b"\n\n \n"}.get(layout, b"\n")


@given(st.lists(st.tuples(records, layouts), max_size=6))
def test_every_layout_yields_the_same_objects(laid_out: list[tuple[dict[str, object], str]]) -> None:
    data = b"".join(lay_out(record, layout) for record, layout in laid_out)
    assert values(data) == [without_nul(record) for record, _ in laid_out]
    assert not any(found.is_lost for found in split(data))


noise = st.sampled_from(
    [b"", b"junk\n", b'{"a": "torn\n', b'{"a":\n', b'{"a": 1} junk\n', b"\0\0\n", b'{"\xff": 1}\n']
)


@settings(max_examples=300)
@given(st.lists(st.tuples(records, layouts, noise), max_size=5), st.data())
def test_reading_on_where_a_cut_stream_stopped_yields_what_the_whole_stream_does(
    laid_out: list[tuple[dict[str, object], str, bytes]], data: st.DataObject
) -> None:
    whole = b"".join(lay_out(record, layout) + junk for record, layout, junk in laid_out)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    splitter = Splitter()
    found: list[Decoded] = []
    for cut in [*cuts, len(whole)]:
        stream = io.BytesIO(whole[:cut])
        stream.seek(splitter.offset)
        found += splitter.split(stream)
    expected = split(whole)
    assert [(one.ordinal, one.line, one.value) for one in found] == [
        (one.ordinal, one.line, one.value) for one in expected
    ]
    assert [one.is_lost for one in found] == [one.is_lost for one in expected]


@settings(max_examples=300)
@given(st.binary(max_size=80))
def test_no_bytes_make_it_raise_and_offsets_only_grow(data: bytes) -> None:
    ends = [0, *(found.end for found in split(data))]
    assert all(before < after or before == after == len(data) for before, after in pairwise(ends))
    assert ends[-1] <= len(data)


def test_two_objects_glued_on_one_line_are_two() -> None:
    assert values(b'{"a":1}{"b":2}\n{"c":3} {"d":4}') == [{"a": 1}, {"b": 2}, {"c": 3}, {"d": 4}]


def test_a_torn_last_line_is_kept_for_later_and_its_offset_told() -> None:
    splitter = Splitter()
    found = list(splitter.split(io.BytesIO(b'{"a":1}\n{"b": "to')))
    assert [one.value for one in found] == [{"a": 1}]
    assert splitter.offset == 8
    assert found[0].problems == ()


def test_a_line_torn_in_the_middle_of_the_file_is_lost_with_its_line_and_nothing_else() -> None:
    data = b'{"a":1}\n{"b": "to\n{"c":3}\n{"d":\n{"e":5}\n'
    assert values(data) == [{"a": 1}, {"c": 3}, {"e": 5}]
    assert reasons(data) == [(Severity.LOST, 2), (Severity.LOST, 4)]


def test_a_record_written_right_after_a_torn_one_is_not_lost_with_it() -> None:
    data = b'{"type":"user","mess{"type":"user","n":1}\n{"n":2}\n'
    assert values(data) == [{"type": "user", "n": 1}, {"n": 2}]
    assert reasons(data) == [(Severity.LOST, 1)]


def test_bytes_that_are_no_text_are_repaired_and_reported() -> None:
    data = b'{"a":"\xff\xfeb"}\n{"a":"x\0y"}\n\0\0\0\n{"a":"\\u0000\\ud83d"}\n'
    assert values(data) == [{"a": "\ufffd\ufffdb"}, {"a": "x\u2400y"}, {"a": "\u2400\ufffd"}]
    assert {severity for severity, _ in reasons(data)} == {Severity.REPAIRED}
    assert {line for _, line in reasons(data)} == {1, 2, 3, 4}


def test_numbers_that_no_database_takes_become_null() -> None:
    assert values(b'{"a":NaN,"b":1e999,"c":-Infinity}\n') == [{"a": None, "b": None, "c": None}]


def test_a_byte_order_mark_is_skipped() -> None:
    assert values(b'\xef\xbb\xbf{"a":1}\n') == [{"a": 1}]


def test_objects_nested_too_deeply_are_lost_and_the_next_ones_are_not() -> None:
    data = b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b'}\n{"b":2}\n'
    assert values(data) == [{"b": 2}]
    assert reasons(data) == [(Severity.LOST, 1)]


@pytest.mark.parametrize(("depth", "is_kept"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False), (990, False)])
def test_an_object_nested_deeper_than_can_be_redacted_is_lost(depth: int, is_kept: bool) -> None:
    data = b'{"n":0}\n' + b'{"a":' * depth + b"1" + b"}" * depth + b'\n{"b":2}\n'
    redacted, _ = Redactor({}, b"key").redact_json(split(data)[1].value)
    assert isinstance(redacted, dict) is is_kept
    assert values(data)[-1] == {"b": 2}
    assert reasons(data) == ([] if is_kept else [(Severity.LOST, 2)])


def test_a_line_of_four_mebibytes_is_one_object() -> None:
    data = json.dumps({"a": "x" * (4 << 20)}).encode() + b'\n{"b":2}\n'
    assert [found.end for found in split(data)] == [(4 << 20) + 10, len(data)]


def test_an_object_too_large_to_hold_is_lost_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_OBJECT", 100)
    data = b'{"a":1}\n' + json.dumps({"b": "x" * 450}).encode() + b'\n{"c":3}\n'
    assert values(data) == [{"a": 1}, {"c": 3}]
    assert reasons(data) == [(Severity.LOST, 2)]
    assert split(data)[-1].end == len(data)
