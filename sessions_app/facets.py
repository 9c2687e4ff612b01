"""What the list can be narrowed to, each value with how many sessions it would leave.

A facet is counted with its own filter removed, among at most 10,000 sessions: exact as long as there are no
more, else among the newest, and then each count says "at least". Facets without a filter share one pass.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone

from sessions_app.branches import branches_of, whole_of
from sessions_app.counting import CAP, Count, count_capped
from sessions_app.filters import EXCLUDE, UPDATED, Filters
from sessions_app.kinds import Moment, Tone
from sessions_app.names import FACET_LABELS, TONE_LABELS, UPDATED_LABELS, label_values, status_info
from sessions_app.registry import all_kinds
from sessions_app.sampling import sample
from sessions_app.sql import Sql, fetch
from workspace.models import Tenant, User

__all__ = ["FACETS", "Facet", "Option", "count_kinds", "list_facets", "tally"]

#: Every facet, in the order of the page, with the column that is counted in the shared pass.
FACETS = {
    "owner": "owner_id",
    "kind": "kind",
    "initiative": "initiative_id",
    "plan": "plan_id",
    "status": "status",
    "origin": "origin",
    "repo": "repo",
    "has": "has_redactions",
    "updated": "changed_at",
}

#: What else belongs to a facet's own filter.
OWN_FILTERS = {"status": ("status", "tone"), "updated": ("updated", "updated_after", "updated_before")}

#: How many values a facet shows at most, besides those chosen.
MOST_OPTIONS = 50


@dataclass(frozen=True, slots=True)
class Option:
    """One value of a facet. `group` is the tone's label for a status."""

    value: str
    label: str
    count: Count
    is_selected: bool = False
    is_excluded: bool = False
    tone: str = ""
    icon: str = ""
    group: str = ""

    @property
    def count_label(self) -> str:
        return str(self.count)


@dataclass(frozen=True, slots=True)
class Facet:
    """`param` takes a value, `exclude_param` excludes it. `is_capped`: some values may not be shown.

    `from_value` and `to_value` are the dates of the bounds, in the reader's zone.
    """

    param: str
    label: str
    options: tuple[Option, ...]
    is_capped: bool
    from_value: str = ""
    to_value: str = ""

    #: The parameters of the two dates that the facet of times also takes.
    from_param: ClassVar[str] = "updated_after"
    to_param: ClassVar[str] = "updated_before"

    @property
    def exclude_param(self) -> str:
        return EXCLUDE + self.param

    @property
    def is_dates(self) -> bool:
        return self.param == "updated"

    @property
    def selected_count(self) -> int:
        return sum(
            bool(option.value) and (option.is_selected or option.is_excluded) for option in self.options
        )


@dataclass(frozen=True, slots=True)
class _Tally:
    """The counts of one facet by value, and whether more sessions exist than were counted."""

    counts: Mapping[str, int]
    is_capped: bool

    def count(self, value: str) -> Count:
        counted = self.counts.get(value, 0)
        return Count(min(counted, CAP), self.is_capped or counted > CAP)


def list_facets(
    *, tenant: Tenant, filters: Filters, moment: Moment, me: User | None = None
) -> tuple[Facet, ...]:
    """All facets: one statement for those without a filter, one for each that has one, then the names."""
    shared: dict[Filters, list[str]] = defaultdict(list)
    for name in FACETS:
        if name != "kind":
            shared[filters.without(*OWN_FILTERS.get(name, (name,)))].append(name)
    tallies: dict[str, _Tally] = {}
    for base, names in shared.items():
        tallies |= tally(tenant.pk, base, moment, names)
    kind_counts = count_kinds(tenant.pk, filters, moment)
    having = tallies["has"].counts.get("true")
    tallies["has"] = _Tally({"redaction": having} if having else {}, tallies["has"].is_capped)
    makers = {
        "kind": lambda: _kind_facet(filters, kind_counts),
        "status": lambda: _status_facet(filters, tallies["status"]),
        "updated": lambda: _updated_facet(filters, tallies["updated"]),
        "owner": lambda: _value_facet("owner", tenant.pk, filters, tallies["owner"], me),
    }
    return tuple(
        makers[name]() if name in makers else _value_facet(name, tenant.pk, filters, tallies[name])
        for name in FACETS
    )


