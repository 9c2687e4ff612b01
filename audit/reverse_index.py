"""Where did it surface? The sessions of a secret or a rule, the newest first, and those of a value."""

from __future__ import annotations

import base64
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan
from django.urls import reverse

from audit.models import Surfacing
from sessions_app.kinds import SessionKind
from sessions_app.registry import get_kind
from workspace.models import Tenant, User

__all__ = ["WITHHELD", "Line", "Name", "count_sessions", "names_in", "read_lines", "redaction_url"]

PAGE = 50
#: How far the sessions of a secret are counted on the list of all secrets.
COUNT_CAP = 100
WITHHELD = "unscanned: "


@dataclass(frozen=True, slots=True)
class Line:
    """One value in one session. `others` counts the other sessions that hold the same value."""

    key: uuid.UUID
    kind_label: str
    kind_icon: str
    title: str
    url: str
    owner: str
    first_at: datetime
    last_at: datetime
    count: int
    mark: str
    digest: str
    others: int


@dataclass(frozen=True, slots=True)
class Name:
    """What a session's redactions go by, with how many there are and where else they surfaced."""

    label: str
    url: str
    count: int
    is_withheld: bool


def redaction_url(slug: str, *, is_known: bool, name: str) -> str:
    """The page of a secret or of a rule."""
    return reverse("audit:secret-detail" if is_known else "audit:rule-detail", args=[slug, name])


def names_in(tenant: Tenant, session: tuple[str, uuid.UUID]) -> list[Name]:
    """The redactions of a session by name, the most frequent first; one look-up."""
    rows = Surfacing.objects.for_tenant(tenant.pk).filter(session_kind=session[0], session_id=session[1])
    counts: defaultdict[tuple[bool, str, bool], int] = defaultdict(int)
    for row in rows:
        counts[row.is_known, row.name, row.is_withheld] += row.count
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        Name(
            label=name.removeprefix(WITHHELD),
            url=redaction_url(tenant.slug, is_known=is_known, name=name),
            count=count,
            is_withheld=is_withheld,
        )
        for (is_known, name, is_withheld), count in ordered
    ]


def read_lines(
    tenant: Tenant, *, is_known: bool, name: str, before: uuid.UUID | None = None
) -> tuple[list[Line], uuid.UUID | None]:
    """One page of the sessions that a name surfaced in, and where the next one begins, if there is one.

    `before` is the key of the last line seen. Costs one range of an index, and one look-up for each kind.
    """
    rows = Surfacing.objects.for_tenant(tenant.pk).filter(is_known=is_known, name=name)
    if before is not None:
        last = rows.filter(pk=before).values_list("last_at", flat=True).first()
        beyond = TupleLessThan(Tuple(F("last_at"), F("id")), (last, before))
        rows = rows.filter(beyond) if last else rows.none()
    found = list(rows.order_by("-last_at", "-id")[: PAGE + 1])
    shown = found[:PAGE]
    return _lines(tenant, shown), shown[-1].pk if len(found) > PAGE else None


def _lines(tenant: Tenant, rows: Sequence[Surfacing]) -> list[Line]:
    sessions: dict[tuple[str, uuid.UUID], tuple[SessionKind, Any]] = {}
    for key in sorted({row.session_kind for row in rows}):
        kind = get_kind(key)
        ids = [row.session_id for row in rows if row.session_kind == key]
        sessions |= {(key, pk): (kind, obj) for pk, obj in kind.hydrate(tenant.pk, ids).items()}
    owners = User.objects.only("name", "email").in_bulk({obj.owner_id for _, obj in sessions.values()})
    others = _sessions_by_digest(tenant.pk, {row.digest for row in rows if row.digest})
    lines = []
    for row in rows:
        found = sessions.get((row.session_kind, row.session_id))
        if found is None:
            continue
        kind, obj = found
        lines.append(
            Line(
                key=row.pk,
                kind_label=kind.label,
                kind_icon=kind.icon,
                title=obj.title,
                url=kind.url(obj, tenant.slug),
                owner=owners[obj.owner_id].display_name,
                first_at=row.first_at,
                last_at=row.last_at,
                count=row.count,
                mark=_mark(row.digest),
                digest=row.digest,
                others=others.get(row.digest, 1) - 1,
            )
        )
    return lines


def _mark(digest: str) -> str:
    """The four characters that stand in the placeholder of a value that a rule found."""
    return base64.b32encode(bytes.fromhex(digest))[:4].decode().lower() if digest else ""


def _sessions_by_digest(tenant_id: uuid.UUID, digests: Collection[str]) -> dict[str, int]:
    rows = Surfacing.objects.for_tenant(tenant_id).filter(digest__in=digests).order_by()
    return dict(rows.values_list("digest").annotate(sessions=Count("session_id", distinct=True)))


def count_sessions(tenant_id: uuid.UUID, names: Sequence[str]) -> dict[str, str]:
    """In how many sessions each of these secrets surfaced, or "100+"; one statement."""
    if not names:
        return {}
    rows = Surfacing.objects.for_tenant(tenant_id).filter(is_known=True).order_by()
    first, *more = [rows.filter(name=name).values_list("name")[: COUNT_CAP + 1] for name in names]
    counts: defaultdict[str, int] = defaultdict(int)
    for (name,) in first.union(*more, all=True) if more else first:
        counts[name] += 1
    return {name: f"{COUNT_CAP}+" if count > COUNT_CAP else str(count) for name, count in counts.items()}
