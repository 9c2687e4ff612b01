"""Credentials that are known by the place where they stand: a header, an address, a command, a frame."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

from audit.redaction.assignments import LINE, QUERY, Found, find_end
from audit.redaction.encoded import shadow_of
from audit.redaction.values import is_code, is_placeholder, is_plain, is_random, is_uuid

MAX_PEM = 32_768
_COMMON_PASSWORDS = frozenset(
    {
        "password", "passwd", "pass", "pwd", "secret", "postgres", "mysql", "root", "admin", "user", "guest",
        "pw", "username", "changeme", "example", "test", "token", "none", "null", "redacted", "minioadmin",
        "port", "passw0rd", "db_password", "host", "localhost", "rabbitmq", "redis", "mongo", "pass123",
        "password123", "testpass", "mypass", "mypassword", "userpass", "passphrase", "string",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """What is looked for, in any case of letters, and what reads the credential from where it begins."""

    trigger: str
    read: Callable[[bytes, int], Found | None]
    rules: tuple[str, ...]


_OPEN = r"""\\*["'`]*"""
_SCHEMES = "bearer|basic|token|apikey|api-key|digest|negotiate|ssws|key|geniekey|bot|discogs|oauth"
_HEADER = (
    r"""(?:authorization|x-[a-z-]*(?:auth|token|key|secret))\\*["'\]]*[ \t]*[:=,][ \t]*"""
    rf"""{_OPEN}(?:(?:{_SCHEMES})(?:[ \t]+|%20|\+))?(?:token=|pve[a-z]{{3}}token=)?{_OPEN}"""
)
_BEARER = rf"""bearer(?:[ \t]|%20|\+)+{_OPEN}"""
_header = re.compile(f"(?i)(?:{_HEADER}|{_BEARER})".encode())


def _read_header(data: bytes, start: int) -> Found | None:
    found = _header.match(data, start, start + 200)
    if found is None:
        return None
    stop = find_end(data, found.end(), QUERY)
    value = data[found.end() : stop].decode("utf-8", "replace")
    if is_placeholder(value) or is_plain(value):
        return None
    if b"basic" in found[0].lower():
        return (found.end(), stop, "basic-auth") if _is_basic(value) else None
    return (found.end(), stop, "authorization") if is_random(value, 10) or is_uuid(value) else None


def _is_basic(value: str) -> bool:
    try:
        pair = base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return False
    _, colon, password = pair.partition(":")
    return bool(colon) and pair.isprintable() and len(pair) > 5 and not is_placeholder(password or pair)


_userinfo = re.compile(rb"://([^\s/?#\"'<>@:]{0,80})(?::([^\s\"'<>]{1,150}))?@")


def _read_userinfo(data: bytes, start: int) -> Found | None:
    found = _userinfo.match(data, start, min(len(data), start + 300))
    if found is None:
        return None
    user = found[1].decode("utf-8", "replace")
    if found[2] is None or found[2] in (b"x-oauth-basic", b"x-token-auth", b""):
        is_found = len(user) >= 16 and is_random(user, 16) and not is_placeholder(user)
        return (*found.span(1), "url-credentials") if is_found else None
    value = found[2].decode("utf-8", "replace")
    is_common = _is_common(value) or value.lower() == user.lower() or is_plain(value)
    if is_common or is_placeholder(value) or len(value) < 3 or (value.isdigit() and len(value) < 6):
        return None
    if "/" in value and not is_random(value):
        return None
    return (*found.span(2), "url-credentials")


_COUNTED = re.compile(r"[a-z]+[-_]1234\Z")
_FINGERPRINT = re.compile(r"(?:[0-9a-f]{2}:){2}")


def _is_common(value: str) -> bool:
    """Whether a password is one that manuals use: a plain word."""
    is_word = value.isalpha() and (value.islower() or value.isupper() or value.istitle())
    return is_word or value.lower() in _COMMON_PASSWORDS or _COUNTED.match(value) is not None


_pem_head = re.compile(rb"-----?[ ]?BEGIN[^-\n]{0,60}----?-?")
_pem_body = re.compile(
    rb"(?:[A-Za-z0-9+/=:,. \t\r\n*>|]|-(?!-)|\xe2\x86\x92|\\u2192|\\[nr\\]|\\u000[aAdD]|&#10;|%0[aAdD]"
    rb"|[\"'][ \t]*[+.,\\]?[ \t]*\r?\n?[ \t]*[\"'])*"
    rb"(?P<end>-----END [A-Z0-9 ]{0,40}-----|---- END [A-Z0-9 ]{0,40} ----)"
)
_pem_rest = re.compile(
    rb"(?:[A-Za-z0-9+/=]{16,}|[A-Za-z0-9+/=]{1,76}(?=[\r\n\\]|\Z)|[A-Z][A-Za-z-]{3,16}: [^\n\\]{1,80}"
    rb"|[ \t\r\n]|\\[nr\\])*"
)
#: A line of a key behind what its tool put before each line: a number, a file's name, the sign of a diff.
_pem_line = re.compile(
    rb"\n*(?P<before>[^\n]{0,200}?)(?P<text>[A-Za-z0-9+/=]{0,76}|[A-Z][A-Za-z-]{3,16}: [^\n]{1,80}"
    rb"|(?P<end>-----END [A-Z0-9 ]{0,40}-----))[\"', \t\r]*(?:\n|\Z)"
)
_NUMBER_OR_SIGN = re.compile(rb"[ \t]*[0-9]+|[:-]")
_LEAST_LINE = 32


def _read_pem(data: bytes, start: int) -> Found | None:
    head = _pem_head.match(data, start)
    if head is None:
        return None
    whole = _pem_body.match(data, head.end(), start + MAX_PEM)
    if whole is not None:
        stop, inside = whole.end(), data[head.end() : whole.start("end")]
    elif (lines := _end_of_lines(data, start, head.end())) is not None:
        return start, lines, "private-key"
    else:
        rest = _pem_rest.match(data, head.end(), start + MAX_PEM)
        inside = rest[0].rstrip(b" \t\r\n\\") if rest is not None else b""
        stop = head.end() + len(inside)
    return (start, stop, "private-key") if len(inside) >= 24 and b"..." not in inside else None


_private_head = re.compile(
    rb"(?i)-----BEGIN[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY ----"
)
#: So many stand in any head, whatever unseen signs are between them.
_DASHES = 8
_pem_end = re.compile(rb"-----END [A-Z0-9 ]{0,40}-----|---- END [A-Z0-9 ]{0,40} ----")


def open_key_from(text: str) -> int:
    """Where a private key begins whose end has not come yet, the text's length if there is none.

    One that is longer than any that is looked for counts as ended.
    """
    if text.count("-") < _DASHES:
        return len(text)
    shadow = shadow_of(text.encode("utf-8", "replace"))
    for head in _private_head.finditer(shadow.data):
        is_open = _pem_end.search(shadow.data, head.end()) is None
        if is_open and len(shadow.data) - head.start() <= MAX_PEM:
            origin, _ = shadow.place(head.start(), head.end())
            return len(text.encode("utf-8", "replace")[:origin].decode("utf-8", "ignore"))
    return len(text)


def _end_of_lines(data: bytes, start: int, head_end: int) -> int | None:
    """Where a key ends whose lines have before them what its head has; None if there are none such."""
    before = data[max(data.rfind(b"\n", 0, start) + 1, start - 200) : start]
    first = data.find(b"\n", head_end, head_end + 8)
    shape, at, stop, longest = _shape(before), first + 1, None, 0
    most = min(len(data), start + MAX_PEM)
    while before.strip() and first >= 0 and at < most:
        line = _pem_line.match(data, at)
        if line is None or not shape.endswith(_shape(line["before"])):
            break
        at, stop = line.end(), line.end("text")
        longest = max(longest, len(line["text"]))
        if line["end"] is not None:
            break
    return stop if longest >= _LEAST_LINE else None


def _shape(before: bytes) -> bytes:
    """What stands before a line, whatever its number is: `12:` and, where nothing matched, `13-`.

    A plus may as well be of the key."""
    return _NUMBER_OR_SIGN.sub(b"0", before).rstrip(b"+").strip()


_prefixed = re.compile(
    rb"(?i)[a-z]{2,12}[_-](?:live|test|prod|sk|secret|pat|api|key|token|apikey|access)[_-]([A-Za-z0-9_-]{16,200})"
)


def _read_prefixed(data: bytes, start: int) -> Found | None:
    """A token that says what it is: a vendor's name, `_live_` or `_key_` or the like, and noise."""
    found = _prefixed.match(data, start)
    if found is None or (start and (data[start - 1 : start].isalnum() or data[start - 1] in b"_-/.")):
        return None
    body = found[1].decode()
    is_noise = is_random(body, 16) and body.count("_") + body.count("-") < 4
    if not is_noise or "0123456789" in body or is_placeholder(body) or is_plain(found[0].decode()):
        return None
    return (*found.span(), "prefixed-token")


def _behind(
    before: str, rule: str, head: str = r"""[^\s"'$<{]{4}""", ends: re.Pattern[bytes] = QUERY
) -> Place:
    """A place where nothing but a password stands: it begins where `before` ends, which `head` follows."""
    compiled = re.compile(f"(?i){before}".encode())

    def read(data: bytes, start: int) -> Found | None:
        found = compiled.match(data, start, start + 400)
        if found is None:
            return None
        stop = find_end(data, found.end(), ends)
        value = data[found.end() : stop].decode("utf-8", "replace")
        if len(value) < 4 or is_placeholder(value) or _is_common(value) or _FINGERPRINT.search(value):
            return None
        return None if is_code(value) and "(" in value else (found.end(), stop, rule)

    return Place(f"{before}{head}", read, (rule,))


PLACES: tuple[Place, ...] = (
    Place(rf"{_HEADER}[A-Za-z0-9._~+/=:-]{{10}}", _read_header, ("authorization", "basic-auth")),
    Place(rf"{_BEARER}[A-Za-z0-9._~+/=:-]{{10}}", _read_header, ("authorization", "basic-auth")),
    Place(r"://[^\s/?#\"'<>@:]*:[^\s\"'<>@]+@", _read_userinfo, ("url-credentials",)),
    Place(r"://[^\s/?#\"'<>@:]{16,80}@", _read_userinfo, ("url-credentials",)),
    Place(r"-----BEGIN[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)?-----", _read_pem, ("private-key",)),
    Place(r"---- BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY ----", _read_pem, ("private-key",)),
    Place(
        r"[a-z]{2,12}[_-](?:live|test|prod|sk|secret|pat|api|key|token|apikey|access)[_-][a-z0-9_-]{16}",
        _read_prefixed,
        ("prefixed-token",),
    ),
    _behind(r"login\s{1,4}\S{1,64}\s{1,4}password\s{1,4}", "netrc-password", ends=LINE),
    _behind(
        r"\n[^\s:#/\"']{3,80}:(?:[0-9]{2,5}|\*):[^\s:/\"']{1,64}:[^\s:/\"']{1,64}:",
        "pgpass-password",
        ends=LINE,
    ),
    _behind(
        r"""[ \t](?:-u|--user|--proxy-user)[ =]{0,2}\\{0,3}["']?[^\s:"'$/<>{}]{1,64}:""",
        "basic-auth",
        ends=LINE,
    ),
    _behind(
        r"(?:mysql|mysqldump|mariadb|mysqladmin|mongosh?|mongodump)[ \t][^\n|;\"']{0,100}[ \t]-p[ \t]?[\"']?",
        "password-flag",
    ),
    _behind(r"sshpass[ \t]{1,3}-p[ \t]{0,3}[\"']?", "password-flag"),
    _behind(r"docker[ \t]login[^\n]{0,100}[ \t]-p[ \t]{0,3}[\"']?", "password-flag"),
    _behind(r"redis-cli[^\n]{0,100}[ \t]-a[ \t]{0,3}[\"']?", "password-flag"),
    _behind(
        r"(?:identified[ \t]{1,3}by|(?:with|encrypted|set)[ \t]{1,3}password)[ \t]{1,3}(?:=[ \t]{0,3})?\\?'",
        "sql-password",
    ),
    _behind(
        r"""(?:auth[ \t]{0,2}=[ \t]{0,2}\(|"""
        r"""(?:login|authenticate|basic_?auth|setbasicauth|credentials?|httpbasicauth)\()"""
        r"""[ \t]{0,3}["'][^"'\n]{1,64}["'][ \t]{0,2},[ \t]{0,2}["']""",
        "password-argument",
    ),
    _behind(r"""["']d["'][ \t]{0,2}:[ \t]{0,2}["']""", "jwk-private-key", head="[A-Za-z0-9_-]{42}"),
)
