"""Values that stand behind a name that says they are credentials, in all the ways in which that is written.

A trigger matches from a telling word to six characters of a value. Where the value begins is known from
there, and what stands before it is read backwards: quotes, the operator, what closes the name, the name.
"""

import re
from dataclasses import dataclass

from audit.redaction.values import (
    NONE,
    PASSWORD,
    SECRET,
    WEAK,
    is_code,
    is_hex,
    is_mixed_letters,
    is_password,
    is_placeholder,
    is_plain,
    is_random,
    is_uuid,
    is_vendors,
    name_strength,
    words_of,
)

MAX_VALUE = 2048
#: How much of a long value is looked at to judge it.
_JUDGED = 256
#: A longer value behind a weak name is none.
_LONG_KEY = 128
_SHORT_QUERY = 12
#: How far back a name, and the name of a pair, may stand.
_BACK = 160
_LONG_NAME = 30
_LONG_NOISE = 20
#: How much of a value a trigger matches.
_HEAD = 6

type Found = tuple[int, int, str]
"""Start and end of a credential in bytes, and the name of its rule."""

_WORD = (
    "(?:pass|passw[a-z]*|passphrase|passcode|passkey|pwd|psw|pw|secret|token|cred|credential|bearer|cookie|key|auth"
    "|authorization|jwt|dsn|salt|sig|signature|pat|sid|seed|otp|psk|license|webhook)"
)
_NAME = rf"{_WORD}(?:s|[_.-]?[a-z0-9]{{1,16}})?"
_CLOSE = r"""\\*["'`\])]*"""
_OPEN = r"""\\*["'`]*"""
_VALUE = r"""[^\s"'`<>(){}\[\],;|&=\\][^\s"'`<>]{5}"""
_SIGN = r"[ \t]*(?:[:=.?+|!-]*=+>?|:{1,2}|,|\|\||\?\?|\?:|\(|<-)[ \t]*"
_BLOCK = (
    r"(?:>[ \t]*(?:\r?\n[ \t]*)?|[ \t]*:[ \t]*[|>][-+]?[ \t]*\r?\n[ \t]+|[ \t]*=[ \t]*\\[ \t]*\r?\n[ \t]*"
    r"|[ \t]+(?:is|was)[ \t]*:?[ \t]+)"
)
_TYPED = r"[ \t]*:?[ \t]*[A-Za-z][A-Za-z0-9_.?\[\]| ]*=[ \t]*"
_PAIR = (
    r"""\\*["'`]*[,;]?(?:\s|\\[rn])*[,;{]?\s*\\*["']?(?:string)?(?:value|val|content|default)\\*["']?"""
    r"""[ \t]*[:=][ \t]*"""
)

#: Looked for in any case of letters; each match ends six characters into what may be a value.
TRIGGERS = (
    f"{_NAME}{_CLOSE}{_SIGN}{_OPEN}{_VALUE}",
    f"{_NAME}{_CLOSE}{_BLOCK}{_OPEN}{_VALUE}",
    f"{_NAME}{_TYPED}{_OPEN}{_VALUE}",
    f"{_NAME}{_PAIR}{_OPEN}{_VALUE}",
    rf"{_NAME}{_CLOSE}[ \t]*\|[ \t]*{_OPEN}{_VALUE}",
    f"-(?:[a-z0-9-]+)?{_WORD}[a-z0-9-]*[ \t]+{_OPEN}{_VALUE}",
    f"env[ \t]+[a-z0-9_]*{_WORD}[a-z0-9_]*[ \t]+{_OPEN}{_VALUE}",
)

