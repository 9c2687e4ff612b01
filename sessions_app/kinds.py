"""The contract between the lens and the apps that own work: what a session kind is and what a row carries.

A domain app subclasses `SessionModel` for its rows and registers one `SessionKind` from its
`session_kind.py`. Nothing else of `sessions_app` but this module and `sessions_app.live` is used by them.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import Q
from django.urls import get_urlconf, reverse

from sessions_app.columns import COLUMNS, Origin, SessionModel, open_field, session_indexes
from sessions_app.shown import Action, Evidence, Part, Peek, read_evidence, write_evidence

if TYPE_CHECKING:
    from workspace.actors import Actor
    from workspace.models import Membership, Tenant

__all__ = [
    "ANY_MEMBER",
    "COLUMNS",
    "Action",
    "Evidence",
    "IllegalMove",
    "Moment",
    "Origin",
    "Part",
    "Peek",
    "Progress",
    "SessionKind",
    "SessionModel",
    "SessionRow",
    "StaleVersion",
    "StatusInfo",
    "Tone",
    "open_field",
    "read_evidence",
    "read_version",
    "session_indexes",
    "write_evidence",
]


#: Stands among those whom a session awaits for everyone whose role lets them run things.
ANY_MEMBER = "members"

#: Stands in an address for the key of its session until that is known.
NO_KEY = str(uuid.UUID(int=0))

#: Digits of the largest version that a row can have.
LONGEST_VERSION = 10

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Tone(StrEnum):
    """The five colours of a status, each always shown with an icon and a word."""

    ACTIVE = "active"
    ATTENTION = "attention"
    SUCCESS = "success"
    PROBLEM = "problem"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class StatusInfo:
    """How one status reads. `is_working`: something should be at work, so its liveness is worth showing."""

    label: str
    tone: Tone
    icon: str
    is_working: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """The instant that a list is read for, and how long after its last message a chat is still live."""

    as_of: datetime
    quiet_after: timedelta = timedelta(minutes=30)

    @classmethod
    def of(cls, tenant: Tenant, as_of: datetime) -> Moment:
        return cls(as_of, timedelta(minutes=tenant.quiet_after_minutes))

    @property
    def quiet_before(self) -> datetime:
        """A chat whose last message is at or before this instant is no longer live."""
        return self.as_of - self.quiet_after


class IllegalMove(Exception):
    """A transition that the state machine does not have; nothing was changed."""

    def __init__(self, *, subject: str, tried: str, status: str, allowed: Iterable[str]) -> None:
        self.tried, self.status, self.allowed = tried, status, tuple(sorted(allowed))
        choices = ", ".join(self.allowed) if self.allowed else "nothing more"
        super().__init__(f"{subject} is {status}: {tried} is not possible; allowed: {choices}")


class StaleVersion(Exception):
    """The session has moved on since the person looked at it; nothing was changed."""

    def __init__(self, *, subject: str, seen: int, current: int, status: str) -> None:
        self.seen, self.current, self.status = seen, current, status
        super().__init__(
            f"{subject} has changed since you looked (version {seen}, now {current}): it is {status} now. "
            "Look again, then decide."
        )


def read_version(text: str) -> int | None:
    """The version that a form was made from; None for what is none, such as a number past all that are."""
    is_number = text.isascii() and text.isdigit() and len(text) <= LONGEST_VERSION
    return int(text) if is_number else None


@dataclass(frozen=True, slots=True)
class Progress:
    """`label` is what people read ("Step 2 of 5"); `total` 0 means that there is no bar to draw."""

    label: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One line of the list, complete: rendering it asks the database nothing."""

    kind: str
    kind_label: str
    kind_icon: str
    id: uuid.UUID
    url: str
    title: str
    status: str
    status_label: str
    status_icon: str
    tone: str
    is_live: bool
    is_folded: bool
    liveness: str
    liveness_since: datetime | None
    waiting_on: str
    waiting_since: datetime | None
    awaits: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    progress: Progress
    owner_id: uuid.UUID
    owner_name: str
    initiative_id: uuid.UUID | None
    initiative_name: str
    initiative_url: str
    plan_id: uuid.UUID | None
    plan_name: str
    plan_url: str
    changed_at: datetime
    touched_at: datetime
    error: str
    repo: str
    origin: str
    version: int
    primary_action: Action | None

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.id}"

    @property
    def order_key(self) -> str:
        """Text that sorts as the list does, the largest first: band, last change, id."""
        micros = (self.changed_at - EPOCH) // timedelta(microseconds=1)
        return f"{self.is_live:d}{micros:017d}{self.id.hex}"


