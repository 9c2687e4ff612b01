from datetime import UTC, datetime

import pytest
from django.utils import timezone
from django.utils.safestring import mark_safe

from sessions_app.templatetags.interface import clock, duration, icon, initials, prose, when


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0s"),
        (0.25, "250ms"),
        (14, "14s"),
        (134, "2m 14s"),
        (3600, "1h"),
        (7384, "2h 3m"),
        (90000, "1d 1h"),
    ],
)
def test_duration_names_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [("Maya Kern", "MK"), ("scheduler", "S"), ("ana.maria@example.com", "AM"), ("", "?")],
)
def test_initials_stand_for_a_person(name: str, text: str) -> None:
    assert initials(name) == text


MOMENT = datetime(2026, 11, 22, 10, 42, 7, tzinfo=UTC)


def test_a_time_is_iso_for_machines_and_names_its_zone_for_people() -> None:
    html = str(when(MOMENT))
    assert 'datetime="2026-11-22T10:42:07+00:00"' in html
    assert ">22 Nov 2026, 10:42 UTC</time>" in html


def test_a_time_in_a_row_is_the_same_in_every_zone() -> None:
    with timezone.override("Europe/Berlin"):
        in_berlin = when(MOMENT)
    assert in_berlin == when(MOMENT)


def test_a_clock_is_of_the_readers_zone() -> None:
    with timezone.override("Europe/Berlin"):
        html = str(clock(MOMENT))
    assert ">11:42:07</time>" in html
    assert 'title="22 Nov 2026, 11:42:07 CET"' in html


def test_no_time_is_a_dash() -> None:
    assert when(None) == "-"


def test_what_lies_ahead_is_not_told_as_what_has_been():
    assert 'tense="past"' in str(when(MOMENT, "long"))
    assert 'tense="future"' in str(when(MOMENT, "coming"))


def test_an_icon_name_cannot_break_out_of_its_attribute() -> None:
    assert '"><script>' not in icon('"><script>')


def test_plain_text_is_escaped_and_keeps_its_lines() -> None:
    assert prose("<b>\nx") == '<div class="prose plain">&lt;b&gt;\nx</div>'


def test_rendered_text_stays_html() -> None:
    assert prose(mark_safe("<p>x</p>")) == '<div class="prose"><p>x</p></div>'
