"""What may stand in a flow's file: the keys, their types and defaults, each problem at its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from agents.models import Runtime
from audit.entries import JSON
from flows.design import ParameterDesign
from flows.flow_files.reading import Document, FileProblem, Path
from flows.models import CheckpointMode, OnFailure, RunMode

__all__ = ["FileSkill", "FileStep", "FileTrigger", "FlowFile", "read_flow_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSkill:
    runtime: str
    body: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStep:
    """A step with its skill and profile by name; `fields` are the others of `StepDesign`."""

    skill: str
    profile: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTrigger:
    cron: str
    time_zone: str
    owner: str
    parameters: dict[str, JSON]
    skips_overlap: bool
    is_paused: bool


@dataclass(slots=True, kw_only=True)
class FlowFile:
    """What a file says. `fields` are those of `FlowDesign` that name nothing outside of the file.

    `triggers` is None for a file that says nothing of schedules.
    """

    document: Document
    problems: list[FileProblem] = field(default_factory=list)
    skills: dict[str, FileSkill] = field(default_factory=dict)
    steps: list[FileStep] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    initiative: str = ""
    plan: str = ""
    approvers: list[str] = field(default_factory=list)
    triggers: list[FileTrigger] | None = None

    def refuse(self, path: Path, text: str) -> None:
        """Note a problem, unless something is wrong at this very value or around it already."""
        wrong = {problem.path for problem in self.problems}
        if not any(path[:length] in wrong for length in range(1, len(path) + 1)):
            self.problems.append(FileProblem(self.document.line_of(path), path, text))


TYPES: dict[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    list: "a list (lines that begin with -)",
    dict: "keys with values",
}


class Fields:
    """The keys of one mapping, taken one by one. `end` refuses those that nobody took."""

    def __init__(self, file: FlowFile, value: JSON, path: Path) -> None:
        self.file, self.path = file, path
        self.known: list[str] = []
        self.given: dict[str, JSON] = {}
        if isinstance(value, dict):
            self.given = value
        elif value is not None:
            self.refuse((), f"this has to be {TYPES[dict]}")

    def refuse(self, path: Path, text: str) -> None:
        self.file.refuse((*self.path, *path), text)

    def take(self, key: str) -> JSON:
        self.known.append(key)
        return self.given.get(key)

    def typed[T](self, key: str, wanted: type[T], default: T) -> T:
        """The value, or the default where there is none or one of a wrong type, which is noted."""
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            self.refuse((key,), f"this has to be {TYPES[wanted]}")
            return default
        return value

    def text(self, key: str, *, is_required: bool = False) -> str:
        value = self.typed(key, str, "")
        if is_required and not value.strip():
            self.refuse((key,), f"“{key}” is missing")
        return value

    def word(self, key: str, choices: list[str], default: str) -> str:
        value = self.typed(key, str, default)
        if value not in choices:
            near = get_close_matches(value, choices, 1)
            hint = f"; did you mean “{near[0]}”?" if near else ""
            self.refuse((key,), f"“{value}” is none of {', '.join(choices)}{hint}")
            return default
        return value

    def limit(self, key: str) -> int | None:
        value = self.typed(key, int, 0)
        return None if self.given.get(key) is None else value

    def texts(self, key: str) -> list[str]:
        return [text for _, text in self._texts(key)]

    def _texts(self, key: str) -> Iterator[tuple[int, str]]:
        for place, item in enumerate(self.typed(key, list, [])):
            if isinstance(item, str):
                yield place, item
            else:
                self.refuse((key, place), f"this has to be {TYPES[str]}")

    def inner(self, key: str, value: JSON) -> Fields:
        return Fields(self.file, value, (*self.path, key))

    def end(self) -> None:
        for key in self.given:
            if key not in self.known:
                near = get_close_matches(key, self.known, 1)
                hint = f"did you mean “{near[0]}”?" if near else f"there are {', '.join(self.known)}"
                self.refuse((key,), f"there is no “{key}” here; {hint}")


def read_flow_file(document: Document) -> FlowFile:
    """What a document says, with all that is wrong with it in `problems`."""
    file = FlowFile(document=document)
    top = Fields(file, document.value, ())
    if not isinstance(document.value, dict):
        return file
    limits = top.inner("limits", top.take("limits"))
    file.fields = {
        "name": top.text("name", is_required=True).strip(),
        "description": top.text("description"),
        "checkpoint_mode": top.word("checkpoints", CheckpointMode.values, CheckpointMode.TEMPLATE.value),
        "run_mode": top.word("mode", RunMode.values, RunMode.INTERACTIVE.value),
        "max_turns": limits.limit("turns"),
        "max_minutes": limits.limit("minutes"),
        "repo_path": top.text("repo_path").strip(),
        "wants_review": top.typed("review", bool, False),
        "parameters": tuple(_read_parameters(top)),
    }
    limits.end()
    file.initiative, file.plan = top.text("initiative"), top.text("plan")
    file.approvers = top.texts("approvers")
    file.skills = dict(_read_skills(top))
    file.steps = list(_read_steps(top))
    triggers = top.typed("triggers", list, [])
    if top.given.get("triggers") is not None:
        file.triggers = [_read_trigger(top, place, value) for place, value in enumerate(triggers)]
    top.end()
    return file


def _read_parameters(top: Fields) -> Iterator[ParameterDesign]:
    given = top.typed("parameters", dict, {})
    all_of_them = top.inner("parameters", given)
    for name, value in given.items():
        one = all_of_them.inner(name, value)
        yield ParameterDesign(
            name=name,
            type=one.word("type", ["string", "number", "boolean"], "string"),
            required=one.typed("required", bool, False),
            default=one.take("default"),
            hidden=one.typed("hidden", bool, False),
        )
        one.end()


def _read_skills(top: Fields) -> Iterator[tuple[str, FileSkill]]:
    given = top.typed("skills", dict, {})
    all_of_them = top.inner("skills", given)
    for name, value in given.items():
        one = all_of_them.inner(name, value)
        yield (
            name,
            FileSkill(
                runtime=one.word("runtime", Runtime.values, Runtime.SHELL.value),
                body=one.text("body", is_required=True),
                description=one.text("description"),
            ),
        )
        one.end()


def _read_trigger(top: Fields, place: int, value: JSON) -> FileTrigger:
    one = Fields(top.file, value, ("triggers", place))
    made = FileTrigger(
        cron=one.text("cron", is_required=True),
        time_zone=one.text("time_zone") or "UTC",
        owner=one.text("owner", is_required=True).strip().lower(),
        parameters=one.typed("parameters", dict, {}),
        skips_overlap=one.typed("skips_overlap", bool, False),
        is_paused=one.typed("paused", bool, False),
    )
    one.end()
    return made


def _read_steps(top: Fields) -> Iterator[FileStep]:
    steps = top.typed("steps", list, [])
    if not steps:
        top.refuse(("steps",), "a flow has at least one step")
    for place, value in enumerate(steps):
        one = Fields(top.file, value, ("steps", place))
        parameters = one.typed("parameters", dict, {})
        fields = {
            "name": one.text("name", is_required=True).strip(),
            "parameters": parameters,
            **_read_checkpoint(one),
            "condition": one.text("condition"),
            **_read_on_failure(one),
            "backoff_seconds": one.typed("backoff_seconds", int, 1),
            "artifacts": tuple(one.texts("artifacts")),
        }
        yield FileStep(skill=one.text("skill", is_required=True), profile=one.text("profile"), fields=fields)
        one.end()


def _read_checkpoint(one: Fields) -> dict[str, Any]:
    """`checkpoint: true`, or the message; a message alone is for runs that stop before every step."""
    checkpoint, message = one.take("checkpoint"), one.text("checkpoint_message")
    if isinstance(checkpoint, str):
        if message:
            one.refuse(("checkpoint_message",), "the message stands at “checkpoint” already")
        return {"has_checkpoint": True, "checkpoint_message": checkpoint}
    if checkpoint is not None and not isinstance(checkpoint, bool):
        one.refuse(("checkpoint",), "this has to be true, false, or the message that is shown")
    return {"has_checkpoint": checkpoint is True, "checkpoint_message": message}


def _read_on_failure(one: Fields) -> dict[str, Any]:
    """`stop`, `skip`, `{fallback: NAME}` or `{retry: TIMES}`."""
    value = one.take("on_failure")
    if value is None or value in (OnFailure.STOP, OnFailure.SKIP):
        return {"on_failure": str(value or OnFailure.STOP.value)}
    if not isinstance(value, dict) or len(value) != 1:
        one.refuse(("on_failure",), "this has to be stop, skip, {fallback: STEP} or {retry: TIMES}")
        return {}
    how = one.inner("on_failure", value)
    step, times = how.text("fallback"), how.typed("retry", int, 0)
    how.end()
    if "retry" in value:
        return {"on_failure": OnFailure.RETRY.value, "max_retries": times}
    return {"on_failure": OnFailure.FALLBACK.value, "fallback_step": step} if "fallback" in value else {}
