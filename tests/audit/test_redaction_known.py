"""Known secrets are replaced by their names, in whatever form they stand in a text."""

from __future__ import annotations

import base64
import html
import json
import pickle
import random
import shlex
import string
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from audit.redaction import Redactor, refusal
from tests.audit.redaction_samples import MARK_KEY, text

ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "json": lambda value: json.dumps(value)[1:-1],
    "json twice": lambda value: json.dumps(json.dumps(value))[3:-3],
    "json without ascii": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "url": quote,
    "url strict": lambda value: quote(value, safe=""),
    "url plus": quote_plus,
    "url lower case": lambda value: "".join(
        char if char.isalnum() else "".join(f"%{byte:02x}" for byte in char.encode()) for char in value
    ),
    "html": html.escape,
    "shell": shlex.quote,
    "hex": lambda value: value.encode().hex(),
    "HEX": lambda value: value.encode().hex().upper(),
}
CONTEXTS = [
    "{}",
    "export TOKEN={}",
    'curl -H "Authorization: Bearer {}" https://example.com',
    "https://deploy:{}@example.com/repo.git",
    '{{"token": "{}"}}',
    "  File 'app.py', line 3\nValueError: bad key '{}'\n",
    "émigré ✓ {} ✓",
]


def secrets(count: int, alphabet: str) -> dict[str, str]:
    rng = random.Random(11)
    return {f"SECRET_{n}": "q" + text(rng, rng.randint(11, 40), alphabet) + "z" for n in range(count)}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_form_of_a_hundred_secrets_survives_and_each_leaves_its_name(encoding: str) -> None:
    alphabet = string.ascii_letters + string.digits
    if encoding != "url lower case":
        alphabet += "\"'$&<>/+=%!#é\\ "
    else:
        alphabet += "/+=&"
    known = secrets(100, alphabet)
    redactor = Redactor(known, MARK_KEY)
    for name, value in known.items():
        form = ENCODINGS[encoding](value)
        for context in CONTEXTS:
            done = redactor.redact_text(context.format(form))
            assert form not in done.text
            assert value not in done.text
            assert done.text.count(f"[{name}]") == 1
            assert [(found.name, found.is_known) for found in done.findings] == [(name, True)]


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_of_a_secret_inside_of_anything_is_found(encode: Callable[[bytes], bytes]) -> None:
    rng = random.Random(12)
    known = secrets(100, string.printable.strip())
    redactor = Redactor(known, MARK_KEY)
    for name, value in known.items():
        for size in (0, 1, 2, 7):
            before, after = rng.randbytes(size), rng.randbytes(rng.randint(0, 9))
            encoded = encode(before + value.encode() + after).decode()
            done = redactor.redact_text(f"auth: {encoded}.")
            assert f"[{name}]" in done.text
            assert len(done.text.replace(f"[{name}]", "").strip("auth: .=")) < len(before + after) * 4 / 3 + 7


def test_basic_authentication_is_found() -> None:
    value = "tr0ub4" + "dor&3"
    header = base64.b64encode(f"admin:{value}".encode()).decode()
    assert "[DB]" in Redactor({"DB": value}, MARK_KEY).redact_text(f"Authorization: Basic {header}").text


def test_every_line_of_a_value_of_many_lines_is_found_but_not_its_frame() -> None:
    rng = random.Random(13)
    lines = [text(rng, 64) for _ in range(4)]
    frame = "-----BEGIN THING-----"
    redactor = Redactor({"KEY": "\n".join([frame, *lines, "", "-----END THING-----\n"])}, MARK_KEY)
    assert redactor.redact_text(f"see {lines[2]}").text == "see [KEY]"
    assert redactor.redact_text(frame).text == frame
    whole = redactor.redact_text("\n".join([frame, *lines, "", "-----END THING-----"]))
    assert whole.text == "[KEY]"


def test_where_secrets_overlap_nothing_of_either_stays() -> None:
    redactor = Redactor({"SHORT": "abcdefghij", "LONG": "ghijklmnopqrs"}, MARK_KEY)
    assert redactor.redact_text("<abcdefghijklmnopqrs>").text == "<[LONG]>"


