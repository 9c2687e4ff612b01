"""What an expression can do with its values: `{{ params.names|join(", ") }}`. All there is, and all bounded.

Each filter takes JSON and gives JSON; what it makes is never much longer than what it takes, or it is refused
before it is made.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from audit.entries import JSON

__all__ = ["FILTERS", "MAX_BITS", "MAX_SIZE", "ExpressionError", "as_json", "as_text"]

#: How many characters, items and keys a value of an expression may have, all told.
MAX_SIZE = 500_000
#: Whole numbers of more bits are beyond what any reader of JSON takes for a number.
MAX_BITS = 1024
MAX_DEPTH = 100


class ExpressionError(Exception):
    """An expression that cannot be read or evaluated; says why in words for its author.

    `line` is the line of the text that it stands in, from 1, where that is known.
    """

    line: int | None = None


def as_json(value: object) -> JSON:
    """A copy of a value as plain JSON. Raises ExpressionError for what is none, too large or too deep."""
    left = MAX_SIZE

    def spend(count: int) -> None:
        nonlocal left
        left -= count
        if left < 0:
            raise ExpressionError(f"it comes to more than {MAX_SIZE:,} characters")

    def copy(value: object, depth: int) -> JSON:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"it is nested more than {MAX_DEPTH} deep")
        if isinstance(value, str):
            spend(len(value))
            return str(value)
        spend(1)
        if isinstance(value, Mapping):
            if not all(isinstance(key, str) for key in value):
                raise ExpressionError("the keys of an object are texts")
            spend(sum(map(len, value)))
            return {str(key): copy(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [copy(item, depth + 1) for item in value]
        return _check_scalar(value)

    return copy(value, 0)


def _check_scalar(value: object) -> JSON:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and value.bit_length() <= MAX_BITS:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int | float):
        raise ExpressionError("it comes to a number that is too large")
    raise ExpressionError("it comes to something that is no JSON")


def as_text(value: object) -> str:
    """Text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(as_json(value), ensure_ascii=False)


def _refuse_beyond(size: int) -> None:
    if size > MAX_SIZE:
        raise ExpressionError(f"it would come to more than {MAX_SIZE:,} characters")


def _need(value: object, *types: type, word: str) -> Any:
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise ExpressionError(f"it wants {word}")
    return value


def _text(value: object) -> str:
    text: str = _need(value, str, word="text")
    return text


def _number(value: object) -> int | float:
    number: int | float = _need(value, int, float, word="a number")
    return number


def _list(value: object) -> list[Any]:
    """The items of a list, or the keys of an object."""
    return list(_need(value, list, tuple, dict, word="a list"))


def _whole(value: object, most: int) -> int:
    number: int = _need(value, int, word="a whole number")
    if not 0 <= number <= most:
        raise ExpressionError(f"it wants a number from 0 to {most:,}")
    return number


def _length(value: object) -> int:
    return len(_need(value, str, list, tuple, dict, word="a text, a list or an object"))


def _replace(value: object, old: object, new: object) -> str:
    text, old, new = _text(value), _text(old), _text(new)
    _refuse_beyond(len(text) + text.count(old) * max(len(new) - len(old), 0))
    return text.replace(old, new)


def _split(value: object, separator: object = None) -> list[str]:
    return _text(value).split(_text(separator) if separator else None)


def _join(value: object, separator: object = "") -> str:
    parts, glue = [as_text(item) for item in _list(value)], _text(separator)
    _refuse_beyond(sum(map(len, parts)) + len(glue) * len(parts))
    return glue.join(parts)


def _truncate(value: object, length: object) -> str:
    text, most = _text(value), _whole(length, MAX_SIZE)
    return text if len(text) <= most else text[: max(most - 1, 0)] + "…"


def _first(value: object) -> JSON:
    return _pick(value, 0)


def _last(value: object) -> JSON:
    return _pick(value, -1)


def _pick(value: object, place: int) -> JSON:
    items = value if isinstance(value, str) else _list(value)
    if not items:
        raise ExpressionError("there is nothing in it")
    return items[place]


def _unique(value: object) -> list[JSON]:
    return list({as_text(item) + type(item).__name__: item for item in _list(value)}.values())


def _reverse(value: object) -> JSON:
    return value[::-1] if isinstance(value, str) else _list(value)[::-1]


def _numbers(value: object) -> Iterable[int | float]:
    return [_number(item) for item in _list(value)]


def _round(value: object, digits: object = 0) -> int | float:
    number, places = _number(value), _whole(digits, 15)
    return round(number, places) if places else round(number)


def _int(value: object) -> int:
    try:
        return int(_need(value, str, int, float, bool, word="a number or its text"))
    except (ValueError, OverflowError):
        raise ExpressionError("it is no whole number") from None


def _float(value: object) -> float:
    try:
        return float(_need(value, str, int, float, word="a number or its text"))
    except (ValueError, OverflowError):
        raise ExpressionError("it is no number") from None


def _from_json(value: object) -> JSON:
    try:
        return as_json(json.loads(_text(value)))
    except (ValueError, RecursionError):
        raise ExpressionError("the text is no JSON") from None


def _map(value: object, attribute: object) -> list[JSON]:
    """The value under this key of each object of a list."""
    key = _text(attribute)
    items = _list(value)
    if not all(isinstance(item, Mapping) and key in item for item in items):
        raise ExpressionError(f"not each item is an object with “{key}”")
    return [item[key] for item in items]


FILTERS: Mapping[str, Callable[..., object]] = {
    "abs": lambda value: abs(_number(value)),
    "first": _first,
    "float": _float,
    "from_json": _from_json,
    "int": _int,
    "join": _join,
    "keys": lambda value: list(_need(value, dict, word="an object")),
    "last": _last,
    "length": _length,
    "lines": lambda value: _text(value).splitlines(),
    "lower": lambda value: _text(value).lower(),
    "map": _map,
    "max": lambda value: max(_numbers(value)),
    "min": lambda value: min(_numbers(value)),
    "replace": _replace,
    "reverse": _reverse,
    "round": _round,
    "sort": lambda value: sorted(_list(value)),
    "split": _split,
    "string": as_text,
    "sum": lambda value: sum(_numbers(value)),
    "to_json": lambda value: json.dumps(as_json(value), ensure_ascii=False),
    "trim": lambda value: _text(value).strip(),
    "truncate": _truncate,
    "unique": _unique,
    "upper": lambda value: _text(value).upper(),
}
