"""Writes to a person's account by whoever operates the installation.

An account belongs to no workspace: what is done to it is put on record in each workspace that the person is a
member of, so that its admins see it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from audit.services import record
from sessions_app.kinds import IllegalMove
from sessions_app.live import announce_access
from workspace.actors import Actor
from workspace.models import Membership, User
from workspace.services import create_sign_in_link

__all__ = [
    "change_account",
    "deactivate_user",
    "hand_out_sign_in_link",
    "make_operator",
    "reactivate_user",
    "set_password",
    "take_operator_access",
]


@transaction.atomic
def change_account(*, user_id: uuid.UUID, values: Mapping[str, Any], actor: Actor) -> User:
    """Change address, name or time zone. Raises ValidationError by field."""
    user = _lock(user_id)
    changes = {name: (getattr(user, name), value) for name, value in values.items()}
    for name, value in values.items():
        setattr(user, name, value)
    user.email = user.email.lower()
    user.full_clean(exclude=["password"])
    user.save(update_fields=list(values))
    _record(user, "change_account", actor, changes)
    return user


@transaction.atomic
def set_password(*, user_id: uuid.UUID, password: str | None, actor: Actor) -> User:
    """A new password, or none any more (None): then only links sign in. Ends signed-in sessions."""
    user = _lock(user_id)
    user.set_password(password)
    user.save(update_fields=["password"])
    _record(user, "set_password" if password else "remove_password", actor, {})
    announce_access()
    return user


@transaction.atomic
def deactivate_user(*, user_id: uuid.UUID, actor: Actor) -> User:
    """Shut a person out everywhere at once: sessions, links and tokens. What they did stays on record.

    Raises IllegalMove if they are shut out already, ValidationError for the last operator.
    """
    operators = _lock_operators()
    user = _lock(user_id)
    if not user.is_active:
        raise _illegal(user, "deactivate_user", status="inactive", allowed="reactivate_user")
    _refuse_to_lose_the_last_operator(user, operators)
    user.is_active = False
    user.save(update_fields=["is_active"])
    _record(user, "deactivate_user", actor, {"is_active": (True, False)})
    announce_access()
    return user


@transaction.atomic
def reactivate_user(*, user_id: uuid.UUID, actor: Actor) -> User:
    """Let a deactivated person in again, with the roles that they had."""
    user = _lock(user_id)
    if user.is_active:
        raise _illegal(user, "reactivate_user", status="active", allowed="deactivate_user")
    user.is_active = True
    user.save(update_fields=["is_active"])
    _record(user, "reactivate_user", actor, {"is_active": (False, True)})
    return user


@transaction.atomic
def make_operator(*, user_id: uuid.UUID, actor: Actor) -> User:
    """Let a person into the admin, over all workspaces."""
    user = _lock(user_id)
    if user.is_superuser:
        raise _illegal(user, "make_operator", status="an operator", allowed="take_operator_access")
    _save_rank(user, is_operator=True, action="make_operator", actor=actor)
    return user


@transaction.atomic
def take_operator_access(*, user_id: uuid.UUID, actor: Actor) -> User:
    """Make an operator an ordinary person again. Raises ValidationError for the last one."""
    operators = _lock_operators()
    user = _lock(user_id)
    if not user.is_superuser:
        raise _illegal(user, "take_operator_access", status="no operator", allowed="make_operator")
    _refuse_to_lose_the_last_operator(user, operators)
    _save_rank(user, is_operator=False, action="take_operator_access", actor=actor)
    return user


@transaction.atomic
def hand_out_sign_in_link(*, user_id: uuid.UUID, actor: Actor) -> str:
    """The token of a fresh link that signs this person in. Raises IllegalMove for one who is deactivated."""
    user = _lock(user_id)
    if not user.is_active:
        raise _illegal(user, "hand_out_sign_in_link", status="inactive", allowed="reactivate_user")
    token = create_sign_in_link(email=user.email)
    _record(user, "hand_out_sign_in_link", actor, {})
    return token


def _lock(user_id: uuid.UUID) -> User:
    return User.objects.select_for_update(no_key=True).get(pk=user_id)


def _save_rank(user: User, *, is_operator: bool, action: str, actor: Actor) -> None:
    user.is_staff = user.is_superuser = is_operator
    user.save(update_fields=["is_staff", "is_superuser"])
    _record(user, action, actor, {"is_superuser": (not is_operator, is_operator)})


def _lock_operators() -> list[User]:
    """Every operator, locked in order, so that two who take each other's access cannot both succeed."""
    operators = User.objects.select_for_update(no_key=True).filter(is_superuser=True, is_active=True)
    return list(operators.order_by("pk"))


def _refuse_to_lose_the_last_operator(user: User, operators: list[User]) -> None:
    if user in operators and len(operators) == 1:
        raise ValidationError("This is the last operator: make somebody else an operator first.")


def _illegal(user: User, tried: str, *, status: str, allowed: str) -> IllegalMove:
    return IllegalMove(subject=user.email, tried=tried, status=status, allowed=[allowed])


def _record(user: User, action: str, actor: Actor, changes: Mapping[str, tuple[Any, Any]]) -> None:
    for tenant_id in Membership.objects.filter(user=user).values_list("tenant_id", flat=True):
        record(
            tenant_id=tenant_id,
            actor=actor,
            action=action,
            object_kind="user",
            object_id=user.pk,
            object_title=user.email,
            changes=changes,
        )
