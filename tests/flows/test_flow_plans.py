"""The list of flows reads by its indexes, a page of flows with the steps and the last run of each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.db import connection, transaction
from django.test import RequestFactory
from django.utils import timezone

from bench.plans import explain, statements_of
from flows.flow_views import PAGE_SIZE, list_flows
from flows.models import Flow, FlowRun, FlowStep
from tests.factories.agents import SkillFactory
from tests.factories.workspace import MembershipFactory
from workspace.access import MemberRequest
from workspace.models import Tenant

pytestmark = pytest.mark.django_db

FLOWS, RUNS = 1_500, 4


def seed(member: Any) -> None:
    tenant, now = member.tenant, timezone.now()
    skill = SkillFactory(tenant=tenant)
    flows = Flow.objects.bulk_create(Flow(tenant=tenant, name=f"Flow {n:05}") for n in range(FLOWS))
    FlowStep.objects.bulk_create(
        FlowStep(tenant=tenant, flow=flow, position=n, name=f"s{n}", skill=skill)
        for flow in flows
        for n in (1, 2, 3)
    )
    FlowRun.objects.bulk_create(
        FlowRun(
            tenant=tenant,
            owner=member.user,
            flow=flow,
            flow_version=1,
            snapshot={},
            title="Run",
            status="completed",
            step_count=3,
            changed_at=now - timedelta(minutes=n),
        )
        for flow in flows
        for n in range(RUNS)
    )


@pytest.fixture(scope="module")
def tenant(django_db_setup: None, django_db_blocker: Any) -> Iterator[Tenant]:
    """One of two workspaces that are the same size."""
    with django_db_blocker.unblock(), transaction.atomic():
        members = [MembershipFactory(), MembershipFactory()]
        for member in members:
            seed(member)
        analyze()
        yield members[0].tenant
        transaction.set_rollback(True)
    with django_db_blocker.unblock():
        # What the planner has learnt outlives the rollback.
        analyze()


def analyze() -> None:
    with connection.cursor() as cursor:
        for model in (Flow, FlowStep, FlowRun):
            cursor.execute(f"ANALYZE {model._meta.db_table}")


@pytest.mark.parametrize("query", [{}, {"after": "flow 00700"}])
def test_a_page_of_flows_reads_in_proportion_to_the_page(tenant: Tenant, query: dict[str, str]):
    request = RequestFactory().get("/", query)
    request.seat = SimpleNamespace(tenant=tenant)
    rows = list_flows(cast(MemberRequest, request), is_archived=False)[: PAGE_SIZE + 1]
    [statement] = statements_of(lambda: list(rows))
    plan = explain(statement)
    assert plan.scanned <= {"workspace_initiative", "workspace_plan"}
    assert {"flow_name_once", "flowrun_by_flow"} <= plan.indexes
    assert plan.rows_read < (PAGE_SIZE + 1) * (1 + 3 + RUNS) * 2
