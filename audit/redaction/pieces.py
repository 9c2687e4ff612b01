"""The texts of a JSON value as one list of pieces, and the value put together again from redacted pieces."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from audit.redaction.findings import Finding, Redacted

MAX_DEPTH = 200

# Random by design and no credentials: rules are not run on them, known secrets are still looked for.
# Each is skipped by what it is and has to look like it; a credential in its place is found.
_ID_FIELDS = frozenset(
    {
        "id", "uuid", "parentUuid", "leafUuid", "logicalParentUuid", "messageId", "message_id", "requestId",
        "sessionId", "session_id", "promptId", "agentId", "agent_id", "tool_use_id", "toolUseID", "call_id",
        "parentToolUseID", "sourceToolAssistantUUID", "sourceToolUseID", "native_id", "turn_id", "parentId",
    }
)  # fmt: skip
_ID_SHAPE = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|(?:toolu|srvtoolu|msg|req|call|resp|rs|fc|ws|chatcmpl|ses|prt)[_-][A-Za-z0-9_-]{8,80}"
    r"|[0-9a-f]{7,17}"
)
_SEALED_BLOCKS = {"thinking": "signature", "redacted_thinking": "data", "reasoning": "encrypted_content"}
_BASE64_TEXT = re.compile(r"[A-Za-z0-9+/=_-]*")
_MEDIA_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"%PDF-")


_LEAVES = (str, int, float, type(None))


class TooDeepError(Exception):
    """A JSON value is nested deeper than anything that an agent writes."""


@dataclass(slots=True)
class Piece:
    """One text. `key` is the field that it stands in, as context; `is_exempt` means: known secrets only."""

    text: str = field(repr=False)
    key: str = ""
    is_exempt: bool = False


def take_apart(value: Any, has_numbers: bool) -> tuple[list[Piece], bool]:
    """All texts of a value, keys too, in the order in which `put_together` wants them back.

    With `has_numbers` also its whole numbers; what is no JSON counts as its text. Also whether the value may
    stand as it is if none of its texts changes: all of it is JSON. Raises TooDeepError.
    """
    pieces: list[Piece] = []
    is_json = _take(value, Piece(""), has_numbers, 0, pieces)
    return pieces, is_json


def is_too_deep(value: Any, most: int = MAX_DEPTH) -> bool:
    """Whether a value is nested deeper than this. Looks level by level, so no depth is too much."""
    level = [value]
    for _ in range(most + 1):
        level = [inner for outer in level for inner in _inside(outer) if not isinstance(inner, _LEAVES)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, list | tuple):
        return value
    return value.values() if isinstance(value, dict | Mapping) else ()


def _take(value: Any, place: Piece, has_numbers: bool, depth: int, pieces: list[Piece]) -> bool:
    """Add the texts of a value; whether all of it is JSON. Called for each text: plain types come first."""
    if depth > MAX_DEPTH:
        raise TooDeepError
    if isinstance(value, str):
        pieces.append(Piece(value, place.key, place.is_exempt))
        return type(value) is str
    if isinstance(value, list | tuple):
        is_json = isinstance(value, list)
        for item in value:
            is_json &= _take(item, place, has_numbers, depth + 1, pieces)
        return is_json
    if isinstance(value, dict | Mapping):
        is_json = True
        for key, item in value.items():
            name = str(key)
            pieces.append(Piece(name))
            inner = Piece("", name, isinstance(item, str) and is_exempt(value, name, item))
            is_json &= _take(item, inner, has_numbers, depth + 1, pieces) and key is name
        return is_json
    if _is_text_of(value, has_numbers):
        pieces.append(Piece(str(value), place.key))
    return value is None or isinstance(value, int | float)


def put_together(
    value: Any, results: Iterator[Redacted], has_numbers: bool, path: str, findings: list[Finding]
) -> Any:
    """The value with each text replaced by the next result; findings are added with their field's path."""
    if isinstance(value, str):
        return _placed(next(results), path, findings)
    if isinstance(value, dict | Mapping):
        new: dict[str, Any] = {}
        for item in value.values():
            key_result = next(results)
            name = _unused(key_result.text, new)
            inner = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
            _placed(key_result, f"{inner} (key)", findings)
            new[name] = put_together(item, results, has_numbers, inner, findings)
        return new
    if isinstance(value, list | tuple):
        return [
            put_together(item, results, has_numbers, f"{path}/{index}", findings)
            for index, item in enumerate(value)
        ]
    if _is_text_of(value, has_numbers):
        result = next(results)
        is_changed = bool(result.findings) or not isinstance(value, int)
        return _placed(result, path, findings) if is_changed else value
    return value


def _placed(result: Redacted, path: str, findings: list[Finding]) -> str:
    findings.extend(replace(found, field=path) for found in result.findings)
    return result.text


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    """Two keys may become the same once their credentials are out: none of their values gets lost."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name} ({number})", number + 1
    return candidate


def _is_text_of(value: object, has_numbers: bool) -> bool:
    """Whether a value is looked at as text: a whole number, where one is a secret, and what is no JSON."""
    if isinstance(value, int) and not isinstance(value, bool):
        return has_numbers
    return value is not None and not isinstance(value, bool | float)


def is_exempt(owner: Mapping[str, Any], key: str, value: str) -> bool:
    """Whether a text is a known kind of random: an agent's id, a sealed thought, an image or a PDF."""
    if key in _ID_FIELDS:
        return _ID_SHAPE.fullmatch(value) is not None
    if _SEALED_BLOCKS.get(str(owner.get("type"))) == key:
        return _BASE64_TEXT.fullmatch(value) is not None
    return key in ("data", "base64") and _is_media(value)


def _is_media(value: str) -> bool:
    try:
        head = base64.b64decode(value[:24], validate=True)
    except (binascii.Error, ValueError):
        return False
    is_known = head.startswith(_MEDIA_MAGIC) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
    return is_known and _BASE64_TEXT.fullmatch(value) is not None