# What stands before a value, read backwards.
_BACKWARDS = re.compile(
    rb"""(?P<open>["'`]{0,3}\\{0,3})"""
    rb"""(?P<sign>[ \t]{0,40}(?:>?={1,3}[:.?+|!-]{0,3}|:{1,2}|,|\|\|?|\?\?|:\?|\(|-<)[ \t]{0,40}"""
    rb"""|[ \t]{0,40}(?:\n\r?)?[ \t]{0,8}>|[ \t]{1,40}\n\r?[ \t]{0,8}[-+]?[|>][ \t]{0,8}:[ \t]{0,8}"""
    rb"""|[ \t]{0,40}\n\r?[ \t]{0,8}\\[ \t]{0,8}=[ \t]{0,8}"""
    rb"""|[ \t]{1,8}:?[ \t]{0,3}(?:si|saw|SI|SAW)[ \t]{1,8})"""
    rb"""(?P<close>[\])"'`]{0,4}\\{0,3})(?P<name>[A-Za-z0-9_.-]{1,80}(?: [A-Za-z]{1,20}(?![A-Za-z]))?)"""
)
_BACKWARDS_TYPED = re.compile(
    rb"""["'`]{1,3}\\{0,3}[ \t]{0,8}=[ \t]{0,8}[A-Za-z0-9_.?\[\]|]{2,40}(?: \| [A-Za-z]{1,12})?"""
    rb"""(?:[ \t]{0,3}:)?[ \t]{0,8}(?P<name>[A-Za-z0-9_.-]{1,80})"""
)
_BACKWARDS_PAIR = re.compile(rb"""(?P<between>(?:[\s"',;{]|[nr]?\\){1,60})(?P<name>[A-Za-z0-9_.-]{1,80})""")
_BACKWARDS_FLAG = re.compile(rb"""["'`]{0,3}\\{0,3}[ \t]{1,8}(?P<name>[A-Za-z0-9-]{1,60}-)(?![A-Za-z0-9_])""")
_BACKWARDS_ENV = re.compile(rb"""["'`]{0,3}[ \t]{1,8}(?P<name>[A-Z0-9_]{1,60})[ \t]{1,8}VNE\b""")
#: What most triggers find, and what is never a credential: a short word of letters.
_PLAIN_WORD = re.compile(
    rb"""(?=[A-Za-z_$ -]{1,13}[\s(),;{\[\]"'`])"""
    rb"""(?:[A-Za-z_$ -]{1,9}|[A-Z_$ -]+|[A-Z]?[a-z_$ -]+(?:[A-Z][a-z_$ -]{2,})*)[\s(),;{\[\]"'`]"""
)
_ONE_WORD = re.compile(r"[A-Za-z0-9+/_=-]+\Z")
_VALUE_NAMES = frozenset({"value", "val", "content", "default", "stringvalue"})

_QUOTES = b"\"'`"
_SLASH = ord("\\")
#: An unquoted value in a text, in the query of an address or a command, and alone on its line.
WORD = re.compile(rb"""[^\s"'`<>,;\\=]*={0,2}""")
QUERY = re.compile(rb"""[^\s"'`<>,;\\&#)\]}|=]*={0,2}""")
#: One that a command is given.
FLAG = re.compile(rb"""[^\s"'`<>,;\\&)\]}|=]*={0,2}""")
LINE = re.compile(rb"""[^\s"'`]*""")
_RULES = {PASSWORD: "password", SECRET: "secret", WEAK: "key"}


@dataclass(frozen=True, slots=True)
class _Owner:
    """What stands before a value: the name, and how it is bound to the value."""

    name: str
    strength: int
    sign: bytes
    before: bytes
    closing: bytes
    is_quoted: bool
    is_pair: bool
    is_tight: bool

    @property
    def is_listed(self) -> bool:
        return self.sign in (b"(", b",")

    @property
    def is_query(self) -> bool:
        return self.sign == b"=" and self.before in (b"?", b"&") and "." not in self.name

    @property
    def is_shell(self) -> bool:
        return self.is_tight and self.sign == b"=" and not self.closing and self.name.isupper()

    @property
    def is_signature(self) -> bool:
        return self.name.lower().removesuffix("value").endswith(("signature", "sig"))

    @property
    def is_alone(self) -> bool:
        """Whether nothing but a value can stand there, no expression of a programming language."""
        is_named = self.is_quoted and not self.is_listed and self.closing in (b'"', b"'")
        return is_named or self.is_shell or self.is_query or self.is_pair or self.sign == b">"


def find_assigned(data: bytes, end: int) -> Found | None:
    """What a trigger that ends here found, if the name and the value bear it out."""
    start = end - _HEAD
    if _PLAIN_WORD.match(data, start):
        return None
    window = data[max(0, start - _BACK) : start][::-1]
    flag = _BACKWARDS_FLAG.match(window) or _BACKWARDS_ENV.match(window)
    if flag is not None:
        return _judge_flag(data, start, flag["name"][::-1].decode())
    owner = _read_owner(window)
    if owner is None or owner.strength == NONE or (owner.is_listed and not owner.is_quoted):
        return None
    if owner.sign == b"==" and (owner.before in (b"+", b"/") or len(owner.name) > _LONG_NAME):
        return None  # the end of some base64
    stop = find_end(data, start, QUERY if owner.is_query else LINE if owner.is_shell else WORD)
    if not owner.is_quoted:
        stop = _trim(data, start, stop, is_shell=owner.is_shell)
        if data[stop : stop + 1] == b":" or (stop > start and data[stop - 1 : stop] == b":"):
            return None
    value = data[start : min(stop, start + _JUDGED)].decode("utf-8", "replace")
    if owner.is_listed or owner.sign in (b"is", b"was", b"|"):
        return (start, stop, _RULES[owner.strength]) if _is_noise(value, owner) else None
    if owner.is_signature and not owner.is_query:
        return None
    is_one = is_credential(
        value, owner.strength, is_quoted=owner.is_quoted, is_alone=owner.is_alone, name=owner.name
    )
    if owner.is_query and len(value) < _SHORT_QUERY and owner.strength < PASSWORD:  # badges carry such
        return None
    return (
        (start, stop, _RULES[owner.strength]) if is_one and not (owner.is_listed and is_code(value)) else None
    )


