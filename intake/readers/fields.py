"""Typed access to decoded JSON that came from outside: a field of another type reads as absent."""

from collections.abc import Mapping
from datetime import UTC, datetime

from audit.entries import JSON

type Object = Mapping[str, JSON]

_NOTHING: dict[str, JSON] = {}
_LONGEST_NAME = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 253_402_300_799_000


def text_of(owner: Object, key: str) -> str:
    value = owner.get(key)
    return value if isinstance(value, str) else ""


def name_of(owner: Object, key: str) -> str:
    """A text that names something, whole: one of over 1,000 characters is no name and reads as absent.

    It is never cut. What is cut before it is redacted may end in the part of a secret that no rule knows.
    """
    text = text_of(owner, key)
    return text if len(text) <= _LONGEST_NAME else ""


def object_of(owner: Object, key: str) -> dict[str, JSON]:
    value = owner.get(key)
    return value if isinstance(value, dict) else _NOTHING


def objects_of(owner: Object, key: str) -> list[dict[str, JSON]]:
    value = owner.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def number_of(owner: Object, key: str) -> int | None:
    """A whole number that is not negative and that all readers of JSON agree on: at most 2**53."""
    value = owner.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2**53:
        return None
    return int(value)


def time_of(owner: Object, key: str) -> datetime | None:
    """A time, in UTC, that was written as ISO 8601 or as milliseconds since 1970.

    One without a zone is taken as UTC. One before 1970 is none: no agent wrote it, and databases and zones
    disagree about the first years.
    """
    value = owner.get(key)
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
            at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return None
        return at if at >= _EPOCH else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LATEST_MS:
        return None
    return datetime.fromtimestamp(value / 1000, UTC)
