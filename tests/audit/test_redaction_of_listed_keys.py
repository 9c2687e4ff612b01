"""Private keys as tools show them: with something before each line."""

import base64
import hashlib
from collections.abc import Callable

import pytest

from audit.redaction import Redactor

HEAD, END = (f"-----{word} RSA PRIVATE" + " KEY-----" for word in ("BEGIN", "END"))
BODY = [base64.b64encode(hashlib.sha512(b"%d" % number).digest()[:48]).decode() for number in range(12)]
KEY = [HEAD, *BODY, END]

LISTINGS: dict[str, Callable[[int, str], str]] = {
    "numbered with an arrow": lambda number, line: f"{number:6}→{line}",
    "numbered with a bar": lambda number, line: f"{number:4} │ {line}",
    "taken away by a diff": lambda number, line: f"-{line}",
    "found in a file": lambda number, line: f"certs/my_key.pem:{number}:{line}",
    "around what was found": lambda number, line: (
        f"my_key.pem{':-'[number > 1]}{number}{':-'[number > 1]}{line}"
    ),
}


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(known={}, mark_key=b"m" * 32)


@pytest.mark.parametrize("listing", LISTINGS)
@pytest.mark.parametrize("lines", [KEY, KEY[:-1]], ids=["whole", "without its end"])
def test_a_private_key_is_found_in_a_listing(redactor: Redactor, listing: str, lines: list[str]) -> None:
    show = LISTINGS[listing]
    text = "\n".join(show(number, line) for number, line in enumerate(lines, 1))
    clean, found = redactor.redact_json({"content": f"The file:\n{text}\nThat is all."})
    assert [one.name for one in found] == ["private-key"]
    assert not any(line in clean["content"] for line in BODY)
    assert clean["content"].endswith("That is all.")


@pytest.mark.parametrize("sign", ["", "+", "-", " "])
def test_a_private_key_is_found_line_by_line_in_a_list(redactor: Redactor, sign: str) -> None:
    clean, _ = redactor.redact_json({"lines": [sign + line for line in KEY], "next": "left as it is"})
    assert not any(line in text for line in BODY for text in clean["lines"])
    assert clean["next"] == "left as it is"


def test_a_listing_of_code_that_names_a_key_is_left_alone(redactor: Redactor) -> None:
    code = [f'HEAD = "{HEAD}"', "def read(stream):", f'    return stream.startswith("{HEAD}\\n")', "pass"]
    text = "\n".join(f"{number:6}→{line}" for number, line in enumerate(code, 1))
    assert redactor.redact_text(text).text == text
