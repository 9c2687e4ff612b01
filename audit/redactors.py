"""A tenant's redactor: the engine with the tenant's known secrets and its own key for marks and digests."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, cast

from django.db import connection

from audit.redaction import Finding, Redactor, is_too_deep
from workspace.models import EarlierValue, Secret
from workspace.sealing import derive_key, unseal

__all__ = [
    "digest_record",
    "one_redactor",
    "redactor_for",
    "storable",
    "warn_of_withheld",
    "with_one_redactor",
]

logger = logging.getLogger(__name__)


class _Holder:
    """A redactor that its block takes away at the end, also from tasks that copied the block's context."""

    __slots__ = ("redactor",)

    def __init__(self, redactor: Redactor) -> None:
        self.redactor: Redactor | None = redactor


_open: ContextVar[Mapping[uuid.UUID, _Holder] | None] = ContextVar("audit_open_redactors", default=None)


def redactor_for(tenant_id: uuid.UUID) -> Redactor:
    """The redactor of the block of `one_redactor` that is open for this tenant, else a fresh one.

    A fresh one reads and unseals all secrets of the tenant: make it once for a piece of work and drop it
    after that. No needle outlives its work or crosses to another tenant.
    """
    return _find_open(tenant_id) or _build(tenant_id)


@contextmanager
def one_redactor(tenant_id: uuid.UUID) -> Iterator[Redactor]:
    """Let everything inside of the block that redacts for this tenant share one redactor.

    It knows the secrets that are there when the block begins: one that is set meanwhile is not looked for
    until the block has ended. A block for the same tenant inside of it shares its redactor, one for another
    tenant has its own. Other threads do not see it. It is kept in memory only and dropped with the block.
    """
    redactor = _find_open(tenant_id)
    if redactor is not None:
        yield redactor
        return
    redactor = _build(tenant_id)
    holder = _Holder(redactor)
    token = _open.set({**(_open.get() or {}), tenant_id: holder})
    try:
        yield redactor
    finally:
        _open.reset(token)
        holder.redactor = None


def with_one_redactor[**P, T](service: Callable[P, T]) -> Callable[P, T]:
    """A service, with a keyword `tenant_id`, all of whose texts share one redactor.

    Stands below `transaction.atomic`: the redactor is then made inside of the transaction that it serves.
    """

    @wraps(service)
    def inner(*args: P.args, **kwargs: P.kwargs) -> T:
        with one_redactor(cast(uuid.UUID, kwargs["tenant_id"])):
            return service(*args, **kwargs)

    return inner


def _find_open(tenant_id: uuid.UUID) -> Redactor | None:
    holder = (_open.get() or {}).get(tenant_id)
    return holder.redactor if holder is not None else None


def _build(tenant_id: uuid.UUID) -> Redactor:
    """A redactor with what is known now; a sweep waits for the transaction that it is made in."""
    if connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()")
    known: defaultdict[str, list[str]] = defaultdict(list)
    earlier = EarlierValue.objects.for_tenant(tenant_id).select_related("secret")
    for row in (*Secret.objects.for_tenant(tenant_id), *earlier):
        value = unseal(bytes(row.sealed), key_id=row.key_id, tenant_id=tenant_id, name=row.sealed_as)
        known[row.sealed_as].append(value)
    return Redactor(known=known, mark_key=derive_key("redaction-mark", tenant_id))


def warn_of_withheld(findings: Iterable[Finding], *, tenant_id: uuid.UUID, where: str) -> int:
    """How many texts were withheld since they could not be scanned; the log says so and quotes nothing.

    `where` names what they belong to, in words of ours.
    """
    alerts = [finding.name for finding in findings if finding.is_alert]
    if alerts:
        logger.warning(
            "workspace %s: %d texts of %s were withheld (%s)",
            tenant_id,
            len(alerts),
            where,
            ", ".join(sorted(set(alerts))),
        )
    return len(alerts)


def digest_record(key: bytes, body: Any) -> str:
    """A keyed HMAC of a decoded record: says "the same record again" without telling what it holds."""
    if is_too_deep(body):
        return _digest_by_level(key, body)
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, canonical.encode(), hashlib.sha256).hexdigest()


def _digest_by_level(key: bytes, body: Any) -> str:
    """The same for a value that is nested too deeply to be walked from the top down by recursion."""
    digest = hmac.new(key, b"by level", hashlib.sha256)
    level = [body]
    while level:
        inner: list[Any] = []
        for value in level:
            shape: Any = value
            if isinstance(value, dict):
                names = sorted(value)
                shape = {"keys": names}
                inner.extend(value[name] for name in names)
            elif isinstance(value, list):
                shape = [len(value)]
                inner.extend(value)
            digest.update(json.dumps(shape, separators=(",", ":")).encode() + b"\n")
        level = inner
    return digest.hexdigest()


def storable(value: Any) -> Any:
    """The same JSON value with what PostgreSQL cannot hold made visible: NUL as ␀, half a surrogate as "?".

    One that is nested too deeply comes back as it is: the redactor withholds it whole.
    """
    if isinstance(value, str):
        return _storable(value)
    return value if is_too_deep(value) else _storable(value)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        if "\x00" in value:
            value = value.replace("\x00", "\u2400")
        if value.isascii():
            return value
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode(errors="replace").decode()
        return value
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value