def test_a_secret_inside_a_longer_one_gives_the_longer_ones_name() -> None:
    redactor = Redactor({"PART": "abcdefghij", "WHOLE": "xyabcdefghijxy"}, MARK_KEY)
    assert redactor.redact_text("xyabcdefghijxy abcdefghij").text == "[WHOLE] [PART]"


def test_keys_and_numbers_and_texts_of_json_are_redacted() -> None:
    value, number = "s3cr3t" + "-value", 9_081_726_354
    redactor = Redactor({"A": value, "PIN": str(number)}, MARK_KEY)
    clean, findings = redactor.redact_json(
        {f"k {value}": [value, 1, None, True, 2.5, number], "n": {"x": "y"}}
    )
    assert clean == {"k [A]": ["[A]", 1, None, True, 2.5, "[PIN]"], "n": {"x": "y"}}
    assert [(found.field, found.name) for found in findings] == [
        ("/k [A] (key)", "A"),
        ("/k [A]/0", "A"),
        ("/k [A]/5", "PIN"),
    ]


def test_keys_that_become_the_same_lose_no_value() -> None:
    value = 's3cr"3t-value'
    redactor = Redactor({"A": value}, MARK_KEY)
    assert redactor.redact_json({value: 1, json.dumps(value)[1:-1]: 2})[0] == {"[A]": 1, "[A] (2)": 2}


def test_paths_of_findings_are_json_pointers() -> None:
    value = "s3cr3t" + "-value"
    _, findings = Redactor({"A": value}, MARK_KEY).redact_json({"a/b~c": [{"d": value}]}, field="/body")
    assert [found.field for found in findings] == ["/body/a~1b~0c/0/d"]


def test_known_secrets_are_found_where_rules_are_not_run() -> None:
    value = "iVBORw0KGgo" + "AAAAsecret"
    redactor = Redactor({"A": value}, MARK_KEY)
    block = {"type": "thinking", "signature": f"abc{value}abc"}
    assert redactor.redact_json([block])[0][0]["signature"] == "abc[A]abc"
    image = {"type": "base64", "media_type": "image/png", "data": value + "A" * 40}
    assert redactor.redact_json(image)[0]["data"] == "[A]" + "A" * 40


def test_the_digest_is_the_same_for_each_form_of_a_secret_and_keyed() -> None:
    value = 's3cr"3t/value'
    redactor, other = (Redactor({"A": value}, key) for key in (MARK_KEY, b"another tenant's key"))
    found = [redactor.redact_text(form).findings[0].digest for form in (value, quote(value, safe=""))]
    assert found[0] == found[1] != other.redact_text(value).findings[0].digest


def test_no_needle_crosses_from_one_redactor_to_another() -> None:
    ours, theirs = "our-own-" + "secret", "their-own-" + "secret"
    first, second = Redactor({"OURS": ours}, MARK_KEY), Redactor({"THEIRS": theirs}, b"k2")
    sentence = f"{ours} and {theirs}"
    assert first.redact_text(sentence).text == f"[OURS] and {theirs}"
    assert second.redact_text(sentence).text == f"{ours} and [THEIRS]"
    assert first.redact_text(sentence).text == f"[OURS] and {theirs}"


@pytest.mark.parametrize("value", ["short", "  pw12 \n", "changeme", "aaaaaaaaaaaa", "with\0nul-byte"])
def test_a_value_that_ordinary_text_holds_is_refused_at_registration_with_the_reason(value: str) -> None:
    assert refusal(value)
    assert value.strip() not in refusal(value)


def test_a_value_fit_to_be_looked_for_is_not_refused() -> None:
    assert refusal("kn0wn" + "-s3cr3t") == ""


def test_a_value_that_is_too_short_is_an_error_that_names_its_name_alone() -> None:
    with pytest.raises(ValueError, match=r"^MY_NAME is too short to be looked for in texts$"):
        Redactor({"MY_NAME": "pw12"}, MARK_KEY)


def test_a_redactor_can_neither_be_pickled_nor_printed() -> None:
    value = "s3cr3t" + "-value"
    redactor = Redactor({"A": value}, MARK_KEY)
    with pytest.raises(TypeError):
        pickle.dumps(redactor)
    assert value not in repr(redactor)
    assert value not in repr(vars(redactor))
