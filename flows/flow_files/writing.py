"""A flow becomes a file that, loaded again, changes nothing."""

from __future__ import annotations

import re
from typing import Any

import yaml

from audit.entries import JSON
from flows.design import ParameterDesign
from flows.flow_files.reading import core_resolvers
from flows.models import CheckpointMode, Flow, FlowStep, FlowTrigger, OnFailure, RunMode
from workspace.models import User

__all__ = ["dump_flow", "write_yaml"]

#: Texts that a literal block holds as they are.
PLAIN_BLOCK = re.compile(r"[^\s\x00-\x1f](?:[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]|\n)*")
#: Breaks of lines and control characters.
ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")


def dump_flow(flow: Flow) -> str:
    """The file of a flow with its skills. What is as by default is left out."""
    steps = list(flow.steps.select_related("skill", "profile").order_by("position"))
    skills = {step.skill.name: step.skill for step in steps}
    approvers = User.objects.filter(pk__in=flow.approver_ids).order_by("email")
    told: dict[str, Any] = {
        "name": flow.name,
        "description": flow.description,
        "initiative": flow.initiative.name if flow.initiative else "",
        "plan": flow.plan.name if flow.plan else "",
        "checkpoints": _unless(flow.checkpoint_mode, CheckpointMode.TEMPLATE),
        "mode": _unless(flow.run_mode, RunMode.INTERACTIVE),
        "limits": _told({"turns": flow.max_turns, "minutes": flow.max_minutes}),
        "repo_path": flow.repo_path,
        "review": flow.wants_review,
        "approvers": [user.email for user in approvers],
        "parameters": {parameter["name"]: _parameter(parameter) for parameter in flow.parameters},
        "steps": [_step(step) for step in steps],
        "triggers": [_trigger(trigger) for trigger in flow.triggers.select_related("owner").order_by("pk")],
        "skills": {
            name: {
                "runtime": skill.runtime,
                **_told({"description": skill.description}),
                "body": skill.body,
            }
            for name, skill in skills.items()
        },
    }
    return write_yaml(_told(told))


def write_yaml(value: JSON) -> str:
    """The value as YAML that `read_yaml` reads as the same value; texts of several lines stand as such."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)


def _parameter(stored: dict[str, Any]) -> dict[str, Any]:
    parameter = ParameterDesign.from_json(stored)
    told = _told({"type": _unless(parameter.type, "string"), "required": parameter.required})
    default = {} if parameter.default is None else {"default": parameter.default}
    return {**told, **default, **_told({"hidden": parameter.hidden})}


def _step(step: FlowStep) -> dict[str, Any]:
    asks_with_message = step.has_checkpoint and step.checkpoint_message
    return _told(
        {
            "name": step.name,
            "skill": step.skill.name,
            "profile": step.profile.name if step.profile else "",
            "parameters": step.parameters,
            "checkpoint": step.checkpoint_message if asks_with_message else step.has_checkpoint,
            "checkpoint_message": "" if asks_with_message else step.checkpoint_message,
            "condition": step.condition,
            "on_failure": _on_failure(step),
            "backoff_seconds": None if step.backoff_seconds == 1 else step.backoff_seconds,
            "artifacts": list(step.artifacts),
        }
    )


def _trigger(trigger: FlowTrigger) -> dict[str, Any]:
    return _told(
        {
            "cron": trigger.cron,
            "time_zone": _unless(trigger.time_zone, "UTC"),
            "owner": trigger.owner.email,
            "parameters": trigger.parameters,
            "skips_overlap": trigger.skips_overlap,
            "paused": trigger.paused_at is not None,
        }
    )


def _on_failure(step: FlowStep) -> object:
    match step.on_failure:
        case OnFailure.FALLBACK:
            return {"fallback": step.fallback_step}
        case OnFailure.RETRY:
            return {"retry": step.max_retries}
    return _unless(step.on_failure, OnFailure.STOP)


def _unless(value: str, default: str) -> str:
    return "" if value == default else value


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is nothing."""
    return {
        key: value
        for key, value in values.items()
        if value is not None and value is not False and value not in ("", [], {})
    }


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = core_resolvers()

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if "\n" in text and PLAIN_BLOCK.fullmatch(text) and " \n" not in text and text[-1] != " ":
        style = "|"
    elif ODD.search(text):
        # Every other style folds or loses one of these.
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _write_text)