class SessionKind(ABC):
    """What the lens knows of one kind of work. Register one instance in `session_kind.py`.

    Class attributes: `key` (in URLs and keys, never stored as a choice), `label`, `label_plural`, `icon`,
    `model`, `statuses` (total: each status of the model), `text_fields` (columns of `model` that hold text
    which a redaction sweep must walk), `unshown` (columns that no row of the list needs, big ones above all),
    `page` (URL name of the session's own page), `start_page` (URL name of the page where one is started, ""
    for a kind that is not started by hand; it takes `initiative` or `plan` in its query) and `start_label`.
    """

    key: ClassVar[str]
    label: ClassVar[str]
    label_plural: ClassVar[str]
    icon: ClassVar[str]
    model: ClassVar[type[SessionModel]]
    statuses: ClassVar[Mapping[str, StatusInfo]]
    text_fields: ClassVar[tuple[str, ...]] = ("title", "error")
    unshown: ClassVar[frozenset[str]] = frozenset({"search_text"})
    page: ClassVar[str]
    start_page: ClassVar[str] = ""
    start_label: ClassVar[str] = ""

    @abstractmethod
    def live_q(self, moment: Moment) -> Q:
        """The condition of the live band, on `status` and `changed_at` alone.

        Its part on `status` is the predicate of a partial index, literally; see `docs/list.md`.
        """

    @abstractmethod
    def rest_qs(self, moment: Moment) -> tuple[Q, ...]:
        """Disjoint conditions of the same form that together are everything `live_q` is not."""

    @abstractmethod
    def is_live(self, obj: Any, moment: Moment) -> bool:
        """Whether `live_q` holds for this object, decided in Python; a contract test proves them equal."""

    @abstractmethod
    def progress(self, obj: Any) -> Progress:
        """How far the session has come, from its own columns."""

    @abstractmethod
    def actions(self, obj: Any, member: Membership) -> list[Action]:
        """What this member may do now, the most wanted first; empty for viewers and readers."""

    @abstractmethod
    def perform(
        self,
        name: str,
        *,
        session_id: uuid.UUID,
        actor: Actor,
        tenant_id: uuid.UUID,
        version: int,
        comment: str,
        content_hash: str = "",
    ) -> str:
        """Do the named action through the owning app's service; return a sentence that says what was done.

        A decision is bound to `version` and, where one was shown, to the hash of what the person saw.
        Raises `IllegalMove` or `StaleVersion`, having changed nothing. The caller has authorised the member.
        """

    def status_q(self, tones: Collection[Tone]) -> Q:
        """The statuses of these tones as literals, so that partial indexes match."""
        return Q(status__in=sorted(s for s, info in self.statuses.items() if info.tone in tones))

    def hydrate(self, tenant_id: uuid.UUID, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Any]:
        """The rows behind these ids, without joins and without what a row does not show."""
        found = self.model._default_manager.filter(tenant_id=tenant_id, pk__in=ids).defer(*self.unshown)
        return {obj.pk: obj for obj in found}

    def texts_replaced(  # noqa: B027 - most kinds make nothing from their texts
        self, tenant_id: uuid.UUID, session_id: uuid.UUID
    ) -> None:
        """A sweep has replaced known secrets in texts of this session: bring what is made from them in step.

        Called inside of the sweep's transaction.
        """

    def waiting_on(self, obj: Any) -> tuple[str, datetime | None]:
        """On whom or what the session waits, in words, and since when; ("", None) if it does not."""
        return "", None

    def awaits(self, obj: Any) -> tuple[str, ...]:
        """Whom a session of the tone attention waits on: ids of people, or `ANY_MEMBER`; () for nobody."""
        return (str(obj.owner_id),) if self.statuses[obj.status].tone is Tone.ATTENTION else ()

    def awaits_qs(self, user_id: uuid.UUID) -> tuple[Q, ...]:
        """The same for a person who may run things: disjoint conditions, each a range of one index.

        A contract test proves that together they say what `awaits` does.
        """
        return (self.status_q([Tone.ATTENTION]) & Q(owner_id=user_id),)

    def peek(self, obj: Any, *, among: int = 1) -> Peek:
        """What the session asks, or the last that it said. Costs a few queries, whatever its length.

        `among` how many it is looked at: the more, the less of what is costly to show. The hash is the same.
        """
        return Peek("Error", obj.error) if obj.error else Peek("Nothing yet")

    def decision_on(self, obj: Any, version: int) -> str:
        """A sentence about who decided on the session as it stood in this version; "" if nobody did."""
        return ""

    def more_evidence(self, obj: Any) -> list[Evidence]:
        """What is looked up only when somebody asks why a status is what it is: the lease, an open call."""
        if not obj.lease_holder:
            return []
        until = f" until {obj.lease_expires_at:%-d %b, %H:%M:%S} UTC" if obj.lease_expires_at else ""
        return [Evidence("Lease", f"held by {obj.lease_holder}{until}")]

    def primary_action(self, obj: Any) -> Action | None:
        """The one action that the row itself offers to whoever may take it."""
        return None

    def url(self, obj: Any, tenant_slug: str) -> str:
        return _page_url(self.page, tenant_slug, obj.pk)

    def liveness(self, obj: Any, now: datetime) -> tuple[str, datetime | None]:
        """("alive" | "unconfirmed" | "", since): only a status that should be at work has any.

        A lease that holds says alive; a lapsed one, or none, says unconfirmed since then. Silence under a
        lease is a long tool call, not death.
        """
        if not self.statuses[obj.status].is_working:
            return "", None
        if obj.lease_expires_at is None:
            return "unconfirmed", obj.changed_at
        if obj.lease_expires_at > now:
            return "alive", None
        return "unconfirmed", obj.lease_expires_at

    def present(self, obj: Any, moment: Moment, tenant_slug: str) -> SessionRow:
        """The row of a hydrated object whose `owner`, `initiative` and `plan` are already in memory."""
        info = self.statuses[obj.status]
        liveness, liveness_since = self.liveness(obj, moment.as_of)
        waiting_on, waiting_since = self.waiting_on(obj)
        return SessionRow(
            kind=self.key,
            kind_label=self.label,
            kind_icon=self.icon,
            id=obj.pk,
            url=self.url(obj, tenant_slug),
            title=obj.title,
            status=obj.status,
            status_label=info.label,
            status_icon=info.icon,
            tone=info.tone,
            is_live=self.is_live(obj, moment),
            is_folded=obj.is_folded,
            liveness=liveness,
            liveness_since=liveness_since,
            waiting_on=waiting_on,
            waiting_since=waiting_since,
            awaits=self.awaits(obj),
            evidence=tuple(read_evidence(obj.evidence)),
            progress=self.progress(obj),
            owner_id=obj.owner_id,
            owner_name=obj.owner.display_name,
            initiative_id=obj.initiative_id,
            initiative_name=obj.initiative.name if obj.initiative_id else "",
            initiative_url=_page_url("sessions_app:initiative-detail", tenant_slug, obj.initiative_id),
            plan_id=obj.plan_id,
            plan_name=obj.plan.name if obj.plan_id else "",
            plan_url=_page_url("sessions_app:plan-detail", tenant_slug, obj.plan_id),
            changed_at=obj.changed_at,
            touched_at=obj.touched_at,
            error=obj.error,
            repo=obj.repo,
            origin=obj.origin,
            version=obj.version,
            primary_action=self.primary_action(obj),
        )


def _page_url(name: str, tenant_slug: str, key: uuid.UUID | None) -> str:
    return _page_url_around(name, tenant_slug, get_urlconf()).replace(NO_KEY, str(key)) if key else ""


@lru_cache(maxsize=1024)
def _page_url_around(name: str, tenant_slug: str, urlconf: str | None) -> str:
    """A page's address with `NO_KEY` in it: the 150 addresses of a list differ in their keys alone."""
    return reverse(name, args=[tenant_slug, NO_KEY])