def _is_noise(value: str, owner: _Owner) -> bool:
    """Whether a value is one where a sentence, a table or a list of arguments could go on as well."""
    if owner.sign == b"|" and (owner.strength < SECRET or is_uuid(value)):  # a table has many a key
        return False
    return is_random(value, 10) and not (is_placeholder(value) or is_plain(value) or is_expression(value))


def is_expression(value: str) -> bool:
    """Whether a value reads like code; a long one of mixed letters is no name that anybody would give."""
    return is_code(value) and not (len(value) >= _LONG_NOISE and is_mixed_letters(value))


def _read_owner(window: bytes) -> _Owner | None:
    """What stands before a value, from the text before it read backwards."""
    found = _BACKWARDS.match(window)
    if found is None:
        return None
    name = _name_of(found["name"])
    is_quoted = bool(found["open"].strip(b"\\"))
    is_pair = name.lower() in _VALUE_NAMES
    if is_pair:
        pair = _BACKWARDS_PAIR.match(window, found.start("name") + len(name))
        name = pair["name"][::-1].decode() if pair is not None else name
    if is_quoted and name_strength(name) == NONE:
        typed = _BACKWARDS_TYPED.match(window)
        name = typed["name"][::-1].decode() if typed is not None else name
    return _Owner(
        name=name,
        strength=name_strength(name),
        sign=found["sign"].strip()[::-1],
        before=window[found.end("name") : found.end("name") + 1],
        closing=found["close"].strip(b"\\"),
        is_quoted=is_quoted,
        is_pair=is_pair,
        is_tight=found["sign"] == b"=",
    )


def _name_of(backwards: bytes) -> str:
    """The name, with the word before it where that makes a secret of it ("API key: ...")."""
    words = backwards[::-1].decode()
    last = words.rpartition(" ")[2]
    return words if name_strength(last) == WEAK and name_strength(words) > WEAK else last


def _judge_flag(data: bytes, start: int, name: str) -> Found | None:
    strength = name_strength(name)
    stop = find_end(data, start, FLAG)
    value = data[start : min(stop, start + _JUDGED)].decode("utf-8", "replace")
    is_one = strength > NONE and is_credential(value, strength, is_quoted=True, is_alone=True, name=name)
    return (start, stop, _RULES[strength]) if is_one else None


def _trim(data: bytes, start: int, stop: int, *, is_shell: bool) -> int:
    """Without the signs that end a sentence or an expression around the value."""
    signs = b";)" if is_shell else b".)]}|:!?*"
    while stop > start and data[stop - 1] in signs and (not is_shell or data[stop - 2] in signs):
        stop -= 1
    return stop


def find_end(data: bytes, start: int, unquoted: re.Pattern[bytes]) -> int:
    """The end of a value. One in quotes ends with them (on its line), another where `unquoted` ends."""
    limit = min(len(data), start + MAX_VALUE)
    quote = data[start - 1 : start]
    if quote and quote in _QUOTES:
        slashes = 0
        while data[start - 2 - slashes : start - 1 - slashes] == b"\\" and slashes < 3:
            slashes += 1
        line = data.find(b"\n", start, limit)
        limit = limit if line < 0 else line
        closing = b"\\" * slashes + quote
        at = data.find(closing, start, limit)
        while at > start and not slashes and data[at - 1] == _SLASH and data[at - 2] != _SLASH:
            at = data.find(closing, at + 1, limit)
        if at >= 0:
            return at
    found = unquoted.match(data, start, limit)
    return found.end() if found is not None else start


def is_credential(value: str, strength: int, *, is_quoted: bool, is_alone: bool, name: str = "") -> bool:
    """Whether a value behind a name of this strength is a credential.

    `is_alone`: nothing but a value can stand there, no expression of a programming language.
    """
    if len(value) < 6 or is_placeholder(value) or is_plain(value):
        return False
    if not is_quoted and (is_expression(value) if not is_alone else re.match(r"\w+[(\[]", value)):
        return False
    if is_uuid(value):
        words = name.lower()
        is_named = "key" in words or "secret" in words or words.endswith("_authtoken")
        is_named = is_named or is_vendors(words_of(name))
        return strength == PASSWORD or (strength == SECRET and is_named)
    if strength == PASSWORD:
        return is_password(value, is_typed_by_hand=is_alone)
    if strength == SECRET:
        return is_random(value, 10)
    if len(value) > _LONG_KEY:  # signatures of texts and sealed thoughts
        return False
    if not is_quoted and not is_alone and not _ONE_WORD.match(value):
        return False
    if is_hex(value):
        return len(value) in (32, 48, 80, 96, 128) and not name.lower().endswith(("signature", "sig"))
    return is_random(value, 12)
