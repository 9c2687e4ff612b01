"""What cannot be scanned is withheld; redacting twice changes nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.redaction import DETECTOR, Detector, Finding, Redactor
from audit.redaction import engine as engine_module
from audit.redaction.detector import Hit
from tests.audit.redaction_samples import MARK_KEY, PLACEHOLDERS, github_token, shaped_credentials

RAW = "raw text that nobody scanned"


class Panic(BaseException):
    """Native code that panics raises what is no Exception."""


class Failing(Detector):
    """A detection library that fails on any buffer that holds the bait."""

    def __init__(self, error: BaseException, bait: str) -> None:
        super().__init__()
        self._error = error
        self._bait = bait.encode()

    def find(self, data: bytes) -> list[Hit]:
        if self._bait in data:
            raise self._error
        return []


class Unending(Detector):
    """A library that finds something in every text, however often."""

    def find(self, data: bytes) -> list[Hit]:
        start = next(at for at, byte in enumerate(data) if chr(byte).isalnum())
        return [Hit(start, start + 1, "any", "x")]


@pytest.mark.parametrize(
    ("error", "reason"),
    [(RuntimeError("no"), "failed"), (TimeoutError("slow"), "timed out"), (Panic("native"), "failed")],
)
def test_when_the_detector_fails_nothing_raw_comes_out(error: BaseException, reason: str) -> None:
    redactor = Redactor({}, MARK_KEY, Failing(error, "raw"))
    done = redactor.redact_text(RAW)
    assert done.text == f"[UNSCANNED: {reason}, {len(RAW)} bytes]"
    assert done.findings == (Finding(f"unscanned: {reason}", False, 0, len(done.text), "", ""),)
    assert done.findings[0].is_alert


def test_only_the_text_that_fails_is_withheld() -> None:
    redactor = Redactor({}, MARK_KEY, Failing(RuntimeError(), "raw"))
    clean, findings = redactor.redact_json({"good": "one", "bad": RAW, "more": ["two"]})
    assert clean == {"good": "one", "bad": f"[UNSCANNED: failed, {len(RAW)} bytes]", "more": ["two"]}
    assert [found.field for found in findings] == ["/bad"]


def test_an_interruption_by_the_user_is_no_failure_of_the_scan() -> None:
    with pytest.raises(KeyboardInterrupt):
        Redactor({}, MARK_KEY, Failing(KeyboardInterrupt(), "raw")).redact_text(RAW)


def test_a_text_in_which_each_look_finds_more_is_withheld() -> None:
    done = Redactor({}, MARK_KEY, Unending()).redact_text("abc " * 20)
    assert done.text == "[UNSCANNED: did not settle, 80 bytes]"


def test_a_text_that_is_too_large_is_withheld_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MAX_TEXT", 100)
    monkeypatch.setattr(engine_module, "_BATCH", 100)
    clean, _ = Redactor({}, MARK_KEY).redact_json(["a", "é" * 101, "b"])
    assert clean == ["a", "[UNSCANNED: too large, 202 bytes]", "b"]


def test_what_is_nested_too_deeply_is_withheld_whole() -> None:
    value: object = RAW
    for _ in range(5_000):
        value = [value]
    clean, findings = Redactor({}, MARK_KEY).redact_json(value)
    assert clean == "[UNSCANNED: too deep, 0 bytes]"
    assert findings[0].is_alert


@pytest.mark.parametrize("known", [{}, {"A": "s3cr3t" + "-value"}])
def test_half_a_surrogate_becomes_visible_and_hides_nothing(known: dict[str, str]) -> None:
    redactor = Redactor({**known, "B": "s3cr3t" + "-other"} if known else {}, MARK_KEY)
    value = github_token(random.Random(33))
    body = {"a\ud83d": ["cut \ud83d", f"\udc00 {value}", "s3cr3t" + "-value"]}
    clean, findings = redactor.redact_json(body)
    key, texts = next(iter(clean.items()))
    assert (key, texts[0]) == ("a\ufffd", "cut \ufffd")
    assert texts[1].startswith("\ufffd [REDACTED:github-pat#")
    assert texts[2] == ("[A]" if known else "s3cr3t" + "-value")
    assert not any(found.is_alert for found in findings)


def test_a_value_that_is_no_json_comes_out_as_its_text() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd s3cr3t-value"

    clean, _ = Redactor({"A": "s3cr3t" + "-value"}, MARK_KEY).redact_json(
        {"a": Odd(), "b": (1, b"s3cr3t-value")}
    )
    assert clean == {"a": "odd [A]", "b": [1, "b'[A]'"]}


def test_a_scan_that_takes_too_long_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    DETECTOR.warm_up()
    monkeypatch.setattr("audit.redaction.detector.TIME_LIMIT", 1e-9)
    assert Redactor({}, MARK_KEY).redact_text("api_key = abcd1234 " * 1000).text.startswith("[UNSCANNED: ")


KNOWN = {"API_KEY": "kn0wn" + "-s3cr3t/value", "STRIPE_LIVE_KEY": "API_KEY" + "-twice"}
TOKENS = [*shaped_credentials(random.Random(31)).values(), *KNOWN.values(), github_token(random.Random(32))]
words = st.one_of(
    st.sampled_from(TOKENS),
    st.sampled_from(PLACEHOLDERS),
    st.sampled_from(
        ["[API_KEY]", "[REDACTED:github-pat#abcd]", "[UNSCANNED: failed, 3 bytes]", "password = ", '"']
    ),
    st.text(max_size=8),
)
texts = st.lists(st.tuples(words, st.sampled_from(["", " ", "\n", '"', ":", "/", "@"])), max_size=8).map(
    lambda parts: "".join(word + gap for word, gap in parts)
)
values = st.recursive(
    texts | st.integers() | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_redacting_twice_changes_nothing(text: str) -> None:
    redactor = Redactor(KNOWN, MARK_KEY)
    once = redactor.redact_text(text)
    again = redactor.redact_text(once.text)
    assert again.text == once.text
    assert [found for found in again.findings if not found.is_alert] == []


@settings(max_examples=150, deadline=None)
@given(values)
def test_redacting_json_twice_changes_nothing(value: object) -> None:
    redactor = Redactor(KNOWN, MARK_KEY)
    once, _ = redactor.redact_json(value)
    assert redactor.redact_json(once) == (once, [])


@settings(max_examples=200, deadline=None)
@given(texts)
def test_every_finding_stands_where_it_says_and_nothing_else_changed(text: str) -> None:
    done = Redactor(KNOWN, MARK_KEY).redact_text(text)
    rest, at = [], 0
    for found in done.findings:
        place = done.text[found.start : found.end]
        assert place == f"[{found.name}]" or place.startswith((f"[REDACTED:{found.name}#", "[UNSCANNED:"))
        rest.append(done.text[at : found.start])
        at = found.end
    rest.append(done.text[at:])
    position = 0
    for part in rest:
        position = text.index(part, position) + len(part)
    for value in KNOWN.values():
        assert value not in done.text
