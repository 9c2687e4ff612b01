"""What a sweep walks: each text column of each table of a tenant, in the order of an index."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import models

from audit.models import (
    AuditEntry,
    DecisionReceipt,
    MessageUsage,
    RawRecord,
    RedactionFinding,
    RedactionSweep,
    RenderedEntry,
    Surfacing,
    Transcript,
    TranscriptEntry,
)
from sessions_app.registry import all_kinds
from workspace.models import SealedRow
from workspace.tenancy import TenantOwned

__all__ = ["Target", "all_targets", "session_of"]

#: Tables without text from outside: values that are sealed, and names of secrets and rules.
SKIPPED = (SealedRow, RedactionFinding, RedactionSweep, Surfacing)
#: Columns that hold words or hashes of our own, never what somebody wrote.
OURS = frozenset(
    {
        *("action", "kind", "object_kind", "role", "session_kind", "source", "source_kind", "status"),
        *("checkpoint_hash", "content_hash", "digest", "key_id", "lease_holder", "token_hash", "prefix"),
        *("content_type", "cron", "time_zone", "scope"),
    }
)
#: The order in which a big table is walked, that of one of its indexes behind the tenant; else that of keys.
ORDERS: dict[type[models.Model], tuple[str, ...]] = {
    AuditEntry: ("created_at", "id"),
    DecisionReceipt: ("session_kind", "session_id", "created_at", "id"),
    MessageUsage: ("transcript_id", "message_id"),
    RawRecord: ("transcript_id", "ordinal", "id"),
    RenderedEntry: ("entry_id", "renderer_version"),
    Transcript: ("session_kind", "session_id"),
    TranscriptEntry: ("transcript_id", "seq"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """One table: its text columns, and the columns of the order that it is walked in."""

    model: type[TenantOwned]
    fields: tuple[str, ...]
    order: tuple[str, ...]

    @property
    def key(self) -> str:
        return self.model._meta.label_lower

    @property
    def label(self) -> str:
        return str(self.model._meta.verbose_name_plural)

    def rows(self, tenant_id: uuid.UUID) -> models.QuerySet[Any]:
        """The tenant's rows, of a plain queryset: those of append-only tables let nothing be changed."""
        return models.QuerySet(self.model).filter(tenant_id=tenant_id)

    def limit_of(self, field: str) -> int | None:
        found = self.model._meta.get_field(field)
        return found.max_length if isinstance(found, models.CharField) else None


def all_targets() -> list[Target]:
    """Every table of a tenant that holds text; a new one is walked without being named anywhere.

    What a kind names in `text_fields` is walked whatever its columns look like.
    """
    named: dict[type[models.Model], tuple[str, ...]] = {k.model: k.text_fields for k in all_kinds()}
    targets = []
    for model in apps.get_models():
        if issubclass(model, TenantOwned) and not issubclass(model, SKIPPED):
            fields = tuple(dict.fromkeys([*named.get(model, ()), *_text_columns(model)]))
            if fields:
                targets.append(Target(model, fields, ORDERS.get(model, ("id",))))
    return targets


def _text_columns(model: type[models.Model]) -> Iterator[str]:
    for field in model._meta.concrete_fields:
        is_text = isinstance(field, models.CharField | models.TextField | models.JSONField)
        if is_text and not field.choices and field.name not in OURS:
            yield field.name


def session_of(row: Any) -> tuple[tuple[str, uuid.UUID], datetime] | None:
    """The session that a row belongs to, and when what it says was said; None for what belongs to none."""
    at = getattr(row, "occurred_at", None) or row.created_at
    for kind in all_kinds():
        if isinstance(row, kind.model):
            return (kind.key, row.pk), at
    if getattr(row, "session_id", None):
        return (row.session_kind, row.session_id), at
    for field in row._meta.concrete_fields:
        if field.name in {"entry", "transcript", "run"} and getattr(row, field.attname):
            found = session_of(getattr(row, field.name))
            return (found[0], at) if found else None
    return None
