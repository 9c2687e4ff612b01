"""Credentials out of text, their names in: known secrets by value."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Finding", "Redacted", "Redactor"]


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    is_known: bool
    start: int
    end: int
    field: str
    digest: str


@dataclass(frozen=True, slots=True)
class Redacted:
    text: str
    findings: tuple[Finding, ...]


class Redactor:
    def __init__(self, known: Mapping[str, str], mark_key: bytes) -> None:
        self._known = sorted(known.items(), key=lambda item: -len(item[1]))
        self._mark_key = mark_key

    def redact_text(self, text: str, field: str = "") -> Redacted:
        findings = []
        for name, value in self._known:
            placeholder = f"[{name}]"
            while (start := text.find(value)) >= 0:
                text = text[:start] + placeholder + text[start + len(value) :]
                digest = hmac.new(self._mark_key, value.encode(), hashlib.sha256).hexdigest()
                findings.append(Finding(name, True, start, start + len(placeholder), field, digest))
        return Redacted(text, tuple(findings))

    def redact_json(self, value: Any, field: str = "") -> tuple[Any, list[Finding]]:
        if isinstance(value, str):
            redacted = self.redact_text(value, field)
            return redacted.text, list(redacted.findings)
        if isinstance(value, list):
            pairs = [self.redact_json(item, f"{field}/{index}") for index, item in enumerate(value)]
            return [item for item, _ in pairs], [f for _, found in pairs for f in found]
        if isinstance(value, dict):
            result, findings = {}, []
            for key, item in value.items():
                name = self.redact_text(key).text
                clean, found = self.redact_json(item, f"{field}/{name}")
                result[name] = clean
                findings.extend(found)
            return result, findings
        return value, []
