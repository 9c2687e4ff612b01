"""Results of tools in Codex's sessions: the text that the model got, and how the tool ended."""

import json
import re
from dataclasses import dataclass, field, replace

from audit.entries import JSON
from intake.readers.claude_blocks import content_text
from intake.readers.fields import Object, object_of

_HEADER_LINES = 12
_LINE = re.compile(
    r"(?P<name>Chunk ID|Wall time|Exit code|Process exited with code|Process running with session ID"
    r"|Original token count|Total output lines)\b:?\s*(?P<value>.*)"
)
_NUMBER = re.compile(r"-?\d{1,12}(?:\.\d{1,9})?")
_FAILED = re.compile(
    r"(?:exec(?: command)?|patch|command|tool call) (?:was )?rejected|rejected by user"
    r"|aborted by user|aborted$|apply_patch verification failed|execution error"
    r"|failed to |failed in sandbox|unsupported call"
    r"|unknown (?:tool|process)|error: |command timed out|Command blocked by|tool call error"
    r"|approval policy is Never; reject|write_stdin failed|exec_command failed",
    re.IGNORECASE,
)
_DENIED = (
    ("user-rejected", re.compile(r"rejected by (?:the )?user", re.IGNORECASE)),
    ("hook", re.compile(r"Command blocked by \w+ hook", re.IGNORECASE)),
    ("policy", re.compile(r"approval policy is \w+; reject|rejected by (?:policy|guardian)", re.IGNORECASE)),
)
_ABORTED = re.compile(r"aborted(?: by user)?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Output:
    """What a tool gave back. `process` is the id of a process that goes on running, "" if none does."""

    text: str = field(repr=False)
    exit_code: int | None = None
    duration_ms: int | None = None
    process: str = ""
    is_error: bool = False
    denied: str = ""
    is_aborted: bool = False


def read_output(value: JSON) -> Output:
    """A result in any of its shapes: a text with a header, JSON in a text, blocks, or an object."""
    if isinstance(value, dict) and ("content" in value or "body" in value):
        found = read_output(value["content"] if "content" in value else value["body"])
        return _with_success(found, value)
    text = value if isinstance(value, str) else content_text(value)
    if text.startswith("{"):
        decoded = _decoded(text)
        if isinstance(decoded, dict) and isinstance(decoded.get("output"), str):
            return _of_object(decoded)
    return _of_text(text)


def _with_success(found: Output, value: Object) -> Output:
    return replace(found, is_error=found.is_error or value.get("success") is False)


def _decoded(text: str) -> JSON:
    try:
        value: JSON = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _of_object(decoded: Object) -> Output:
    """What 2025's shell tools wrote: the output and its facts as JSON."""
    facts = object_of(decoded, "metadata")
    code, seconds = facts.get("exit_code"), facts.get("duration_seconds")
    exit_code = code if isinstance(code, int) and not isinstance(code, bool) else None
    return _told(str(decoded["output"]), exit_code, _milliseconds(seconds))


def _of_text(text: str) -> Output:
    """A text whose first lines may say how the command ended; those are left out of what is shown."""
    head = text.split("\n", _HEADER_LINES)
    facts: dict[str, str] = {}
    for index, line in enumerate(head):
        if line.rstrip() in ("Output:", "Output") and facts:
            return _with_header("\n".join(head[index + 1 :]), facts)
        found = _LINE.match(line)
        if not found:
            break
        facts[found["name"]] = found["value"]
    return _told(text)


def _with_header(text: str, facts: dict[str, str]) -> Output:
    code = facts.get("Exit code") or facts.get("Process exited with code") or ""
    number = _NUMBER.match(code)
    seconds = _NUMBER.match(facts.get("Wall time", ""))
    process = facts.get("Process running with session ID", "")[:100]
    exit_code = int(float(number[0])) if number else None
    return _told(text, exit_code, _milliseconds(float(seconds[0]) if seconds else None), process)


def _told(text: str, exit_code: int | None = None, duration: int | None = None, process: str = "") -> Output:
    start = text[:400].lstrip()
    denied = next((name for name, pattern in _DENIED if exit_code is None and pattern.search(start)), "")
    is_failure = bool(exit_code) if exit_code is not None else bool(denied or _FAILED.match(start))
    is_aborted = exit_code is None and bool(_ABORTED.match(start))
    return Output(text, exit_code, duration, process, is_failure, denied, is_aborted)


def _milliseconds(seconds: JSON) -> int | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 1e9:
        return None
    return round(seconds * 1000)
