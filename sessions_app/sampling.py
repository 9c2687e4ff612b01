"""The newest 10,000 sessions of a filtered list as one piece of SQL to count in, or all there are."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sessions_app.branches import BANDS, branches_of
from sessions_app.counting import CAP
from sessions_app.cursors import Direction
from sessions_app.filters import Filters
from sessions_app.kinds import Moment
from sessions_app.search import are_rare, found_rows
from sessions_app.sql import Sql, union
from sessions_app.walking import Walk, window_edge

__all__ = ["SAMPLE_WINDOW", "Sample", "sample"]

#: How many sessions of a branch are looked through for common words, to count among.
SAMPLE_WINDOW = 5_000


@dataclass(frozen=True, slots=True)
class Sample:
    """`sql` selects at most `CAP` + 1 rows; `is_cut`: only the newest were looked through for words."""

    sql: Sql
    is_cut: bool


def sample(tenant_id: uuid.UUID, filters: Filters, moment: Moment, columns: Sequence[str]) -> Sample | None:
    """The rows with these columns (`is_live`, too, if asked for); None if no branch can hold a row."""
    is_cut = False
    # The columns of the order go along, so that the union can be put into it.
    columns = tuple(dict.fromkeys([*columns, "changed_at", "id"]))
    if filters.words and are_rare(tenant_id, filters, moment, CAP):
        parts = found_rows(tenant_id, filters, moment, columns, limit=CAP + 1)
    else:
        parts, is_cut = _newest(tenant_id, filters, moment, columns)
    whole = union(parts, direction=Direction.NEXT, limit=CAP + 1)
    return None if whole is None else Sample(whole, is_cut)


def _newest(
    tenant_id: uuid.UUID, filters: Filters, moment: Moment, columns: Sequence[str]
) -> tuple[list[Sql], bool]:
    """Each branch in its order, and whether any ends at the edge of a window."""
    parts, is_cut = [], False
    for band in BANDS:
        way = Walk(tenant_id, filters, moment, None, limit=CAP + 1)
        edge = window_edge(way, band, SAMPLE_WINDOW) if filters.words else None
        also = [Sql("changed_at >= %s", (edge,))] if edge else []
        for branch in branches_of(tenant_id, filters, moment, (band,)):
            parts.append(branch.select(columns, limit=CAP + 1, also=also))
            is_cut = is_cut or edge is not None
    return parts, is_cut
