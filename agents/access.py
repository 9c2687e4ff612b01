"""Who may do what to skills and profiles. All members read them, strangers find nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.models import Profile, Skill

if TYPE_CHECKING:
    from workspace.models import Membership

__all__ = ["can_define"]


def can_define(member: Membership, row: Skill | Profile | None = None) -> bool:
    """Whether this member may make skills and profiles, and change, archive and delete this one: admins.

    They say what is done on the worker's machine, and with which secrets.
    """
    return member.can_manage and (row is None or row.tenant_id == member.tenant_id)
