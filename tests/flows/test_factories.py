"""The factories make flows and runs that the database takes, in every status."""

from __future__ import annotations

import pytest

from flows.models import FlowRun, RunStatus, StepRun
from tests.factories.flows import FlowFactory, FlowRunFactory, StepRunFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("status", RunStatus)
def test_a_run_can_be_made_in_each_status(status):
    run = FlowRunFactory(**{status.value: True})
    run.refresh_from_db()
    assert run.status == status
    assert run.step_runs.count() == run.step_count == 3


def test_a_run_and_all_under_it_are_of_one_tenant():
    run = FlowRunFactory()
    owners = {run.tenant, run.flow.tenant, run.owner.memberships.get().tenant}
    owners |= {step.skill.tenant for step in run.flow.steps.all()}
    assert owners == {run.tenant}
    assert set(StepRun.objects.values_list("tenant", flat=True)) == {run.tenant_id}


def test_a_flow_can_have_more_steps_and_a_step_more_attempts():
    run = FlowRunFactory(flow__step_count=5, running=True)
    StepRunFactory(run=run, position=2, name="build", attempt=2)
    assert FlowRun.objects.get().step_count == 5
    assert FlowFactory(tenant=run.tenant).steps.count() == 3
