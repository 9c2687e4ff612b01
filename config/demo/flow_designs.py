"""The flows of the demo's team."""

from __future__ import annotations

from config.demo.real_flows import real_designs
from config.demo.repository import NAME
from config.demo.stage import Stage
from flows.design import FlowDesign, ParameterDesign, StepDesign
from flows.models import Flow
from flows.services import create_flow

__all__ = ["make_flows"]


def make_flows(stage: Stage) -> dict[str, Flow]:
    designs = {
        "ship": _ship_a_change(stage),
        "update": _update_dependencies(stage),
        "incident": _review_an_incident(stage),
        **real_designs(stage, NAME),
    }
    actor = stage.actor("owner")
    return {
        key: create_flow(tenant_id=stage.tenant_id, actor=actor, design=design)
        for key, design in designs.items()
    }


def _ship_a_change(stage: Stage) -> FlowDesign:
    skills, profiles = stage.skills, stage.profiles
    agent, shell = profiles["workstation"].pk, profiles["shell"].pk
    return FlowDesign(
        name="Ship a change with agents",
        description="From a ticket to production; a person is asked before the merge and the deploy.",
        parameters=(
            ParameterDesign(name="ticket", required=True),
            ParameterDesign(name="environment", default="staging"),
        ),
        steps=(
            StepDesign(name="survey", skill_id=skills["survey"].pk, profile_id=agent),
            StepDesign(name="implement", skill_id=skills["implement"].pk, profile_id=agent),
            StepDesign(
                name="test", skill_id=skills["test"].pk, on_failure="retry", max_retries=2, profile_id=shell
            ),
            StepDesign(
                name="review",
                skill_id=skills["review"].pk,
                profile_id=profiles["cloud"].pk,
                has_checkpoint=True,
                checkpoint_message="Read the diff, then let it be reviewed and merged.",
            ),
            StepDesign(
                name="deploy",
                skill_id=skills["deploy"].pk,
                has_checkpoint=True,
                checkpoint_message="Deploy it?",
                profile_id=shell,
            ),
        ),
        max_minutes=120,
    )


def _update_dependencies(stage: Stage) -> FlowDesign:
    skills, profiles = stage.skills, stage.profiles
    cloud = profiles["cloud"].pk
    return FlowDesign(
        name="Weekly dependency update",
        description="Every Monday: raise the pins, run the tests, open a pull request.",
        parameters=(
            ParameterDesign(name="repo", required=True),
            ParameterDesign(name="include_major", type="boolean", default=False),
        ),
        steps=(
            StepDesign(name="collect", skill_id=skills["survey"].pk, profile_id=cloud),
            StepDesign(name="update", skill_id=skills["update"].pk, profile_id=cloud),
            StepDesign(name="test", skill_id=skills["test"].pk, profile_id=profiles["shell"].pk),
            StepDesign(
                name="pull-request",
                skill_id=skills["pull-request"].pk,
                condition='steps.test.status == "completed"',
            ),
        ),
        run_mode="background",
        max_turns=80,
    )


def _review_an_incident(stage: Stage) -> FlowDesign:
    skills, profiles = stage.skills, stage.profiles
    return FlowDesign(
        name="Incident review",
        description="Logs, a timeline without blame, and a page that the owner publishes.",
        parameters=(
            ParameterDesign(name="service", required=True),
            ParameterDesign(name="hours", type="number", default=6),
        ),
        steps=(
            StepDesign(name="logs", skill_id=skills["logs"].pk, profile_id=profiles["shell"].pk),
            StepDesign(
                name="timeline", skill_id=skills["timeline"].pk, profile_id=profiles["workstation"].pk
            ),
            StepDesign(
                name="publish",
                skill_id=skills["pull-request"].pk,
                has_checkpoint=True,
                checkpoint_message="Publish this page to everyone in the company?",
            ),
        ),
        plan_id=stage.plans["webhooks"].pk,
        approver_ids=frozenset({stage.people["owner"].pk}),
    )
