"""What work hands back as its result: JSON, in a file or in a text."""

from __future__ import annotations

import json
import math
import os
import shutil
import stat
from pathlib import Path

from audit.entries import JSON
from audit.redaction import is_too_deep

__all__ = ["clear_result", "read_json", "read_result"]

MAX_RESULT_BYTES = 1 << 20
#: A later step may refer to it (`expression_filters.MAX_DEPTH`) and put it into a parameter, and all that is
#: stored around it can be looked through for credentials: what is deeper than that is withheld.
MAX_RESULT_DEPTH = 90
_TOO_DEEP = f"it is nested too deeply, more than {MAX_RESULT_DEPTH} levels"


def clear_result(path: Path) -> None:
    """Let nothing be there, whatever an earlier command has made of it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def read_result(path: Path) -> tuple[JSON] | None:
    """The value that a command wrote, None if it wrote nothing. Raises ValueError, which says why not."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"$RESULT_FILE cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise ValueError("$RESULT_FILE is no file.")
    with open(number, "rb") as file:
        data = file.read(MAX_RESULT_BYTES + 1)
    if len(data) > MAX_RESULT_BYTES:
        raise ValueError(f"$RESULT_FILE holds more than {MAX_RESULT_BYTES >> 10:,} KB: keep an artifact.")
    if not data.strip():
        raise ValueError("$RESULT_FILE is empty: it has to hold JSON, or not to be there.")
    try:
        return (read_json(data),)
    except ValueError as error:
        raise ValueError(f"$RESULT_FILE holds no JSON that can be kept: {error}.") from error


def read_json(text: str | bytes) -> JSON:
    """JSON that can be kept: no NaN, number or nesting past all bounds. Raises ValueError, which says why."""
    try:
        value: JSON = json.loads(text, parse_constant=_refuse, parse_float=_read_float)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    if is_too_deep(value, MAX_RESULT_DEPTH):
        raise ValueError(_TOO_DEEP)
    return value


def _refuse(name: str) -> JSON:
    raise ValueError(f"{name} is no JSON")


def _read_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:20]} is too large a number")
    return value
