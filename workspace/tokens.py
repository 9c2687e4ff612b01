"""API tokens: a member's keys to the HTTP API, shown once, kept as hashes.

A token is `sess_`, 36 letters and digits at random, and a checksum of six. The checksum keeps a wrong paste
from the database, and lets a scanner of texts be sure of what it found.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import uuid
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit.services import record, redact
from sessions_app.kinds import IllegalMove
from workspace.access import Seat
from workspace.actors import Actor
from workspace.models import ApiToken, Membership

__all__ = [
    "DEFAULT_DAYS",
    "MAX_DAYS",
    "Bearer",
    "Scope",
    "create_token",
    "find_bearer",
    "is_well_formed",
    "revoke_token",
    "revoke_tokens_of",
]

DEFAULT_DAYS, MAX_DAYS = 90, 365
#: So much of a token tells it apart in lists.
SHOWN = 11
#: `last_used_at` is written once in so many seconds.
USED_STEP = timedelta(minutes=1)
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SHAPE = re.compile(r"(sess_[0-9A-Za-z]{36})([0-9A-Za-z]{6})")


class Scope(StrEnum):
    """What a token may be used for; none implies another."""

    READ = "flows:read"
    RUN = "flows:run"
    DECIDE = "runs:decide"

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    Scope.READ: "Read flows, runs, their transcripts and artifacts",
    Scope.RUN: "Start, cancel, resume and retry runs",
    Scope.DECIDE: "Approve, reject and skip at checkpoints",
}


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whoever sent a valid token: the member's seat as it is now, and what the token may be used for."""

    seat: Seat
    token_id: uuid.UUID
    token_name: str
    token_prefix: str
    scopes: frozenset[str]


@transaction.atomic
def create_token(
    *,
    tenant_id: uuid.UUID,
    owner: Membership,
    name: str,
    scopes: Collection[str],
    actor: Actor,
    days: int = DEFAULT_DAYS,
    now: datetime | None = None,
) -> tuple[ApiToken, str]:
    """A token of this member, and its text: nobody can tell it again. Raises ValidationError by field."""
    now = now or timezone.now()
    if owner.tenant_id != tenant_id:
        raise ValidationError({"owner": "that is no member of this workspace"})
    _check(owner, name, scopes, days)
    text = make_text()
    token = ApiToken.objects.create(
        tenant_id=tenant_id,
        user_id=owner.user_id,
        name=redact(tenant_id=tenant_id, text=name.strip())[:100],
        prefix=text[:SHOWN],
        token_hash=_hash(text),
        scopes=sorted(scopes),
        expires_at=now + timedelta(days=days),
    )
    changes = {"scopes": (None, ", ".join(token.scopes)), "expires_at": (None, token.expires_at.isoformat())}
    _record(token, "create_token", actor, changes)
    return token, text


def _check(owner: Membership, name: str, scopes: Collection[str], days: int) -> None:
    problems: dict[str, str] = {}
    if not name.strip() or len(name) > 100:
        problems["name"] = "a token has a name of up to 100 characters"
    known = {scope.value for scope in Scope}
    if not scopes or not known.issuperset(scopes):
        problems["scopes"] = f"choose at least one of {', '.join(sorted(known))}"
    elif not owner.can_run and set(scopes) != {Scope.READ}:
        problems["scopes"] = f"a viewer's token may have {Scope.READ} alone"
    if not 1 <= days <= MAX_DAYS:
        problems["days"] = f"a token is good for 1 to {MAX_DAYS} days"
    if problems:
        raise ValidationError(problems)


def make_text() -> str:
    """A new token."""
    body = "sess_" + "".join(secrets.choice(_ALPHABET) for _ in range(36))
    return body + _checksum(body)


def is_well_formed(text: str) -> bool:
    """Whether this could be one of ours, by its shape and checksum alone."""
    found = _SHAPE.fullmatch(text)
    return found is not None and secrets.compare_digest(_checksum(found[1]), found[2])


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def find_bearer(text: str, *, now: datetime) -> Bearer | None:
    """Who may come in with this token; None for one that is none, revoked, expired, or of nobody who may.

    Costs two queries, none for a wrong paste, and once in a minute a write of when it was used.
    """
    if not is_well_formed(text):
        return None
    rows = ApiToken.objects.select_related("user", "tenant").filter(
        token_hash=_hash(text),
        revoked_at__isnull=True,
        expires_at__gt=now,
        user__is_active=True,
        tenant__suspended_at__isnull=True,
    )
    token = rows.first()
    if token is None:
        return None
    membership = Membership.objects.for_tenant(token.tenant_id).filter(user_id=token.user_id).first()
    if membership is None:
        return None
    membership.tenant, membership.user = token.tenant, token.user
    _note_use(token, now)
    seat = Seat(token.tenant, membership, token.user)
    return Bearer(seat, token.pk, token.name, token.prefix, frozenset(token.scopes))


def _note_use(token: ApiToken, now: datetime) -> None:
    if token.last_used_at is not None and token.last_used_at > now - USED_STEP:
        return
    unnoted = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - USED_STEP)
    ApiToken.objects.for_tenant(token.tenant_id).filter(unnoted, pk=token.pk).update(last_used_at=now)


@transaction.atomic
def revoke_token(
    *, tenant_id: uuid.UUID, token_id: uuid.UUID, actor: Actor, now: datetime | None = None
) -> ApiToken:
    """Make an API token worthless at once. Raises IllegalMove for one that is revoked already."""
    token = ApiToken.objects.for_tenant(tenant_id).select_for_update(no_key=True).get(pk=token_id)
    if token.revoked_at is not None:
        raise IllegalMove(subject=f"API token “{token}”", tried="revoke_token", status="revoked", allowed=[])
    _revoke(token, actor, now or timezone.now())
    return token


@transaction.atomic
def revoke_tokens_of(
    *, tenant_id: uuid.UUID, user_id: uuid.UUID, actor: Actor, now: datetime | None = None
) -> int:
    """Make all tokens worthless that somebody has here, as when they leave or may do less; how many."""
    rows = ApiToken.objects.for_tenant(tenant_id).select_for_update(no_key=True)
    tokens = list(rows.filter(user_id=user_id, revoked_at__isnull=True).order_by("pk"))
    for token in tokens:
        _revoke(token, actor, now or timezone.now())
    return len(tokens)


def _revoke(token: ApiToken, actor: Actor, now: datetime) -> None:
    token.revoked_at = now
    token.save(update_fields=["revoked_at"])
    _record(token, "revoke_token", actor, {"revoked_at": (None, now.isoformat())})


def _record(
    token: ApiToken, action: str, actor: Actor, changes: Mapping[str, tuple[str | None, str | None]]
) -> None:
    record(
        tenant_id=token.tenant_id,
        actor=actor,
        action=action,
        object_kind="api_token",
        object_id=token.pk,
        object_title=str(token),
        changes=changes,
    )
