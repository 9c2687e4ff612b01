"""Find credentials that nobody registered: by a vendor's shape, or by the place where they stand.

One pass of hyperscan over the bytes finds where a closer look is worth it; `rules`, `assignments` and
`places` take that look. The compiled patterns are kept on disk in a folder of ours, if one is named. Nothing
here knows a secret, and nothing asks anybody on the network.
"""

import hashlib
import os
import re
import tempfile
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path

import hyperscan

from audit.redaction.assignments import TRIGGERS, Found, find_assigned
from audit.redaction.encoded import ENCODED_TRIGGER, LAYERS, UNSEEN_TRIGGER, decode, place_encoded, shadows
from audit.redaction.places import PLACES
from audit.redaction.rules import RULES
from audit.redaction.values import is_placeholder, wordiness

TIME_LIMIT = 10.0

_PLACE = len(RULES)
_ASSIGNED = _PLACE + len(PLACES)
_ENCODED = _ASSIGNED + len(TRIGGERS)
_UNSEEN = _ENCODED + 1
_ESCAPED = re.compile(rb"(?:\\[nrtbf0v]|%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|&[a-z]{2,4};?)\Z")
#: How much of a long credential is looked at to judge it, and how much of it may look like words.
_JUDGED = 256
_WORDY = 0.75
_WORDY_PATH = 0.4
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{16,}\Z")
_SAME = re.compile(rb"(.)\1{7}")
#: Rules that name no vendor: of two that found the same, the other one is told.
_GENERAL = frozenset({"password", "secret", "key", "authorization", "prefixed-token", "secret-key"})


@dataclass(frozen=True, slots=True)
class Hit:
    """A credential in a scanned text: its place in bytes, the rule's name, and the value itself."""

    start: int
    end: int
    rule: str
    value: str = field(repr=False)

    def moved(self, start: int, end: int) -> "Hit":
        return Hit(start, end, self.rule, self.value)


