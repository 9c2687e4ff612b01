"""System checks beside the registry: what is wrong with a session kind shows at start, not on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import FieldDoesNotExist
from django.db import connections
from django.db.models import CharField, JSONField, Q, TextField

from sessions_app.bands import BAND_COLUMNS, decide, lookup_of, tell_tale_instants
from sessions_app.kinds import COLUMNS, Moment, SessionKind, Tone
from sessions_app.registry import all_kinds

__all__ = ["check_database", "check_kind", "check_kinds"]


def check_kinds(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Everything that can be proven of the registered kinds without a database."""
    kinds = all_kinds()
    return [*(problem for kind in kinds for problem in check_kind(kind)), *_check_shared_statuses(kinds)]


def check_database(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Values must reach the planner as literals, or partial indexes are lost to generic plans."""
    return [
        Error(
            f"the database {alias!r} binds parameters on the server",
            hint="Remove server_side_binding from its OPTIONS (the query part of DATABASE_URL).",
            id="sessions_app.E020",
        )
        for alias in connections
        if connections[alias].settings_dict["OPTIONS"].get("server_side_binding")
    ]


def check_kind(kind: SessionKind) -> list[CheckMessage]:
    """The problems of one kind."""
    return [*_check_names(kind), *_check_statuses(kind), *_check_columns(kind), *_check_bands(kind)]


def _check_names(kind: SessionKind) -> Iterator[CheckMessage]:
    for name in ("key", "label", "label_plural", "icon", "page"):
        if not getattr(kind, name, ""):
            yield _error(kind, f"has no {name}", "E001")
    if not kind.key.isidentifier():
        yield _error(kind, f"has the key {kind.key!r}, which cannot stand in an address", "E002")


def _check_statuses(kind: SessionKind) -> Iterator[CheckMessage]:
    stored = {str(value) for value, _ in _field(kind, "status").choices or ()}
    for status in sorted(stored - set(kind.statuses)):
        yield _error(kind, f"says nothing of the status {status!r}", "E003")
    for status in sorted(set(kind.statuses) - stored):
        yield _error(kind, f"describes the status {status!r}, which its model does not have", "E004")
    for status, info in kind.statuses.items():
        if not isinstance(info.tone, Tone):
            yield _error(kind, f"gives the status {status!r} the unknown tone {info.tone!r}", "E005")
        if not info.label or not info.icon:
            yield _error(kind, f"gives the status {status!r} no label or no icon", "E006")


def _check_columns(kind: SessionKind) -> Iterator[CheckMessage]:
    fields = {field.attname for field in kind.model._meta.concrete_fields}
    for name in COLUMNS[1:]:
        if name not in fields:
            yield _error(kind, f"has a model without the column {name!r}", "E007")
    for name in kind.text_fields:
        try:
            field = _field(kind, name)
        except FieldDoesNotExist:
            yield _error(kind, f"names the text field {name!r}, which its model does not have", "E008")
        else:
            if not isinstance(field, CharField | TextField | JSONField):
                yield _error(kind, f"names the text field {name!r}, which holds no text", "E009")


def _check_bands(kind: SessionKind) -> Iterator[CheckMessage]:
    """Whatever its status and last change, a row is in exactly one half: tried on each side of each bound."""
    moment = Moment(datetime(2026, 1, 1, tzinfo=UTC))
    conditions = (kind.live_q(moment), *kind.rest_qs(moment))
    try:
        strangers = {name for condition in conditions for name in _columns(condition)} - BAND_COLUMNS
        if strangers:
            yield _error(kind, f"decides its bands on {', '.join(sorted(strangers))}", "E010")
            return
        held = _count_held(kind, conditions, moment.as_of)
    except ValueError as error:
        yield _error(kind, f"has bands that cannot be proven: {error}", "E014")
        return
    for status, counts in held.items():
        if 0 in counts:
            yield _error(kind, f"leaves rows with the status {status!r} out of both bands", "E011")
        if max(counts) > 1:
            yield _error(kind, f"has rows with the status {status!r} in more than one half", "E012")


def _count_held(kind: SessionKind, conditions: Sequence[Q], now: datetime) -> dict[str, set[int]]:
    """For each status, in how many of the conditions a row is, over all instants that make a difference."""
    instants = {now}.union(*(tell_tale_instants(condition) for condition in conditions))
    return {
        status: {
            sum(
                decide(condition, {"status": status, "changed_at": instant}) is True
                for condition in conditions
            )
            for instant in instants
        }
        for status in sorted(kind.statuses)
    }


def _columns(condition: Q) -> Iterator[str]:
    for child in condition.children:
        if isinstance(child, Q):
            yield from _columns(child)
        else:
            yield lookup_of(child)[0].partition("__")[0]


def _field(kind: SessionKind, name: str) -> Any:
    return kind.model._meta.get_field(name)


def _check_shared_statuses(kinds: Sequence[SessionKind]) -> Iterator[CheckMessage]:
    """A status that several kinds have is one value of one filter, so it must look the same in all."""
    first: dict[str, SessionKind] = {}
    for kind in kinds:
        for status, info in kind.statuses.items():
            other = first.setdefault(status, kind)
            if other.statuses[status].tone != info.tone:
                yield _error(kind, f"gives the status {status!r} another tone than {other.key} does", "E013")


def _error(kind: SessionKind, what: str, number: str) -> Error:
    return Error(f"the session kind {kind.key!r} {what}", obj=type(kind), id=f"sessions_app.{number}")
