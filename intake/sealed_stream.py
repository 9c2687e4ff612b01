"""Reading a staged file as a stream: a part at a time, opened in memory and nowhere else."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, cast

from intake.models import StagedFile, StagedPart
from intake.staging import PART_BYTES, open_part

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["open_staged"]


def open_staged(file: StagedFile) -> BinaryIO:
    """A seekable stream over a file's parts. Reading raises `Unsealable`, or EOFError for a missing part."""
    return cast(BinaryIO, io.BufferedReader(_SealedFile(file), 1 << 16))


class _SealedFile(io.RawIOBase):
    """Keeps one opened part; costs a query for each part that is entered."""

    def __init__(self, file: StagedFile) -> None:
        self._file = file
        self._position, self._number, self._piece = 0, -1, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size_bytes}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        if self._position >= self._file.size_bytes:
            return 0
        target = memoryview(buffer).cast("B")
        number, start = divmod(self._position, PART_BYTES)
        piece = self._open(number)[start : start + len(target)]
        target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _open(self, number: int) -> bytes:
        if number != self._number:
            parts = StagedPart.objects.for_tenant(self._file.tenant_id)
            part = parts.filter(file=self._file, number=number).first()
            if part is None:
                raise EOFError(f"part {number} of a staged file is not here")
            self._number, self._piece = number, open_part(part)
        return self._piece
