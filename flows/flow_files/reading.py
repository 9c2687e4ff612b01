"""YAML as plain data with the line of each value. None of its tricks is taken: no tags, anchors, aliases."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml

from agents.expression_filters import MAX_BITS
from audit.entries import JSON

__all__ = ["Document", "FileProblem", "Path", "WrongFile", "core_resolvers", "read_yaml"]

MAX_CHARACTERS = 256_000
MAX_DEPTH = 30
MAX_NODES = 20_000

type Path = tuple[str | int, ...]

#: The plain words that are no text, as in JSON and YAML 1.2: "yes", "on", dates and 12:30 are text.
CORE = (
    ("null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("int", re.compile(r"[-+]?[0-9]+"), list("-+0123456789")),
    (
        "float",
        re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan"),
        list("-+.0123456789"),
    ),
)


@dataclass(frozen=True, slots=True)
class FileProblem:
    """What is wrong in a file, in which line (from 1) and at which value."""

    line: int
    path: Path
    text: str

    def __str__(self) -> str:
        return (
            f"{self.line}: {show_path(self.path)}: {self.text}" if self.path else f"{self.line}: {self.text}"
        )


class WrongFile(Exception):
    """A file that is refused whole, for these reasons, in the order of their lines."""

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(map(str, self.problems)))


def show_path(path: Path) -> str:
    """`steps[0].parameters.target`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. `lines` has the line of each value that stands in it."""

    value: JSON
    lines: dict[Path, int] = field(default_factory=dict)

    def line_of(self, path: Path) -> int:
        """The line of the value, or of what it would stand in."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)


def core_resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """What a YAML reader or writer tells plain words apart by, by their first character."""
    made: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for name, pattern, firsts in CORE:
        whole = re.compile(f"(?:{pattern.pattern})\\Z")
        for first in firsts:
            made.setdefault(first, []).append((f"tag:yaml.org,2002:{name}", whole))
    return made


class _Loader(yaml.SafeLoader):
    """Composes nodes, and notes what no flow's file may hold."""

    yaml_implicit_resolvers = core_resolvers()

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.problems: list[FileProblem] = []
        self.depth = self.count = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        self.count += 1
        if self.count > MAX_NODES or self.depth > MAX_DEPTH:
            size = f"{MAX_NODES:,} values" if self.count > MAX_NODES else f"{MAX_DEPTH} levels"
            raise WrongFile([*self.problems, FileProblem(line, (), f"there are more than {size}")])
        if isinstance(event, yaml.AliasEvent):
            raise WrongFile([*self.problems, FileProblem(line, (), f"“*{event.anchor}”: write it out")])
        if event.anchor is not None:
            self.problems.append(FileProblem(line, (), f"“&{event.anchor}”: anchors are not read"))
        if event.tag is not None:
            self.problems.append(FileProblem(line, (), f"“{event.tag}”: tags are not read"))
            event.tag, event.implicit = None, (True, True) if isinstance(event, yaml.ScalarEvent) else True
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read_yaml(text: str) -> Document:
    """The one document of a text. Raises WrongFile."""
    if len(text) > MAX_CHARACTERS:
        raise WrongFile([FileProblem(1, (), f"the file has more than {MAX_CHARACTERS:,} characters")])
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise WrongFile([FileProblem(mark.line + 1 if mark else 1, (), _word(error))]) from None
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise WrongFile(
            [FileProblem(line, (), f"it cannot be read: {getattr(error, 'reason', error)}")]
        ) from None
    if root is None:
        raise WrongFile([FileProblem(1, (), "the file is empty")])
    document = Document(None)
    problems = loader.problems
    value = _convert(root, (), document.lines, problems)
    if problems:
        raise WrongFile(problems)
    return Document(value, document.lines)


def _word(error: yaml.MarkedYAMLError) -> str:
    told = [text for text in (error.context, error.problem) if text]
    return f"it is no YAML: {', '.join(told)}"


def _convert(node: yaml.Node, path: Path, lines: dict[Path, int], problems: list[FileProblem]) -> JSON:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        made: dict[str, JSON] = {}
        for key, value, line in _keys(node, path, problems):
            if key in made:
                first = lines[(*path, key)]
                problems.append(FileProblem(line, (*path, key), f"it stands twice, first in line {first}"))
                continue
            lines[(*path, key)] = line
            made[key] = _convert(value, (*path, key), lines, problems)
        return made
    if isinstance(node, yaml.SequenceNode):
        return [_convert(item, (*path, place), lines, problems) for place, item in enumerate(node.value)]
    try:
        return _read_scalar(node)
    except ValueError:
        problems.append(
            FileProblem(node.start_mark.line + 1, path, f"“{node.value[:40]}” is too large a number")
        )
        return None


def _keys(
    node: yaml.MappingNode, path: Path, problems: list[FileProblem]
) -> Iterator[tuple[str, yaml.Node, int]]:
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            if isinstance(key, yaml.MappingNode):
                text = 'an expression stands in quotes: "{{ ... }}"'
            else:
                word = f"“{key.value}”" if isinstance(key, yaml.ScalarNode) else "this"
                text = f"a key is text: put {word} in quotes"
            problems.append(FileProblem(line, path, text))
        else:
            yield key.value, value, line


def _read_scalar(node: yaml.Node) -> JSON:
    """Raises ValueError for a number that JSON has not."""
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return bool(node.value.lower() == "true")
        case "int":
            whole = int(node.value)
            if whole.bit_length() > MAX_BITS:
                raise ValueError
            return whole
        case "float":
            number = float(node.value.replace(".inf", "inf").replace(".nan", "nan"))
            if not math.isfinite(number):
                raise ValueError
            # As the database gives it back, where it would not compare as equal to the float.
            return int(Decimal(repr(number))) if abs(number) >= 1e16 else number
    return str(node.value)
