"""The newest 10,000 sessions of a filtered list as one piece of SQL to count in, or all there are."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, Value

from sessions_app.bands import Band
from sessions_app.branches import BANDS, Rows, branches_of, combine, ordered
from sessions_app.counting import CAP, compile_rows
from sessions_app.filters import Filters
from sessions_app.kinds import Moment
from sessions_app.search import are_rare, found_rows
from sessions_app.walking import Walk, window_edge

__all__ = ["SAMPLE_WINDOW", "Sample", "sample"]

#: How many sessions of a branch are looked through for common words, to count among.
SAMPLE_WINDOW = 5_000


@dataclass(frozen=True, slots=True)
class Sample:
    """`sql` selects at most `CAP` + 1 rows; `is_cut`: only the newest were looked through for words."""

    sql: str
    params: tuple[Any, ...]
    is_cut: bool


def sample(tenant_id: uuid.UUID, filters: Filters, moment: Moment, columns: Sequence[str]) -> Sample | None:
    """The rows with these columns (`is_live`, too, if asked for); None if no branch can hold a row."""
    is_cut = False
    if filters.words and are_rare(tenant_id, filters, moment, CAP):
        parts: list[Rows] = [
            rows[: CAP + 1] for rows in found_rows(tenant_id, filters, moment, _with_order(columns))
        ]
    else:
        edged = [*_newest(tenant_id, filters, moment, _with_order(columns))]
        parts, is_cut = [rows for rows, _ in edged], any(is_edged for _, is_edged in edged)
    rows = combine(parts)
    if rows is None:
        return None
    sql, params = compile_rows(ordered(rows)[: CAP + 1] if len(parts) > 1 else rows)
    return Sample(sql, params, is_cut)


def _newest(
    tenant_id: uuid.UUID, filters: Filters, moment: Moment, columns: Sequence[str]
) -> Iterator[tuple[Rows, bool]]:
    """Each branch in its order, and whether it ends at the edge of a window."""
    for band in BANDS:
        way = Walk(tenant_id, filters, moment, None, limit=CAP + 1)
        edge = window_edge(way, band, SAMPLE_WINDOW) if filters.words else None
        for branch in branches_of(tenant_id, filters, moment, (band,)):
            rows = branch.rows.filter(changed_at__gte=edge) if edge else branch.rows
            is_live = Value(band is Band.LIVE, output_field=BooleanField())
            yield ordered(rows.annotate(is_live=is_live)).values_list(*columns)[: CAP + 1], edge is not None


def _with_order(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns of the order go along, so that the union can be put into it."""
    return tuple(dict.fromkeys([*columns, "changed_at", "id"]))
