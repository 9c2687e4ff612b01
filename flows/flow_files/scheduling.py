"""The schedules of a flow's file: those that the flow has become those that the file names."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import ValidationError

from audit.services import redact_value
from flows.design import FlowDesign, read_values
from flows.flow_files.schema import FileTrigger, FlowFile
from flows.models import Flow, FlowTrigger
from flows.schedules import check_schedule
from flows.triggers import create_trigger, delete_trigger, pause_trigger
from workspace.actors import Actor
from workspace.models import Membership

__all__ = ["check_triggers", "store_triggers"]


def check_triggers(file: FlowFile, tenant_id: uuid.UUID, design: FlowDesign) -> None:
    """Note what is wrong with the schedules of a file."""
    owners = _owners(file, tenant_id)
    for place, trigger in enumerate(file.triggers or []):
        if trigger.owner and trigger.owner not in owners:
            text = f"{trigger.owner} is no member of this workspace who may run things"
            file.refuse(("triggers", place, "owner"), text)
        try:
            check_schedule(trigger.cron, trigger.time_zone)
        except ValidationError as wrong:
            for field, texts in wrong.message_dict.items():
                file.refuse(("triggers", place, field), " ".join(texts))
        try:
            read_values(design.parameters, trigger.parameters)
        except ValidationError as wrong:
            for name, texts in wrong.message_dict.items():
                file.refuse(("triggers", place, "parameters", name), " ".join(texts))


def store_triggers(file: FlowFile, flow: Flow, actor: Actor) -> int:
    """Make the schedules that are not there and delete those that the file has not; returns how many.

    A file that says nothing of schedules leaves them alone. The times of those that stay are not touched.
    """
    if file.triggers is None:
        return 0
    owners = _owners(file, flow.tenant_id)
    rows = FlowTrigger.objects.for_tenant(flow.tenant_id).filter(flow=flow).order_by("pk")
    left, count = list(rows), 0
    for given in file.triggers:
        owner_id = owners[given.owner]
        wanted = _identity_of_file(given, flow, owner_id)
        found = next((row for row in left if _identity(row) == wanted), None)
        if found is not None:
            left.remove(found)
            continue
        made = create_trigger(
            tenant_id=flow.tenant_id,
            flow_id=flow.pk,
            owner_id=owner_id,
            actor=actor,
            cron=given.cron,
            time_zone=given.time_zone,
            parameters=given.parameters,
            skips_overlap=given.skips_overlap,
        )
        if given.is_paused:
            pause_trigger(tenant_id=flow.tenant_id, trigger_id=made.pk, actor=actor)
        count += 1
    for row in left:
        delete_trigger(tenant_id=flow.tenant_id, trigger_id=row.pk, actor=actor)
    return count + len(left)


def _owners(file: FlowFile, tenant_id: uuid.UUID) -> dict[str, uuid.UUID]:
    if not file.triggers:
        return {}
    members = Membership.objects.for_tenant(tenant_id).select_related("user")
    # Compared here: what stands in a file may be no text that the database takes.
    wanted = {trigger.owner for trigger in file.triggers}
    return {m.user.email: m.user_id for m in members if m.can_run and m.user.email in wanted}


def _identity(row: FlowTrigger) -> tuple[Any, ...]:
    is_paused = row.paused_at is not None
    return row.cron, row.time_zone, row.owner_id, row.parameters, row.skips_overlap, is_paused


def _identity_of_file(given: FileTrigger, flow: Flow, owner_id: uuid.UUID) -> tuple[Any, ...]:
    parameters = redact_value(tenant_id=flow.tenant_id, value=given.parameters)
    cron = " ".join(given.cron.split())
    return cron, given.time_zone, owner_id, parameters, given.skips_overlap, given.is_paused
