"""Search on tables of any size: words through trigram indexes, ids through keys and the tenant's indexes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import F, Model, Q, QuerySet, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan

from sessions_app.registry import all_kinds
from workspace.tenancy import TenantOwned

__all__ = ["MIN_WORD_LENGTH", "find_owner", "find_session", "narrow_by_words"]

#: A trigram index says nothing about shorter words: a search needs one that is as long.
MIN_WORD_LENGTH = 3
#: Up to here matches are fetched and put in order; one with more is met soon on the way back in time.
CANDIDATES = 1000


def narrow_by_words(rows: QuerySet[Any], words: Sequence[str], *, column: str) -> QuerySet[Any]:
    """The rows whose `column` (lower case, with a trigram index) holds each of the words; exact, in order.

    A rare word is looked up in the index, a common one met by walking the list's own order: the planner
    cannot tell them apart, and takes seconds on a million rows when it guesses wrong.
    """
    matching = rows.filter(*(Q(**{f"{column}__contains": word}) for word in words))
    keys = list(matching.order_by().values_list("pk", flat=True)[: CANDIDATES + 1])
    if len(keys) <= CANDIDATES:
        return rows.filter(pk__in=keys)
    return rows.filter(*(GreaterThan(StrIndex(F(column), Value(word)), 0) for word in words))


def find_session(key: uuid.UUID) -> tuple[uuid.UUID, str] | None:
    """The tenant and the kind of the session with this id, of whichever kind it is."""
    for kind in all_kinds():
        tenant_id = kind.model._default_manager.filter(pk=key).values_list("tenant_id", flat=True).first()
        if tenant_id:
            return tenant_id, kind.key
    return None


def find_owner(key: uuid.UUID, models: Iterable[type[Model]]) -> tuple[uuid.UUID, type[Model]] | None:
    """The tenant and the model of the row with this id among these models; one probe of a key each."""
    for model in models:
        if issubclass(model, TenantOwned):
            tenant_id = model._default_manager.filter(pk=key).values_list("tenant_id", flat=True).first()
            if tenant_id:
                return tenant_id, model
    return None