def tally(tenant_id: uuid.UUID, base: Filters, moment: Moment, names: Sequence[str]) -> dict[str, _Tally]:
    """Count the values of several facets in one pass over one sample."""
    found = sample(tenant_id, base, moment, [FACETS[name] for name in names])
    if found is None:
        return {name: _Tally({}, is_capped=False) for name in names}
    selects = ["SELECT '', '', count(*) FROM found"]
    params: list[Any] = [*found.sql.params]
    for name in names:
        if name == "updated":
            for key, span in UPDATED.items():
                selects.append("SELECT 'updated', %s, count(*) FROM found WHERE changed_at >= %s")
                params += [key, moment.as_of - span]
        else:
            # Names and columns are our own; what a person wrote is only ever a parameter.
            column = FACETS[name]
            selects.append(f"SELECT '{name}', {column}::text, count(*) FROM found GROUP BY {column}")  # noqa: S608
    counting = f"WITH found AS MATERIALIZED ({found.sql.text}) {' UNION ALL '.join(selects)}"
    lines = fetch(Sql(counting, tuple(params)))
    total = next(count for name, _, count in lines if name == "")
    is_capped = found.is_cut or total > CAP
    counts = {name: {value: n for facet, value, n in lines if facet == name and value} for name in names}
    tallies = {name: _Tally(counts[name], is_capped) for name in names}
    if "updated" in tallies:
        # Without words the newest were counted: a preset that is not the whole sample is complete.
        is_open = is_capped and bool(base.words)
        tallies["updated"] = _Tally({"": total, **counts["updated"]}, is_open)
    return tallies


def count_kinds(tenant_id: uuid.UUID, filters: Filters, moment: Moment) -> dict[str, Count]:
    """By kind, what choosing it alone would show: its folded sessions as well."""
    lists = {}
    for kind in all_kinds():
        chosen = filters.only("kind", kind.key)
        read = whole_of if filters.words else branches_of
        lists[kind.key] = [*read(tenant_id, chosen, moment)]
    return count_capped(lists)


def _kind_facet(filters: Filters, counts: Mapping[str, Count]) -> Facet:
    options = tuple(
        Option(
            value=kind.key,
            label=kind.label_plural,
            count=counts[kind.key],
            is_selected=kind.key in filters.kind.wanted,
            is_excluded=kind.key in filters.kind.unwanted,
            icon=kind.icon,
        )
        for kind in all_kinds()
    )
    return Facet("kind", FACET_LABELS["kind"], options, is_capped=False)


def _status_facet(filters: Filters, tally: _Tally) -> Facet:
    """Statuses by tone, in the order of the tones; those that no session has are left out unless chosen."""
    tones = list(Tone)
    shown = [
        (tones.index(info.tone), -tally.counts.get(status, 0), status, info)
        for status, info in status_info().items()
        if tally.counts.get(status) or status in filters.status.wanted | filters.status.unwanted
    ]
    options = tuple(
        Option(
            value=status,
            label=info.label,
            count=tally.count(status),
            is_selected=status in filters.status.wanted,
            is_excluded=status in filters.status.unwanted,
            tone=info.tone.value,
            icon=info.icon,
            group=TONE_LABELS[info.tone],
        )
        for _, _, status, info in sorted(shown, key=lambda item: item[:3])
    )
    return Facet("status", FACET_LABELS["status"], options, tally.is_capped)


def _updated_facet(filters: Filters, tally: _Tally) -> Facet:
    """Any time and every preset, whether or not anything changed within it."""
    presets = [
        Option(
            value=key,
            label=UPDATED_LABELS[key],
            count=tally.count(key),
            is_selected=filters.updated == key,
        )
        for key in UPDATED
    ]
    any_time = Option("", "Any time", tally.count(""), is_selected=not filters.updated)
    return Facet(
        "updated",
        FACET_LABELS["updated"],
        (any_time, *presets),
        is_capped=False,
        from_value=_local_date(filters.updated_after),
        to_value=_local_date(filters.updated_before),
    )


def _local_date(instant: datetime | None) -> str:
    return timezone.localtime(instant).date().isoformat() if instant else ""


def _value_facet(
    name: str, tenant_id: uuid.UUID, filters: Filters, tally: _Tally, me: User | None = None
) -> Facet:
    """The most frequent values, and whatever is chosen; the reader's own sessions before all others."""
    picks = filters.picks(name)
    wanted, unwanted = set(map(str, picks.wanted)), set(map(str, picks.unwanted))
    mine = {str(me.pk)} if me else set()
    frequent = sorted(tally.counts, key=lambda value: (-tally.counts[value], value))
    values = dict.fromkeys([*mine, *frequent[:MOST_OPTIONS], *sorted(wanted | unwanted)])
    labels = label_values(name, list(values), tenant_id=tenant_id)
    options = [
        Option(
            value=value,
            label="Me" if value in mine else labels[value],
            count=tally.count(value),
            is_selected=value in wanted,
            is_excluded=value in unwanted,
        )
        for value in values
    ]
    options.sort(
        key=lambda option: (option.value not in mine, -option.count.value, option.label, option.value)
    )
    is_capped = tally.is_capped or len(frequent) > MOST_OPTIONS
    return Facet(name, FACET_LABELS[name], tuple(options), is_capped)
