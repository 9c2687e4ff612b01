"""Two people take the same name at the same instant: one has it, the other is told, by field."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from agents.services import create_skill
from audit.models import AuditEntry
from flows.services import create_flow, read_design
from tests.factories.workspace import TenantFactory
from tests.flows.worlds import World
from workspace.actors import SYSTEM
from workspace.models import Initiative, Secret
from workspace.records import change_record
from workspace.services import create_initiative, set_secret

pytestmark = pytest.mark.django_db(transaction=True)


def take_together(*calls: Callable[[], Any]) -> list[Any]:
    """What each call gives on a thread and connection of its own; a refusal as its fields."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            gate.wait(timeout=10)
            return call()
        except ValidationError as refused:
            return list(refused.message_dict)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, call) for call in calls]]


def assert_one_took_the_name(results: list[Any]) -> None:
    assert sum(result == ["name"] for result in results) == len(results) - 1


def test_one_of_two_initiatives_gets_the_name() -> None:
    tenant = TenantFactory()
    for round_ in range(5):
        assert_one_took_the_name(
            take_together(
                *(
                    lambda name=name: create_initiative(tenant_id=tenant.pk, name=name, actor=SYSTEM)
                    for name in (f"Payments {round_}", f"payments {round_}")
                )
            )
        )


def test_one_of_two_skills_gets_the_name() -> None:
    key = {"tenant_id": TenantFactory().pk, "actor": SYSTEM, "runtime": "shell", "body": "make"}
    for round_ in range(5):
        assert_one_took_the_name(
            take_together(*[lambda round_=round_: create_skill(**key, name=f"Build {round_}")] * 2)
        )


def test_one_of_two_initiatives_that_are_renamed_gets_the_name() -> None:
    tenant = TenantFactory()
    for round_ in range(5):
        pair = [
            create_initiative(tenant_id=tenant.pk, name=f"{word} {round_}", actor=SYSTEM)
            for word in ("One", "Two")
        ]
        assert_one_took_the_name(
            take_together(
                *(
                    lambda row=row, name=f"Three {round_}": change_record(
                        row, values={"name": name}, actor=SYSTEM
                    )
                    for row in pair
                )
            )
        )
        assert Initiative.objects.filter(name=f"Three {round_}").count() == 1


def test_one_of_two_flows_gets_the_name() -> None:
    world = World()
    design = read_design(world.flow)
    for round_ in range(5):
        named = replace(design, name=f"Nightly {round_}")
        assert_one_took_the_name(
            take_together(
                *[lambda named=named: create_flow(tenant_id=world.tenant.pk, actor=world.actor, design=named)]
                * 2
            )
        )


def test_a_secret_that_two_set_at_once_is_made_once_and_rotated_once() -> None:
    tenant = TenantFactory()
    for round_ in range(5):
        take_together(
            *(
                lambda value=value, name=f"KEY_{round_}": set_secret(
                    tenant_id=tenant.pk, name=name, value=value, actor=SYSTEM
                )
                for value in (uuid.uuid4().hex, uuid.uuid4().hex)
            )
        )
    assert Secret.objects.count() == 5
    actions = [entry.action for entry in AuditEntry.objects.for_tenant(tenant.pk)]
    assert (actions.count("create_secret"), actions.count("rotate_secret")) == (5, 5)
