"""A credential without a shape is known by its name or its place; what only looks like one is left alone."""

from __future__ import annotations

import base64
import json
import random
import sys
from types import FrameType

import pytest

from audit.redaction import Redactor
from audit.redaction.assignments import find_assigned
from tests.audit.redaction_contexts import (
    AGENT_CONTEXTS,
    CODE_CONTEXTS,
    ORDINARY_CODE,
    STAND_INS,
    fill,
    harmless,
)
from tests.audit.redaction_samples import MARK_KEY


@pytest.fixture
def redactor() -> Redactor:
    return Redactor({}, MARK_KEY)


@pytest.mark.parametrize("context", AGENT_CONTEXTS + CODE_CONTEXTS)
def test_a_credential_is_found_where_agents_and_code_put_it(context: str, redactor: Redactor) -> None:
    rng = random.Random(context)
    survived = 0
    for _ in range(10):
        text, value = fill(context, rng)
        survived += value in redactor.redact_text(text).text
    assert survived <= 1  # noise may happen to look like a word


def test_nearly_all_are_found_in_the_contexts_of_agents(redactor: Redactor) -> None:
    rng = random.Random(8)
    filled = [fill(context, rng) for context in AGENT_CONTEXTS for _ in range(10)]
    found = sum(value not in redactor.redact_text(text).text for text, value in filled)
    assert found >= 0.97 * len(filled)


@pytest.mark.parametrize("text", ORDINARY_CODE + STAND_INS)
def test_ordinary_code_and_stand_ins_are_left_alone(text: str, redactor: Redactor) -> None:
    assert redactor.redact_text(text).text == text
    assert redactor.redact_text(f"  {text}  # a comment\n").text == f"  {text}  # a comment\n"


def test_what_is_random_by_design_is_left_alone(redactor: Redactor) -> None:
    rng = random.Random(9)
    for _ in range(40):
        for kind, text in harmless(rng):
            assert redactor.redact_text(text).text == text, kind


def test_a_private_key_is_found_whole_cut_and_with_its_lines_escaped(redactor: Redactor) -> None:
    rng = random.Random(10)
    frame = "RSA PRIVATE " + "KEY-----"
    lines = [base64.b64encode(rng.randbytes(48)).decode() for _ in range(12)]
    whole = "\n".join([f"-----BEGIN {frame}", *lines, f"-----END {frame}"])
    for text in (whole, whole[:400], json.dumps({"private_key": whole}), f"key: |\n  {whole}"):
        done = redactor.redact_text(f"before {text} after").text
        assert not any(line in done for line in lines)
        assert done.startswith("before ")
        assert done.endswith(" after")


def test_signs_that_nobody_sees_hide_nothing(redactor: Redactor) -> None:
    value = "gh" + "p_" + "a1B2c3D4e5F6" * 3
    for sign in ("\u200b", "\u2060", "\ufeff", "\xad", "\x1b[31m", "\\u001b[0m", "\\\n"):
        text = f"see é {value[:9]}{sign}{value[9:]} there"
        done = redactor.redact_text(text)
        assert done.text.startswith("see é [REDACTED:github-pat#")
        assert done.text.endswith("] there")
        assert done.findings[0].digest == redactor.redact_text(value).findings[0].digest


def test_base64_hides_nothing_once_or_twice(redactor: Redactor) -> None:
    value = "gh" + "p_" + "a1B2c3D4e5F6" * 3
    text = f"user: me\ntoken: {value}\nmore: no\n"
    for _ in range(2):
        text = base64.b64encode(text.encode()).decode()
        done = redactor.redact_text(f"data: {text}")
        assert [found.name for found in done.findings] == ["github-pat"]
        assert done.findings[0].digest == redactor.redact_text(value).findings[0].digest


@pytest.mark.parametrize(
    "unit",
    ["password=", "key: ", "token", "-----BEGIN PRIVATE " + "KEY-----", "eyJ", "://a:b@", "A", "'\"", "\x1b[",
     "api_key=A1", "gh" + "p_", '{"password":"', "a\\", "bearer ", "=\n", "Y2Fj", "key=Zz9"],
)  # fmt: skip
def test_eight_times_the_text_takes_no_more_than_ten_times_the_looks(unit: str) -> None:
    """The work, not the time: a machine that is busy tells nothing."""

    def work(size: int) -> int:
        redactor = Redactor({}, MARK_KEY)
        text = unit * (size // len(unit))
        redactor.redact_text(text[:100])
        count = 0

        def step(*_: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(step)
        try:
            redactor.redact_text(text)
        finally:
            sys.setprofile(None)
        return count

    assert work(16_000) <= 10 * work(2_000) + 1_000


def test_a_value_is_looked_at_once_however_many_ways_lead_to_it(redactor: Redactor) -> None:
    looks = 0

    def step(frame: FrameType, event: str, _: object) -> None:
        nonlocal looks
        looks += event == "call" and frame.f_code is find_assigned.__code__

    text = "password=hunter22 " * 100
    redactor.redact_text("warm up")
    sys.setprofile(step)
    try:
        redactor.redact_text(text)
    finally:
        sys.setprofile(None)
    assert looks == 100


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("PGPASSWORD=", "TCxtWz" + "phTnTR", " psql -h x"),
        ("<password>", "TCxtWz" + "phTnTR", "</password>"),
        ("my token: ", "CpZawnokAzgzuKhI" + "QMpsgbzbLvomDKGq", ""),
        ("deploy --password ", "RSAkacvHU" + "#1xgc", " now"),
        ("| API key | ", "8jZbxijsbEObEeWY" + "LBfEIMGgiI2RT8zP", " |"),
        ("//registry.test/:_authToken=", "0b7c9d1e-1111-4222" + "-8333-444455556666", "\n"),
    ],
)
def test_a_value_of_letters_in_a_table_or_behind_a_flag_is_found(
    before: str, value: str, after: str, redactor: Redactor
) -> None:
    done = redactor.redact_text(before + value + after).text
    assert done.startswith(f"{before}[REDACTED:")
    assert done.endswith(f"]{after}")
