"""Sealing everything that is kept sealed anew, under the newest key of the environment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Count

from workspace.models import SealedRow
from workspace.sealing import newest_key_id, present_key_ids, seal_bytes, unseal_bytes

__all__ = ["KeysMissing", "Resealed", "reseal", "sealed_models"]

#: A row may hold a MiB.
BATCH = 50


class KeysMissing(Exception):
    """Rows are sealed by keys that the environment does not name; nothing was changed."""

    def __init__(self, rows: Counter[str]) -> None:
        self.rows = rows
        named = ", ".join(f"{key_id} ({count} rows)" for key_id, count in sorted(rows.items()))
        super().__init__(
            f"SEALING_KEYS lacks keys that are still needed: {named}. Add them behind the new one, then run "
            "this again. A key's id is the beginning of its SHA-256."
        )


@dataclass(frozen=True, slots=True)
class Resealed:
    """What was done to the rows of one model: how many were sealed anew, and how many there are."""

    model: str
    resealed: int
    total: int


def sealed_models() -> list[type[SealedRow]]:
    """Each table that holds sealed values."""
    return [model for model in apps.get_models() if issubclass(model, SealedRow)]


def reseal() -> Iterator[Resealed]:
    """Seal each row that an older key sealed under the newest one, model by model.

    Raises `KeysMissing` before anything is changed. Cut off at any point it has lost nothing: each batch is
    a transaction, and the next run takes up what is left.
    """
    _refuse_missing_keys()
    for model in sealed_models():
        done = 0
        while batch := _reseal_batch(model):
            done += batch
        yield Resealed(str(model._meta.verbose_name_plural), done, model._default_manager.count())


def _refuse_missing_keys() -> None:
    missing: Counter[str] = Counter()
    for model in sealed_models():
        rows = model._default_manager.exclude(key_id__in=present_key_ids()).order_by()
        missing.update(dict(rows.values_list("key_id").annotate(count=Count("pk"))))
    if missing:
        raise KeysMissing(missing)


@transaction.atomic
def _reseal_batch(model: type[SealedRow]) -> int:
    locked: Any = model._default_manager.select_for_update(no_key=True, of=("self",))
    rows = list(locked.exclude(key_id=newest_key_id()).order_by("pk")[:BATCH])
    for row in rows:
        place = {"tenant_id": row.tenant_id, "name": row.sealed_as}
        opened = unseal_bytes(bytes(row.sealed), key_id=row.key_id, **place)
        row.sealed, row.key_id = seal_bytes(opened, **place)
        row.save(update_fields=["sealed", "key_id"])
    return len(rows)