class Detector:
    """The compiled patterns, made at the first use. One serves all tenants: it holds no secret."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._local = threading.local()
        self._compiled: bytes = b""
        self._cache_folder: Path | None = None

    def use_cache(self, folder: Path) -> None:
        """Keep the compiled patterns in this folder, which is ours alone. Call it before the first scan."""
        self._cache_folder = folder

    def warm_up(self) -> None:
        self._database()

    def rule_names(self) -> frozenset[str]:
        """The names that a placeholder may have."""
        return _rule_names()

    def find(self, data: bytes) -> list[Hit]:
        """The credentials in a text, also under signs that nobody sees and in base64, twice at most.

        Raises when the scan fails or takes longer than `TIME_LIMIT`.
        """
        deadline = time.monotonic() + TIME_LIMIT
        unseen: list[int] = []
        hits = self._scan(data, deadline, LAYERS, unseen)
        for shadow in shadows(data, sorted(unseen)):
            found = self._scan(shadow.data, deadline, LAYERS)
            hits.extend(hit.moved(*shadow.place(hit.start, hit.end)) for hit in found)
        return sorted(hits, key=lambda hit: hit.rule in _GENERAL)

    def _scan(self, data: bytes, deadline: float, layers: int, unseen: list[int] | None = None) -> list[Hit]:
        matches: list[tuple[int, int, int]] = []

        def keep(number: int, start: int, end: int, _flags: int, _context: object) -> bool:
            matches.append((number, start, end))
            return not len(matches) % 1024 and time.monotonic() > deadline

        self._database().scan(data, match_event_handler=keep)
        hits: list[Hit] = []
        looked: set[tuple[int, int]] = set()
        for number, start, end in matches:
            at = start
            if _ASSIGNED <= number < _ENCODED:  # the same look, whichever of them matched
                number, at = _ASSIGNED, end
            if (number, at) in looked:
                continue
            looked.add((number, at))
            if number == _UNSEEN:
                if unseen is not None:
                    unseen.append(end)
            elif number == _ENCODED:
                hits.extend(self._decode(data, at + 1, deadline, layers - 1))
            elif (found := _look(data, number, at)) is not None:
                value = data[found[0] : found[1]].decode("utf-8", "replace")
                hits.append(Hit(*found, value))
            if time.monotonic() > deadline:
                raise TimeoutError
        return hits

    def _decode(self, data: bytes, start: int, deadline: float, layers: int) -> list[Hit]:
        """The credentials in a text in base64 that starts here, each with its place in the base64."""
        decoded = decode(data, start) if layers else b""
        if not decoded:
            return []
        hits = self._scan(b"\n" + decoded + b"\n", deadline, layers)
        inside = [hit for hit in hits if hit.start and hit.end <= len(decoded) + 1]
        return [hit.moved(*place_encoded(start, hit.start - 1, hit.end - 1)) for hit in inside]

    def _database(self) -> hyperscan.Database:
        """This thread's own: a scan's scratch space serves one thread at a time."""
        database: hyperscan.Database | None = getattr(self._local, "database", None)
        if database is None:
            with self._lock:
                self._compiled = self._compiled or self._load() or self._compile()
            database = self._local.database = hyperscan.loadb(self._compiled, hyperscan.HS_MODE_BLOCK)
            database.scratch = hyperscan.Scratch(database)
        return database

    def _load(self) -> bytes:
        """What an earlier process compiled from the same patterns; empty if there is none."""
        if self._cache_folder is None:
            return b""
        try:
            stored = (self._cache_folder / _cache_name()).read_bytes()
            digest, compiled = stored[:32], stored[32:]
            if hashlib.sha256(compiled).digest() != digest:
                return b""
            hyperscan.loadb(compiled, hyperscan.HS_MODE_BLOCK)
        except (OSError, hyperscan.error):
            return b""
        return compiled

    def _compile(self) -> bytes:
        patterns, flags = _patterns()
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(expressions=patterns, ids=list(range(len(patterns))), flags=flags)
        compiled: bytes = hyperscan.dumpb(database)
        if self._cache_folder is not None:
            self._store(self._cache_folder, compiled)
        return compiled

    def _store(self, folder: Path, compiled: bytes) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                file.write(hashlib.sha256(compiled).digest() + compiled)
            os.replace(file.name, folder / _cache_name())
        except OSError:
            return  # the next process compiles once more


def _patterns() -> tuple[list[bytes], list[int]]:
    any_case = hyperscan.HS_FLAG_CASELESS
    patterns = [
        *(rule.trigger.encode() for rule in RULES),
        *(place.trigger.encode() for place in PLACES),
        *(trigger.encode() for trigger in TRIGGERS),
    ]
    flags = [hyperscan.HS_FLAG_SOM_LEFTMOST] * len(RULES)
    flags += [hyperscan.HS_FLAG_SOM_LEFTMOST | any_case] * len(PLACES)
    flags += [any_case] * len(TRIGGERS)
    patterns += [ENCODED_TRIGGER.encode(), UNSEEN_TRIGGER.encode("latin-1")]
    return patterns, [*flags, hyperscan.HS_FLAG_SOM_LEFTMOST, hyperscan.HS_FLAG_SOM_LEFTMOST]


@cache
def _cache_name() -> str:
    patterns, flags = _patterns()
    machine = f"{version('hyperscan')} {os.uname().machine}"
    digest = hashlib.sha256(repr((patterns, flags, machine)).encode()).hexdigest()
    return f"patterns-{digest[:24]}.hs"


@cache
def _rule_names() -> frozenset[str]:
    return frozenset(
        {rule.name for rule in RULES} | {rule for place in PLACES for rule in place.rules} | _GENERAL
    )


@cache
def _whole(number: int) -> re.Pattern[bytes]:
    return re.compile(RULES[number].pattern.encode())


def _look(data: bytes, number: int, at: int) -> Found | None:
    """The closer look at what matched: the credential's place and rule, if it is one."""
    if number >= _ASSIGNED:
        return find_assigned(data, at)
    if number >= _PLACE:
        return PLACES[number - _PLACE].read(data, at)
    rule = RULES[number]
    start = at - rule.before
    if start < 0 or not _stands_free(data, start):
        return None
    found = _whole(number).match(data, start)
    if found is None or _SAME.search(found[0]):
        return None
    value = found[0][:_JUDGED].decode("utf-8", "replace").lstrip("$")
    return None if is_placeholder(value) or wordiness(value) > _WORDY else (*found.span(), rule.name)


def _stands_free(data: bytes, start: int) -> bool:
    """Whether a word begins here: not inside of base64, and behind no letter but that of an escape."""
    before = data[start - 1 : start] if start else b""
    if before in (b"/", b"+"):
        run = _BASE64.search(data, max(0, start - 24), start)
        return run is None or wordiness(run[0].decode()) > _WORDY_PATH
    if not data[start : start + 1].isalnum() or not before.isalnum():
        return True
    return _ESCAPED.search(data, max(0, start - 6), start) is not None


DETECTOR = Detector()
