"""`manage.py redact`: standard input to standard output without its credentials. Needs no database."""

from __future__ import annotations

import codecs
import hashlib
import hmac
import io
import json
import math
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from audit.redaction import Finding, Redactor, redact_stream, refusal

_READ = 1 << 18
#: So many lines of JSON are redacted at once, or so many bytes of them.
_LINES = 200
_BATCH = 1 << 20
#: A longer line is withheld: a credential where it would be cut could be missed.
_MAX_LINE = 32 << 20
_ASSIGNMENT = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*=[ \t]*(?:"([^"]*)"|'([^']*)'|(.*?))[ \t\r]*$""",
    re.MULTILINE,
)


class Command(BaseCommand):
    help = "Copies standard input to standard output with credentials replaced. Needs no database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print where credentials stand, not the text")
        parser.add_argument("--jsonl", action="store_true", help="the input is one JSON value a line")
        parser.add_argument("--secrets", metavar="FILE.env", help="known secrets, NAME=value, one a line")

    def handle(self, **options: Any) -> None:
        redactor = Redactor(self._known(options["secrets"]), _mark_key())
        output = io.TextIOWrapper(sys.stdout.buffer, "utf-8", "replace", newline="", write_through=False)
        try:
            parts = _lines_redacted if options["jsonl"] else _text_redacted
            for text, reports in parts(redactor, sys.stdin.buffer):
                if not options["json"]:
                    output.write(text)
                else:
                    output.writelines(json.dumps(report) + "\n" for report in reports)
            output.flush()
        except BrokenPipeError:
            sys.stderr.close()  # whoever reads has gone: nothing to say, and nobody to say it to
        finally:
            output.detach()

    def _known(self, path: str | None) -> dict[str, str]:
        if path is None:
            return {}
        try:
            text = Path(path).read_text(errors="replace")
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}") from None
        known: dict[str, str] = {}
        for name, value in _assignments(text):
            if reason := refusal(value):
                self.stderr.write(f"{name} is not looked for: {reason}")
            else:
                known[name] = value
        return known


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    """The names and values of an env file: comments, `export` and quotes around a value are no part of it.

    A value in quotes may have several lines. What is no name and value is passed over in silence: it may be
    a piece of a secret.
    """
    for found in _ASSIGNMENT.finditer(text):
        value = next(value for value in found.groups()[1:] if value is not None)
        if value.strip("= "):
            yield found[1], value.strip()


def _mark_key() -> bytes:
    """A key of this installation, so that one value has one mark in all that is redacted here."""
    return hmac.new(settings.SECRET_KEY.encode(), b"redact command", hashlib.sha256).digest()


def _text_redacted(redactor: Redactor, source: BinaryIO) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read() -> Iterator[str]:
        while data := source.read(_READ):
            yield decoder.decode(data)
        yield decoder.decode(b"", final=True)

    for part in redact_stream(redactor, read()):
        yield part.text, [_report(found) for found in part.findings]


def _report(found: Finding) -> dict[str, Any]:
    kind = "name" if found.is_known else "rule"
    return {kind: found.name, "start": found.source_start, "end": found.source_end}


def _lines_redacted(redactor: Redactor, source: BinaryIO) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each line redacted, in order; one that is no JSON is redacted as text and comes out as a string."""
    number = 0
    for lines in _batches(source):
        if isinstance(lines, int):
            number += 1
            rule = {"rule": "unscanned: too large", "start": 0, "end": lines, "line": number, "field": ""}
            yield f'"[UNSCANNED: too large, {lines} bytes]"\n', [rule]
            continue
        redacted, findings = _redact_lines(redactor, [_decoded(line) for line in lines])
        reports = [_line_report(found, number) for found in findings]
        number += len(lines)
        yield "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in redacted), reports


def _redact_lines(redactor: Redactor, values: list[Any]) -> tuple[list[Any], list[Finding]]:
    redacted, findings = redactor.redact_json(values)
    if isinstance(redacted, list):
        return redacted, findings
    each = [redactor.redact_json(value, field=f"/{at}") for at, value in enumerate(values)]
    # One of them is nested too deeply: only that one is withheld.
    return [clean for clean, _ in each], [one for _, found in each for one in found]


def _line_report(found: Finding, before: int) -> dict[str, Any]:
    line, _, field = found.field[1:].partition("/")
    return _report(found) | {"line": before + int(line) + 1, "field": f"/{field}" if field else ""}


def _batches(source: BinaryIO) -> Iterator[list[bytes] | int]:
    """Some lines at once; for one that is longer than `_MAX_LINE` its bytes alone, counted and not held."""
    batch: list[bytes] = []
    size = 0
    while line := source.readline(_MAX_LINE + 1):
        is_too_long = len(line) > _MAX_LINE and not line.endswith(b"\n")
        if not is_too_long:
            batch.append(line)
            size += len(line)
        if batch and (is_too_long or len(batch) == _LINES or size > _BATCH):
            yield batch
            batch, size = [], 0
        if is_too_long:
            yield len(line) + _skip_line(source)
    if batch:
        yield batch


def _skip_line(source: BinaryIO) -> int:
    """Read to the end of a line; how many bytes there were before it."""
    size = 0
    while part := source.readline(_READ):
        size += len(part.removesuffix(b"\n"))
        if part.endswith(b"\n"):
            break
    return size


def _decoded(line: bytes) -> Any:
    text = line.decode("utf-8", "replace").strip("\r\n\ufeff")
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return text


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse("a number beyond all bounds")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
