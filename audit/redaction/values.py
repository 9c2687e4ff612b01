"""What a name says about its value, and whether a value is random enough, or too plain, to be a credential.

All of it looks at one name or one value alone: what is judged in one way is so wherever it stands.
"""

import re
from functools import lru_cache
from itertools import pairwise
from math import log2

from audit.redaction.words import (
    ABOUT,
    BIGRAMS,
    KEY_OWNERS,
    PASSWORD_WORDS,
    PUBLIC,
    SECRET_WORDS,
    VENDORS,
    WEAK_WORDS,
)

#: How strongly a name says that its value is a credential.
NONE, WEAK, SECRET, PASSWORD = range(4)

_INSIDE = re.compile(
    r"passw(?:or)?d|passphrase|secret|apikey|api_key|accesskey|privatekey|authkey|signingkey|encryptionkey"
    r"|(?<!to)token(?!iz)|credential"
)
_NAME_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_CHUNK = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]")
_SIGN = re.compile(r"[^\w./:, -]")
_ALNUM_RUN = re.compile(r"[A-Za-z]+|[0-9]+|[^A-Za-z0-9]+")

_STAND_INS = re.compile(
    r"(?:your|my|our|example|sample|dummy|fake|mock|some|the|insert|enter|put|add|replace|change|fill|todo|xxx|foo"
    r"|bar|baz|test|demo|invalid|redacted|removed|hidden|masked|placeholder|none|null|undefined|unset|empty|default)"
    r"(?:[-_. ]|$|me|key|token|secret|password|value|this|here)",
    re.IGNORECASE,
)
_STAND_IN_INSIDE = re.compile(
    r"x{5,}|\*{3,}|\.{3,}|\u2026|_{5,}|-{5,}|#{4,}|placeholder|example|changeme|change[-_]me"
    r"|replace[-_]?(?:me|this|with)|abcdefghijklmnopqrstuvwxyz|your[-_ ]|[-_ ]here\b|redacted|dummy"
    r"|[-_]abc123\b|not[-_ ]?(?:a[-_ ])?real|insert[-_]|goes[-_ ]here|fill[-_ ]?in|unscanned",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(
    r"&lt;|\$\{|\$\(|\{\{|\{%|<%|#\{|%\(|@\{|\[\[|<[A-Za-z][^<>]*>|^\$[A-Za-z_]\w*$|^%\w+%$|^\{[\w.:!-]*\}$|^<.*>?$|^\[.*\]$|^:\w+$"
    r"|^@\w+@?$|^__\w+__$|^%[-+ #0]?[sdrif]$|^\$\d$"
)
_ONE_CHAR = re.compile(r"(.)\1*\Z", re.DOTALL)
_WORD_AND_SIGN = re.compile(r"[A-Za-z]+(?:[0-9]|[^A-Za-z0-9])?\Z")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z", re.IGNORECASE)
_HEX = re.compile(r"(?:0x)?[0-9a-f]+\Z", re.IGNORECASE)
_NUMBER = re.compile(
    r"[-+]?[0-9][0-9_.,:eE+/TZ -]*\Z|[0-9]+(?:px|em|rem|ms|s|m|h|d|k|kb|mb|gb|%)\Z", re.IGNORECASE
)
_AGENT_ID = re.compile(
    r"(?:toolu|srvtoolu|call|msg|req|ses|sess|resp|rs|fc|ws|chatcmpl|prt|run|step|thread|asst|file|item|evt|event|batch"
    r"|ctc|cmpl|gen|tool|conv|turn|agent|task|job|org|proj|user|usr|cus|sub|prod|price|pi|in|ch|acct|wrkspc)[-_][A-Za-z0-9_-]+\Z"
)
_DIGEST = re.compile(r"(?:sha(?:1|224|256|384|512)|md5|h1|blake2b?|blake3)[-:=]\S+\Z", re.IGNORECASE)
_PATH = re.compile(
    r"(?:\.{0,2}|~|[A-Za-z]:|@[\w-]+|[\w.-]+)?[/\\].*[/\\.]|.*\.(?:[a-z]{1,5}|[a-z]+\.[a-z]{2,4}):?[0-9]*\Z|.*/$|^[./~]",
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+\Z")
_CODE = re.compile(
    r"[\w.$?!-]*[(\[{].*|.*(?:->|=>|::|\+\+|&&|\|\|).*|[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+\W*\Z"
    r"|.*[;)}\]]\Z|[^(){}\[\]]*[)}\]].*[({].*",
    re.DOTALL,
)
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z_$-]*[0-9]?\Z")
#: How public keys begin, in DER and in SSH's own form.
_PUBLIC_KEYS = (
    "MFkwEwYH",
    "MIIBIjAN",
    "MIICIjAN",
    "MIGfMA0G",
    "MCowBQYD",
    "MHYwEAYH",
    "MIGbMBAG",
    "AAAAB3Nz",
    "AAAAC3Nz",
    "AAAAE2Vj",
)
_NAME_LIKE = re.compile(r"[A-Za-z]+(?:[_-][A-Za-z]+)+[0-9]{0,2}\Z")
_CAMEL = re.compile(r"[A-Za-z]?[a-z]*(?:[A-Z]{1,4}[a-z]{2,})*[A-Z]{0,4}\Z")
_ENV_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z")


def words_of(name: str) -> list[str]:
    """The words that a name is made of, whatever way it is written, in small letters."""
    return [word.lower() for word in _NAME_WORD.findall(name)]


@lru_cache(maxsize=8192)
def name_strength(name: str) -> int:
    """How strongly a name (of a variable, field, flag, header) says that its value is a credential."""
    words = words_of(name)
    if not words:
        return NONE
    if (
        words[-1] in {"value", "val", "string", "str", "text", "data", "raw", "plain", "plaintext"}
        and len(words) > 1
    ):
        words = words[:-1]
    while len(words) > 1 and words[-1].isdigit():
        words = words[:-1]
    if (
        name in ("PWD", "OLDPWD")
        or "websocket" in name.lower()
        or words[-1] in ABOUT
        or PUBLIC.intersection(words)
    ):
        return NONE
    if PASSWORD_WORDS.intersection(words):
        return PASSWORD
    if SECRET_WORDS.intersection(words) or any(
        word in ("key", "keys") and before in KEY_OWNERS for before, word in pairwise(words)
    ):
        return SECRET
    inside = _INSIDE.search(name.lower())
    if inside is not None:
        return PASSWORD if inside[0].startswith("passw") else SECRET
    is_weak = words[-1] in WEAK_WORDS or words[-1].endswith("key")
    if is_weak and is_vendors(words):
        return SECRET
    return WEAK if is_weak or is_vendors(words) else NONE


def is_vendors(words: list[str]) -> bool:
    """Whether the words of a name name a vendor of services."""
    return any(word in VENDORS for word in words) or "".join(words) in VENDORS


def is_placeholder(value: str) -> bool:
    """Whether a value stands for a credential that somebody is to fill in."""
    return (
        _ONE_CHAR.match(value) is not None
        or _STAND_INS.match(value) is not None
        or _STAND_IN_INSIDE.search(value) is not None
        or _TEMPLATE.search(value) is not None
        or len(set(value)) < 4
    )


def entropy(value: str) -> float:
    """Shannon's entropy in bits per character."""
    size = len(value)
    return -sum((count := value.count(char)) / size * log2(count / size) for char in set(value))


def wordiness(value: str) -> float:
    """The share of letters and digits that stand in what could be words: 1 for prose, near 0 for noise."""
    total = sum(map(str.isalnum, value))
    wordy = 0
    for found in _CHUNK.findall(value):
        if len(found) < 3:
            continue
        chunk = found.lower()
        common = sum([chunk[at : at + 2] in BIGRAMS for at in range(len(chunk) - 1)])
        if common * 2 >= len(chunk) - 1 + (len(chunk) == 3):
            wordy += len(chunk)
    return wordy / total if total else 1.0


def is_plain(value: str) -> bool:
    """Whether a value is of a kind that is no credential: a number, address, digest, an agent's id."""
    return (
        "://" in value
        or _NUMBER.match(value) is not None
        or _AGENT_ID.match(value) is not None
        or _DIGEST.match(value) is not None
        or _EMAIL.match(value) is not None
        or value.startswith(_PUBLIC_KEYS)
        or _ENV_NAME.match(value) is not None
        or (_NAME_LIKE.match(value) is not None and wordiness(value) > 0.6)
    )


def is_random(value: str, least: int = 8) -> bool:
    """Whether a value looks drawn at random rather than written by a person."""
    if len(value) < least or " " in value:
        return False
    runs = len(_ALNUM_RUN.findall(value))
    if wordiness(value) > (0.5 if runs < 6 or not value.isalnum() else 0.9):
        return False
    if _HEX.match(value):
        return len(value) >= 16 and entropy(value) > 2.5
    has_digit = any(map(str.isdigit, value))
    if not any(map(str.isalpha, value)):
        return False
    if not has_digit:
        return len(value) >= 14 and entropy(value) > 3.3
    if _PATH.match(value) and wordiness(value) > 0.3:
        return False
    return entropy(value) > (2.6 if len(value) < 12 else 2.9) and (runs > 2 or len(value) >= 12)


def is_mixed_letters(value: str) -> bool:
    """Whether a value is of letters alone, large and small ones in no order that a name has them in."""
    if len(value) < 10 or not value.isascii() or not value.isalpha():
        return False
    upper = sum(map(str.isupper, value))
    return 3 <= upper <= len(value) - 3 and not _CAMEL.match(value) and wordiness(value) <= 0.5


def is_uuid(value: str) -> bool:
    return _UUID.match(value) is not None


def is_hex(value: str) -> bool:
    return _HEX.match(value) is not None


def is_code(value: str) -> bool:
    """Whether an unquoted value is an expression: a call, a path of names, a name or a pointer."""
    if any(sign in value for sign in "()[]{}"):
        return True
    bare = value.lstrip("*&!")
    return _CODE.match(bare) is not None or _IDENTIFIER.match(bare) is not None


def is_password(value: str, *, is_typed_by_hand: bool) -> bool:
    """Whether a value may be a password: letters with digits or signs, and more than words.

    `is_typed_by_hand` is for places where nothing but a password stands (an `.env` file, a flag): there words
    with something added count as well.
    """
    if len(value) < 6 or " " in value:
        return False
    if is_random(value):
        return True
    if value.isalpha():
        return is_typed_by_hand and is_mixed_letters(value)
    if not any(map(str.isalpha, value)):
        return is_typed_by_hand and len(value) >= 6 and len(set(value)) > 3
    bare = re.sub(r"[-_./ ]", "", value)
    if bare.isalpha():
        return False
    if _PATH.match(value) and wordiness(value) > 0.5:
        return False
    has_digit = any(map(str.isdigit, value))
    has_sign = _SIGN.search(value) is not None
    if is_typed_by_hand:
        return (has_digit or has_sign) and not _WORD_AND_SIGN.match(value)
    runs = _ALNUM_RUN.findall(value)
    return (has_digit and has_sign) or (has_digit and len(runs) > 2) or (has_sign and len(runs) > 2)
