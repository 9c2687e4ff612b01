"""Every write to what a tenant is made of."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from audit.services import record
from sessions_app.kinds import IllegalMove
from sessions_app.live import announce_access
from workspace.actors import SYSTEM, Actor
from workspace.models import Initiative, Membership, Plan, Role, SignInLink, Tenant, User
from workspace.records import create_record, lock_tenant
from workspace.sealing import make_tenant_key
from workspace.secrets import set_secret
from workspace.tokens import revoke_tokens_of

__all__ = [
    "SIGN_IN_LINK_LIFETIME",
    "LinkRefused",
    "consume_sign_in_link",
    "create_initiative",
    "create_plan",
    "create_sign_in_link",
    "create_tenant",
    "create_user",
    "lift_suspension",
    "remove_member",
    "set_member_role",
    "set_secret",
    "suspend_tenant",
]

SIGN_IN_LINK_LIFETIME = timedelta(minutes=10)
#: Each may do what those before it may.
_RANKS = (Role.VIEWER, Role.MEMBER, Role.ADMIN)


class LinkRefused(Exception):
    """The sign-in link was used before, is too old or never was one; the message says what to do."""


@transaction.atomic
def create_tenant(*, slug: str, name: str, owner: User, actor: Actor = SYSTEM) -> Tenant:
    """A workspace with its first admin. Raises ValidationError for a slug that is taken or malformed."""
    tenant = Tenant(slug=slug, name=name)
    tenant.full_clean()
    tenant.save()
    make_tenant_key(tenant.pk)
    record(
        tenant_id=tenant.pk,
        actor=actor,
        action="create_tenant",
        object_kind="tenant",
        object_id=tenant.pk,
        object_title=name,
    )
    set_member_role(tenant_id=tenant.pk, user=owner, role=Role.ADMIN, actor=actor)
    return tenant


@transaction.atomic
def suspend_tenant(*, tenant_id: uuid.UUID, actor: Actor, now: datetime | None = None) -> Tenant:
    """Shut a workspace: its pages answer 404 to all its members. Raises IllegalMove if it is shut already."""
    tenant = lock_tenant(tenant_id)
    if tenant.suspended_at is not None:
        raise _illegal(tenant, "suspend_tenant", status="suspended", allowed="lift_suspension")
    _save_suspension(tenant, now or timezone.now(), action="suspend_tenant", actor=actor)
    announce_access()
    return tenant


@transaction.atomic
def lift_suspension(*, tenant_id: uuid.UUID, actor: Actor) -> Tenant:
    """Open a suspended workspace again, as it was. IllegalMove if it is open."""
    tenant = lock_tenant(tenant_id)
    if tenant.suspended_at is None:
        raise _illegal(tenant, "lift_suspension", status="open", allowed="suspend_tenant")
    _save_suspension(tenant, None, action="lift_suspension", actor=actor)
    return tenant


def _illegal(tenant: Tenant, tried: str, *, status: str, allowed: str) -> IllegalMove:
    return IllegalMove(subject=f"workspace “{tenant.name}”", tried=tried, status=status, allowed=[allowed])


def _save_suspension(tenant: Tenant, moment: datetime | None, *, action: str, actor: Actor) -> None:
    before, tenant.suspended_at = tenant.suspended_at, moment
    tenant.save(update_fields=["suspended_at"])
    record(
        tenant_id=tenant.pk,
        actor=actor,
        action=action,
        object_kind="tenant",
        object_id=tenant.pk,
        object_title=tenant.name,
        changes={"suspended_at": (before and before.isoformat(), moment and moment.isoformat())},
    )


def create_user(*, email: str, name: str = "", password: str | None = None) -> User:
    """A person who can sign in by link, and by password if one is given. Raises ValidationError."""
    return User.objects.create_user(email, password, name=name)


@transaction.atomic
def set_member_role(*, tenant_id: uuid.UUID, user: User, role: str, actor: Actor) -> Membership:
    """Make a person a member with this role, or change the role. The last admin stays an admin.

    Whoever may do less than before loses their API tokens, which were made for more.
    """
    if role not in Role.values:
        raise ValidationError({"role": f"{role!r} is no role; choose one of {', '.join(Role.values)}"})
    lock_tenant(tenant_id)
    membership = Membership.objects.for_tenant(tenant_id).filter(user=user).first()
    before = membership.role if membership else None
    if before == role and membership:
        return membership
    if membership is None:
        membership = Membership.objects.create(tenant_id=tenant_id, user=user, role=role)
    else:
        _refuse_to_lose_the_last_admin(membership)
        membership.role = role
        membership.save(update_fields=["role"])
    _record_membership(membership, user, actor, "set_member_role", before, role)
    if before is not None and _RANKS.index(role) < _RANKS.index(before):
        revoke_tokens_of(tenant_id=tenant_id, user_id=user.pk, actor=actor)
    return membership


@transaction.atomic
def remove_member(*, tenant_id: uuid.UUID, user: User, actor: Actor) -> None:
    """End a person's access, and their API tokens with it.

    Raises Membership.DoesNotExist, or ValidationError for the last admin.
    """
    lock_tenant(tenant_id)
    membership = Membership.objects.for_tenant(tenant_id).get(user=user)
    _refuse_to_lose_the_last_admin(membership)
    _record_membership(membership, user, actor, "remove_member", membership.role, None)
    membership.delete()
    revoke_tokens_of(tenant_id=tenant_id, user_id=user.pk, actor=actor)
    announce_access()


def _refuse_to_lose_the_last_admin(membership: Membership) -> None:
    admins = Membership.objects.for_tenant(membership.tenant_id).filter(role=Role.ADMIN)
    if membership.role == Role.ADMIN and not admins.exclude(pk=membership.pk).exists():
        raise ValidationError("This is the workspace's last admin: make somebody else an admin first.")


def _record_membership(
    membership: Membership, user: User, actor: Actor, action: str, before: str | None, after: str | None
) -> None:
    record(
        tenant_id=membership.tenant_id,
        actor=actor,
        action=action,
        object_kind="membership",
        object_id=membership.pk,
        object_title=user.email,
        changes={"role": (before, after)},
    )


def create_sign_in_link(*, email: str, now: datetime | None = None) -> str:
    """The token of a new link, valid once and for ten minutes. Raises User.DoesNotExist, also if inactive."""
    user = User.objects.get(email=email.strip().lower(), is_active=True)
    token = secrets.token_urlsafe(32)
    expires_at = (now or timezone.now()) + SIGN_IN_LINK_LIFETIME
    SignInLink.objects.create(user=user, token_hash=_hash_token(token), expires_at=expires_at)
    return token


@transaction.atomic
def consume_sign_in_link(*, token: str, now: datetime | None = None) -> User:
    """The person whom the link signs in; it works for nobody after that. Raises `LinkRefused`."""
    now = now or timezone.now()
    link = SignInLink.objects.filter(token_hash=_hash_token(token))
    # No join in here: Django would make it a subquery, which a second click that waits for the row's lock
    # does not look at again.
    is_claimed = link.filter(used_at__isnull=True, expires_at__gt=now).update(used_at=now) == 1
    user = User.objects.filter(sign_in_links__in=link, is_active=True).first()
    if not is_claimed or user is None:
        raise LinkRefused(
            "This sign-in link has been used, or is older than ten minutes. "
            "Ask for a new one: manage.py sign_in_link EMAIL"
        )
    return user


def _hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def create_initiative(*, tenant_id: uuid.UUID, name: str, summary: str = "", actor: Actor) -> Initiative:
    """A lasting goal, its text redacted. Raises ValidationError by field, also for a name that is taken."""
    return create_record(Initiative(tenant_id=tenant_id, name=name, summary=summary), actor=actor)


def create_plan(
    *, tenant_id: uuid.UUID, name: str, body: str = "", initiative: Initiative | None = None, actor: Actor
) -> Plan:
    """A plan, under an initiative of the same tenant or alone. As `create_initiative` otherwise."""
    plan = Plan(tenant_id=tenant_id, name=name, body=body, initiative=initiative)
    return create_record(plan, actor=actor)
