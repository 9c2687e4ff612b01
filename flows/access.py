"""Who may do what to a flow and to a run. Viewers only read, strangers find nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.models import Flow, FlowRun, FlowTrigger

if TYPE_CHECKING:
    from workspace.models import Membership

__all__ = ["can_control", "can_decide", "can_design", "can_manage_trigger"]


def can_decide(run: FlowRun, member: Membership) -> bool:
    """Whether this member may decide the run's checkpoints: anyone who runs, or those whom the flow names."""
    if member.tenant_id != run.tenant_id or not member.can_run:
        return False
    return not run.approver_ids or member.user_id in run.approver_ids


def can_control(run: FlowRun, member: Membership) -> bool:
    """Whether this member may cancel, resume and retry the run: its owner and admins."""
    if member.tenant_id != run.tenant_id or not member.can_run:
        return False
    return member.user_id == run.owner_id or member.can_manage


def can_manage_trigger(trigger: FlowTrigger, member: Membership) -> bool:
    """Whether this member may change, pause, resume, use and delete the trigger: its owner and admins."""
    if member.tenant_id != trigger.tenant_id or not member.can_run:
        return False
    return member.user_id == trigger.owner_id or member.can_manage


def can_design(member: Membership, flow: Flow | None = None) -> bool:
    """Whether this member may make flows, and change, archive and restore this one: whoever may run them.

    What a flow does is bounded by the profiles that it may name, and those are for admins to make.
    """
    return member.can_run and (flow is None or flow.tenant_id == member.tenant_id)
