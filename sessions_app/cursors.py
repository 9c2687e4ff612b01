"""A place in the list, as text for an address: where a page ends and as of when the list is read."""

from __future__ import annotations

import base64
import binascii
import struct
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sessions_app.bands import Band

__all__ = ["BadCursor", "Cursor", "Direction"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: Format version, band, direction, as_of and changed_at in microseconds since 1970, id.
_LAYOUT = struct.Struct(">BBBqq16s")
_VERSION = 1


class BadCursor(ValueError):
    """The text is no cursor that a list of ours has given out."""


class Direction(StrEnum):
    """`NEXT` goes down the list, to what changed earlier; `PREVIOUS` back up."""

    NEXT = "next"
    PREVIOUS = "previous"


_BANDS = tuple(Band)
_DIRECTIONS = tuple(Direction)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The rows strictly beyond (`band`, `changed_at`, `id`) in `direction`, in the list as of `as_of`.

    It holds nothing secret and grants nothing: whoever alters one sees another part of their own list.
    """

    as_of: datetime
    band: Band
    changed_at: datetime
    id: uuid.UUID
    direction: Direction

    def encode(self) -> str:
        packed = _LAYOUT.pack(
            _VERSION,
            _BANDS.index(self.band),
            _DIRECTIONS.index(self.direction),
            (self.as_of - _EPOCH) // _MICROSECOND,
            (self.changed_at - _EPOCH) // _MICROSECOND,
            self.id.bytes,
        )
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()

    def turned(self, direction: Direction) -> Cursor:
        """From the same place in this direction, the row that it stands on included."""
        step = 1 if direction is Direction.NEXT else -1
        beside = min(max(self.id.int + step, 0), 2**128 - 1)
        return replace(self, direction=direction, id=uuid.UUID(int=beside))

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Raises `BadCursor` for text that `encode` does not make."""
        try:
            packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            version, band, direction, as_of, changed_at, key = _LAYOUT.unpack(packed)
            cursor = cls(
                as_of=_EPOCH + as_of * _MICROSECOND,
                band=_BANDS[band],
                changed_at=_EPOCH + changed_at * _MICROSECOND,
                id=uuid.UUID(bytes=key),
                direction=_DIRECTIONS[direction],
            )
        except (binascii.Error, ValueError, struct.error, IndexError, OverflowError) as error:
            raise BadCursor("it is damaged, or of another list") from error
        if version != _VERSION or not 2000 <= cursor.as_of.year < 2200 or cursor.encode() != text:
            raise BadCursor("it is damaged, or of another list")
        return cursor
