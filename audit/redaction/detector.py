"""Find credentials that nobody registered, by the rules of a detection library, inside this process.

Only the library's detection is used: never the parts that ask a vendor about a found token. Its rules are
compiled once per process, at the first scan, and kept on disk in a folder of ours if one is named: 7 seconds
without it, 0.7 with it.
"""

import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

from kingfisher_sdk import DetectionScanner, Rules

TIME_LIMIT = 10.0

_PLACEHOLDER_WORDS = frozenset(
    {
        "password", "passwd", "pass", "pwd", "secret", "postgres", "mysql", "root", "admin", "user", "guest",
        "username", "changeme", "example", "test", "token", "none", "null", "redacted", "minioadmin",
    }
)  # fmt: skip
_PLACEHOLDER_SHAPE = re.compile(
    r"[\$%]?[\{\(\[<].*[\}\)\]>]"  # ${VAR}, {{ var }}, <token>, $(cmd), [secret]
    r"|\$\w+|%\w+%"
    r"|(.)\1*"  # one character, over and over
    r"|.*(?:\.\.\.|\u2026|x{6}|X{6}|\*{3})"
    r"|(?:your|example|sample|dummy|fake)[-_ ].*",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A credential in a scanned text: its place in bytes, the rule's short name, and the value itself."""

    start: int
    end: int
    rule: str
    value: str = field(repr=False)


class Detector:
    """The library's scanner, made at the first use. One serves all tenants: it holds no secret."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scanner: DetectionScanner | None = None
        self._cache_folder: Path | None = None
        self._rule_names: frozenset[str] = frozenset()

    def use_cache(self, folder: Path) -> None:
        """Keep the compiled rules in this folder, which is ours alone. Call it before the first scan."""
        self._cache_folder = folder

    def warm_up(self) -> None:
        self._ready()

    def rule_names(self) -> frozenset[str]:
        """The names that a placeholder may have."""
        self._ready()
        return self._rule_names

    def find(self, data: bytes) -> list[Hit]:
        """The credentials in a text. Raises when the scan fails or takes longer than `TIME_LIMIT`."""
        findings = self._ready().scan(data, timeout=TIME_LIMIT)
        hits: list[Hit] = []
        for finding in findings:
            place = finding.location
            value = data[place["start_offset"] : place["end_offset"]].decode("utf-8", "replace")
            if value and not is_placeholder(value):
                hits.append(Hit(place["start_offset"], place["end_offset"], _short(finding.rule_id), value))
        return hits

    def _ready(self) -> DetectionScanner:
        if self._scanner is None:
            with self._lock:
                if self._scanner is None:
                    self._scanner = self._make()
        return self._scanner

    def _make(self) -> DetectionScanner:
        folder = self._cache_folder
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        rules = Rules(confidence="low", cache=folder is not None, cache_dir=folder)
        self._rule_names = frozenset(_short(rule["id"]) for rule in rules.metadata())
        # A text cannot pardon itself: comments such as "allow this secret" count for nothing.
        return DetectionScanner(rules, inline_ignores=False, markup_context=False)


def is_placeholder(value: str) -> bool:
    """Whether a value stands for a credential that somebody is to fill in."""
    return value.lower() in _PLACEHOLDER_WORDS or _PLACEHOLDER_SHAPE.fullmatch(value) is not None


def _short(rule_id: str) -> str:
    name = rule_id.rpartition("/")[2].removeprefix("betterleaks.").removeprefix("kingfisher.")
    return re.sub(r"[^\w.-]", "-", name)


DETECTOR = Detector()
