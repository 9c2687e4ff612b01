"""What a socket carries, shared by the hub, the views that answer the same, and `static/js/live.js`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping
from typing import Literal, NotRequired, TypedDict

from sessions_app.claims import claims_of
from sessions_app.drawing import draw_row
from sessions_app.hydration import SessionKey, present_rows
from sessions_app.kinds import Moment, SessionRow, Tone
from workspace.models import Tenant

__all__ = ["Facets", "Frame", "Op", "Remove", "Signal", "Upsert", "encode", "make_ops"]


class Facets(TypedDict):
    """What a page needs to know of a row beside how it looks.

    `claimed_by`: id and name of whoever is answering it just now; "" for nobody.
    """

    kind: str
    status: str
    tone: str
    owner: str
    title: str
    url: str
    version: int
    is_live: bool
    is_folded: bool
    claimed_by: str


class Upsert(TypedDict):
    """A row as it stands. `key` sorts as the list does, the largest first; `html` is the list's own row.

    `belongs` says whether the row is in the list that was asked about; a push does not know any list.
    """

    op: Literal["upsert"]
    id: str
    key: str
    facets: Facets
    html: str
    belongs: NotRequired[bool]


class Remove(TypedDict):
    """A row that is no longer there."""

    op: Literal["remove"]
    id: str


type Op = Upsert | Remove


class Frame(TypedDict):
    """All that changed in one tick. Each row was read after `rev` was known, so it is at least so new."""

    rev: str
    ops: list[Op]


class Signal(TypedDict):
    """ready: from now on nothing is missed, catch up. resync: something was, read everything anew.
    pause: changes do not come through now; a resync follows. beat: nothing new, and all is well.
    """

    op: Literal["ready", "resync", "pause", "beat"]


def encode(message: Frame | Signal) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def make_ops(
    tenant: Tenant, keys: Collection[SessionKey], moment: Moment
) -> tuple[list[Op], list[SessionRow]]:
    """What makes a page show these rows as they stand, and the rows; each is read and drawn once."""
    rows = present_rows(tenant, keys, moment)
    waiting = [key for key, row in rows.items() if row.tone == Tone.ATTENTION]
    claims = claims_of(tenant.pk, waiting)
    ops: list[Op] = []
    for kind, session_id in keys:
        row = rows.get((kind, session_id))
        if row is None:
            ops.append(Remove(op="remove", id=f"{kind}:{session_id}"))
        else:
            facets, html = _facets(row, claims), str(draw_row(row))
            ops.append(Upsert(op="upsert", id=row.key, key=row.order_key, facets=facets, html=html))
    return ops, list(rows.values())


def _facets(row: SessionRow, claims: Mapping[SessionKey, tuple[uuid.UUID, str]]) -> Facets:
    claim = claims.get((row.kind, row.id))
    return Facets(
        kind=row.kind,
        status=row.status,
        tone=row.tone,
        owner=str(row.owner_id),
        title=row.title,
        url=row.url,
        version=row.version,
        is_live=row.is_live,
        is_folded=row.is_folded,
        claimed_by=f"{claim[0]} {claim[1]}" if claim else "",
    )
