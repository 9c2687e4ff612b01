"""What a step is performed with: its runtime, its folder, secrets, and what is left of its limits."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.expressions import ExpressionError, MissingValue, fill
from agents.folders import Prepared, RepositoryRefused, prepare_folder, session_folder
from agents.runtimes import Limits, Runtime, RuntimeNotThere, Work
from audit.entries import JSON
from audit.models import MessageUsage
from audit.redaction import Redactor
from flows.deciding import values_of
from flows.leases import KIND
from flows.models import FlowRun, StepRun
from workspace.secrets import open_secrets

__all__ = [
    "Assignment",
    "FindRuntime",
    "LimitPassed",
    "Missing",
    "find_limits",
    "make_assignment",
    "open_folder",
]

MB = 1 << 20
KB = 1 << 10

type FindRuntime = Callable[[str], Runtime]


class Missing(Exception):
    """Something that a person must provide before the step can begin; the message says what."""


class LimitPassed(Exception):
    """The run has used up what its flow allows; the message says what to raise."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A step's work and the runtime that does it."""

    runtime: Runtime
    work: Work


def open_folder(run: FlowRun, steps: Sequence[StepRun]) -> Prepared:
    """The run's folder, made if it is not there. Raises `Missing`."""
    path = session_folder(run.tenant_id, run.pk)
    try:
        repo_path = str(fill(run.snapshot["flow"].get("repo_path", ""), values_of(run, steps)))
        return prepare_folder(path, repo_path=repo_path, workspace=run.tenant.slug if repo_path else "")
    except (MissingValue, ExpressionError) as error:
        raise Missing(f"the repository of this run is not known: {error}") from error
    except RepositoryRefused as error:
        raise Missing(str(error)) from error
    except OSError as error:
        raise Missing(f"the run's folder {path} cannot be made: {error.strerror or error}") from error


def make_assignment(
    run: FlowRun,
    step: StepRun,
    *,
    arguments: Mapping[str, JSON],
    folder: Path,
    redactor: Redactor,
    find_runtime: FindRuntime,
) -> Assignment:
    """The work of the step's attempt, without limits. Raises `Missing` for whatever is not configured."""
    design = run.snapshot["steps"][step.position - 1]
    profile = design["profile"] or {}
    work = Work(
        tenant_id=run.tenant_id,
        key=f"step:{step.position}:{step.attempt}",
        body=design["skill"]["body"],
        folder=folder,
        redactor=redactor,
        arguments=arguments,
        environment=_open_environment(run.tenant_id, profile),
        model=profile.get("model", ""),
        sandbox=profile.get("sandbox", ""),
        profile=profile.get("name", ""),
    )
    try:
        runtime = find_runtime(design["skill"]["runtime"])
    except RuntimeNotThere as error:
        raise Missing(str(error)) from error
    if missing := runtime.find_missing(work):
        raise Missing(missing)
    return Assignment(runtime, work)


def find_limits(run: FlowRun, step: StepRun, steps: Sequence[StepRun]) -> Limits:
    """What the step's attempt may still use: the profile's limits, and what is left of those of the flow.

    Time counts while steps are at work, not while the run waits for a person. Raises `LimitPassed`.
    """
    flow = run.snapshot["flow"]
    profile = run.snapshot["steps"][step.position - 1]["profile"] or {}
    seconds, turns = _times(profile.get("max_minutes"), 60), profile.get("max_turns")
    if flow["max_minutes"]:
        left = flow["max_minutes"] * 60 - sum(map(_seconds_of, steps))
        if left <= 0:
            raise LimitPassed(
                f"The run has used its {flow['max_minutes']} minutes. "
                "Raise the flow's limit on minutes and start it again."
            )
        seconds = min(left, seconds or left)
    if flow["max_turns"]:
        left = flow["max_turns"] - _count_turns(run)
        if left <= 0:
            raise LimitPassed(
                f"The run has used its {flow['max_turns']} turns. "
                "Raise the flow's limit on turns and start it again."
            )
        turns = min(left, turns or left)
    return Limits(
        seconds=seconds,
        memory_bytes=_times(profile.get("max_memory_mb"), MB),
        output_bytes=_times(profile.get("max_output_kb"), KB),
        turns=turns,
    )


def _times(count: int | None, unit: int) -> int | None:
    return count * unit if count else None


def _seconds_of(attempt: StepRun) -> float:
    """How long an attempt was at work; when the end of one that was cut off was noticed says nothing."""
    if attempt.started_at is None or attempt.finished_at is None or attempt.was_cut_off:
        return 0.0
    return (attempt.finished_at - attempt.started_at).total_seconds()


def _count_turns(run: FlowRun) -> int:
    messages = MessageUsage.objects.for_tenant(run.tenant_id)
    return messages.filter(transcript__session_kind=KIND, transcript__session_id=run.pk).count()


def _open_environment(tenant_id: uuid.UUID, profile: Mapping[str, Any]) -> dict[str, str]:
    names = profile.get("env_secret_names", [])
    if not names:
        return {}
    values = open_secrets(tenant_id=tenant_id, names=names)
    if unknown := [name for name in names if name not in values]:
        raise Missing(
            f"the profile “{profile['name']}” names {', '.join(unknown)}, and this workspace has no "
            "such secret: an admin registers it on the page of the workspace's secrets"
        )
    return values
