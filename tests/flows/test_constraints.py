"""What the database itself refuses about flows, whoever writes."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from tests.factories.chats import ChatFactory
from tests.factories.flows import FlowFactory, FlowRunFactory, FlowStepFactory, StepRunFactory
from tests.factories.tasks import BackgroundTaskFactory

pytestmark = pytest.mark.django_db


def refused(constraint: str, make, **fields) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        make(**fields)


def test_a_flows_name_stands_once_in_a_workspace_whatever_its_case():
    flow = FlowFactory(name="Release")
    refused("flow_name_once", FlowFactory, tenant=flow.tenant, name="RELEASE")
    FlowFactory(name="Release")


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("flow_scope_known", {"scope": "moon"}),
        ("flow_checkpoint_mode_known", {"checkpoint_mode": "some"}),
        ("flow_run_mode_known", {"run_mode": "fast"}),
    ],
)
def test_a_flow_has_known_modes(constraint, fields):
    refused(constraint, FlowFactory, **fields)


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("flowstep_position_once", {"position": 1, "name": "new"}),
        ("flowstep_name_once", {"position": 4, "name": "fetch"}),
        ("flowstep_position_from_1", {"position": 0, "name": "new"}),
        ("flowstep_on_failure_known", {"position": 4, "name": "new", "on_failure": "shrug"}),
        ("flowstep_fallback_is_named", {"position": 4, "name": "new", "on_failure": "fallback"}),
    ],
)
def test_a_step_stands_once_by_position_and_name(constraint, fields):
    refused(constraint, FlowStepFactory, flow=FlowFactory(), **fields)


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("flowrun_status_known", {"status": "lost"}),
        ("flowrun_step_within_count", {"step_position": 0}),
        ("flowrun_step_within_count", {"step_position": 4}),
        ("flowrun_paused_at_a_checkpoint", {"status": "paused"}),
        ("flowrun_paused_at_a_checkpoint", {"status": "paused", "checkpoint_hash": "0" * 64}),
        ("flowrun_paused_at_a_checkpoint", {"status": "paused", "waiting_since": timezone.now()}),
        ("flowrun_paused_at_a_checkpoint", {"status": "running", "checkpoint_hash": "0" * 64}),
    ],
)
def test_a_run_stands_within_its_steps_and_pauses_only_at_a_checkpoint(constraint, fields):
    refused(constraint, FlowRunFactory, **fields)


def test_an_attempt_of_a_step_stands_once():
    run = FlowRunFactory()
    refused("steprun_once_per_attempt", StepRunFactory, run=run, position=1)
    refused("steprun_status_known", StepRunFactory, run=run, position=1, attempt=2, status="lost")


@pytest.mark.parametrize(
    ("constraint", "make", "fields"),
    [
        ("flowrun_run_mode_known", FlowRunFactory, {"run_mode": "nonsense"}),
        ("flowrun_origin_known", FlowRunFactory, {"origin": "nonsense"}),
        ("task_origin_known", BackgroundTaskFactory, {"origin": "nonsense"}),
        ("chat_origin_known", ChatFactory, {"origin": "nonsense"}),
    ],
)
def test_a_session_has_a_known_origin_and_a_run_a_known_mode(constraint, make, fields):
    refused(constraint, make, **fields)
