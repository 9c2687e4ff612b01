"""The forms in which a known secret may stand in a text, and which values can be looked for at all."""

import base64
import html
import json
import shlex
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

MIN_LENGTH = 8
_COMMON = frozenset(
    {
        "password", "passw0rd", "password1", "changeme", "changeit", "secret123", "administrator",
        "localhost", "production", "development", "undefined", "username", "12345678", "123456789",
        "1234567890", "abcdefgh", "qwertyuiop", "letmein123", "postgres", "postgresql", "disabled",
        "database", "internal", "anonymous", "default1", "testtest", "workspace", "application",
    }
)  # fmt: skip


def refusal(value: str) -> str:
    """Why a value should not be registered, in words for the person who does it; "" if it may be."""
    bare = value.strip()
    if len(bare) < MIN_LENGTH:
        return f"a value of fewer than {MIN_LENGTH} characters would be found in ordinary text"
    if "\0" in value:
        return "a value with a NUL byte cannot be looked for in text"
    if bare.lower() in _COMMON:
        return "a common word would be found in ordinary text"
    if len(set(bare)) < 3:
        return "a value of one or two repeated characters would be found in ordinary text"
    return ""


def needles(value: str) -> set[str]:
    """All forms of a value that are looked for; each, and the value, has at least `MIN_LENGTH` characters."""
    found: set[str] = set()
    for text in (value, value.strip(), *_lines(value)):
        if len(text) >= MIN_LENGTH:
            found.update(_forms(text))
    return {needle for needle in found if len(needle) >= MIN_LENGTH}


def _lines(value: str) -> Iterator[str]:
    """The lines of a multi-line value; its frame (as of a PEM block) is no secret."""
    lines = [line.strip() for line in value.splitlines()]
    return (line for line in lines if len(lines) > 1 and not line.startswith("-----") and not refusal(line))


def _forms(text: str) -> Iterator[str]:
    yield text
    for is_ascii in (True, False):
        once = json.dumps(text, ensure_ascii=is_ascii)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=is_ascii)[1:-1]
    yield from _url_forms(text)
    escaped = html.escape(text)
    yield from (html.escape(text, quote=False), escaped, escaped.replace("&#x27;", "&#39;"))
    yield from _shell_forms(text)
    raw = text.encode("utf-8", "surrogatepass")
    yield from (raw.hex(), raw.hex().upper())
    yield from _base64_forms(raw)


def _url_forms(text: str) -> Iterator[str]:
    raw = text.encode("utf-8", "surrogatepass")
    for form in (quote(raw), quote(raw, safe=""), quote_plus(raw), quote(raw, safe="!*'()")):
        yield form
        yield _lower_escapes(form)


def _lower_escapes(form: str) -> str:
    parts = form.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


def _shell_forms(text: str) -> Iterator[str]:
    yield shlex.quote(text).strip("'")
    yield text.replace("'", "'\\''")
    for special in ('\\"$`', '\\"$`!'):
        yield "".join("\\" + char if char in special else char for char in text)


def _base64_forms(raw: bytes) -> Iterator[str]:
    """Base64 of the value inside of anything: only the characters that its neighbours cannot change."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).decode()
        first = -(-before * 8 // 6)
        last = (before + len(raw)) * 8 // 6
        form = encoded[first:last]
        yield form
        yield form.replace("+", "-").replace("/", "_")
