"""A cursor survives its way through an address, and nothing else passes for one."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.bands import Band
from sessions_app.cursors import BadCursor, Cursor, Direction

CURSORS = st.builds(
    Cursor,
    as_of=st.datetimes(datetime(2000, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)),
    band=st.sampled_from(Band),
    changed_at=st.datetimes(timezones=st.just(UTC)),
    id=st.uuids(),
    direction=st.sampled_from(Direction),
)


@given(CURSORS)
def test_a_cursor_comes_back_from_its_text_unchanged(cursor: Cursor) -> None:
    assert Cursor.decode(cursor.encode()) == cursor


@given(CURSORS)
def test_the_text_needs_no_escaping_in_an_address(cursor: Cursor) -> None:
    assert all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in cursor.encode())


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        Cursor.decode(text)


@given(CURSORS, st.integers(0, 46), st.sampled_from("AZaz09-_"))
def test_an_altered_cursor_is_refused_or_is_another_cursor(cursor: Cursor, at: int, letter: str) -> None:
    text = cursor.encode()
    altered = text[:at] + letter + text[at + 1 :]
    try:
        assert (Cursor.decode(altered) == cursor) is (altered == text)
    except BadCursor:
        assert altered != text


@pytest.mark.parametrize("year", [1999, 2200])
def test_a_list_is_not_read_as_of_another_age(year: int) -> None:
    moment = datetime(year, 6, 1, tzinfo=UTC)
    text = Cursor(moment, Band.REST, moment, uuid.uuid4(), Direction.NEXT).encode()
    with pytest.raises(BadCursor):
        Cursor.decode(text)
