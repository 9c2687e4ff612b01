"""Sessions of every registered kind for the tests of the lens, and the list as plain Python would make it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from bench.seed import SHAPES
from flows.models import Flow, FlowRun
from sessions_app.columns import SessionModel
from sessions_app.cursors import Cursor
from sessions_app.filters import TABS, UPDATED, Filters, Picks
from sessions_app.kinds import Moment, Origin, SessionKind, Tone
from sessions_app.queries import Page, page
from sessions_app.registry import all_kinds
from tests.factories.workspace import InitiativeFactory, MembershipFactory, PlanFactory, TenantFactory
from workspace.models import Initiative, Plan, Tenant, User

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KINDS = all_kinds()
REPOS = ["", "example/site", "example/api"]
NEEDLES = ["flaky", "Check", "test", "ploy", "100%", "r_s"]
WORDS = ["Flaky", "checkout", "TEST", "déployé", "100%", "under_score"]

COLUMNS_OF_STATUS = {shape.model: shape.columns for shape in SHAPES}


@dataclass
class Scene:
    """A workspace with a few people, initiatives and plans, and the sessions put into it so far."""

    tenant: Tenant
    owners: list[User]
    initiatives: list[Initiative]
    plans: list[Plan]
    flow: Flow
    sessions: list[tuple[SessionKind, Any]] = field(default_factory=list)
    moment: Moment = field(default_factory=lambda: Moment(NOW))

    @classmethod
    def make(cls) -> Scene:
        tenant = TenantFactory()
        return cls(
            tenant=tenant,
            owners=[member.user for member in MembershipFactory.create_batch(3, tenant=tenant)],
            initiatives=InitiativeFactory.create_batch(2, tenant=tenant),
            plans=PlanFactory.create_batch(2, tenant=tenant),
            flow=Flow.objects.create(tenant=tenant, name="Release"),
        )

    def build(self, kind: SessionKind, *, status: str, changed_at: datetime = NOW, **columns: Any) -> Any:
        """An unsaved session, valid against every constraint of its table."""
        columns = {"owner": self.owners[0], "title": "A session", **columns}
        if brought := COLUMNS_OF_STATUS.get(kind.model):
            columns |= brought(status, changed_at)
        if kind.model is FlowRun:
            columns |= {"flow": self.flow, "snapshot": {}}
        return kind.model(tenant=self.tenant, status=status, changed_at=changed_at, **columns)

    def add(self, kind: SessionKind, **columns: Any) -> Any:
        session = self.build(kind, **columns)
        session.save()
        self.sessions.append((kind, session))
        return session

    def add_all(self, drafts: Iterable[dict[str, Any]]) -> None:
        """Many sessions at once, each draft as `drafts` makes them."""
        made: dict[SessionKind, list[SessionModel]] = {}
        for draft in drafts:
            columns = {**draft}
            kind = columns.pop("kind")
            columns["owner"] = self.owners[columns["owner"]]
            for name, places in (("initiative", self.initiatives), ("plan", self.plans)):
                number = columns[name]
                columns[name] = places[number] if number is not None else None
            made.setdefault(kind, []).append(self.build(kind, **columns))
        for kind, sessions in made.items():
            kind.model._default_manager.bulk_create(sessions)
            self.sessions += [(kind, session) for session in sessions]

    def expected(self, filters: Filters | None = None, moment: Moment | None = None) -> list[str]:
        """The keys of the whole list in its order, by the rule as written: no index, no page."""
        asked, at = filters or Filters(), moment or self.moment
        found = [(kind, obj) for kind, obj in self.sessions if passes(kind, obj, asked, at)]
        found.sort(key=lambda pair: order(*pair, at), reverse=True)
        return [f"{kind.key}:{obj.pk}" for kind, obj in found]

    def page(self, filters: Filters | None = None, **options: Any) -> Page:
        return page(tenant=self.tenant, filters=filters or Filters(), moment=self.moment, **options)

    def keys(self, filters: Filters | None = None) -> list[str]:
        """The keys of the whole list as the lens gives them, on one page."""
        return [row.key for row in self.page(filters, size=1000).rows]

    def pages(self, filters: Filters | None = None, *, size: int) -> list[Page]:
        """Every page from the first to the last."""
        found = [self.page(filters, size=size)]
        while found[-1].next_cursor:
            found.append(self.page(filters, size=size, cursor=Cursor.decode(found[-1].next_cursor)))
        return found


def order(kind: SessionKind, obj: Any, moment: Moment) -> tuple[bool, datetime, bytes]:
    return is_active(kind, obj, moment), obj.changed_at, obj.pk.bytes


def is_active(kind: SessionKind, obj: Any, moment: Moment) -> bool:
    """The rule in the words of the product, apart from what the kinds say of themselves."""
    match kind.key:
        case "flow_run":
            return obj.status in {"running", "paused", "pending"}
        case "background_task":
            return obj.status in {"running", "queued", "provisioning", "waiting"}
        case "chat":
            return obj.ended_at is None and obj.last_message_at > moment.as_of - timedelta(minutes=30)
        case _:
            return kind.is_live(obj, moment)


def passes(kind: SessionKind, obj: Any, filters: Filters, moment: Moment) -> bool:
    """Whether a session belongs to the list, one plain condition after the other."""
    tone = kind.statuses[obj.status].tone.value
    since = filters.since(moment.as_of)
    text = f"{obj.title}\n{obj.error}".lower()
    return all(
        (
            filters.kind.allows(kind.key),
            not obj.is_folded or bool(filters.kind.wanted),
            filters.owner.allows(obj.owner_id),
            filters.initiative.allows(obj.initiative_id),
            filters.plan.allows(obj.plan_id),
            filters.origin.allows(obj.origin),
            filters.repo.allows(obj.repo),
            filters.has.allows("redaction" if obj.has_redactions else ""),
            filters.status.allows(obj.status),
            filters.tone.allows(tone),
            filters.tab not in {"needs-you", "failed"} or TABS[filters.tab] == tone,
            filters.tab != "active" or is_active(kind, obj, moment),
            since is None or obj.changed_at >= since,
            filters.updated_before is None or obj.changed_at < filters.updated_before,
            *(word.lower() in text for word in filters.words),
        )
    )


def changes() -> st.SearchStrategy[datetime]:
    """Instants of change: many the same, and on both sides of every bound that plays a part."""
    bounds = [timedelta(0), timedelta(minutes=30), *UPDATED.values()]
    steps = [timedelta(microseconds=step) for step in (-1, 0, 1)]
    near = st.sampled_from([NOW - bound + step for bound in bounds for step in steps])
    anywhere = st.integers(0, 60 * 24 * 40).map(lambda minutes: NOW - timedelta(minutes=minutes))
    return near | anywhere


def drafts(kinds: Sequence[SessionKind] = KINDS) -> st.SearchStrategy[dict[str, Any]]:
    """The columns of one session of any kind; people, initiatives and plans by their number in a scene."""

    def of_kind(kind: SessionKind) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries(
            {
                "kind": st.just(kind),
                "id": st.uuids(),
                "status": st.sampled_from(sorted(kind.statuses)),
                "changed_at": changes(),
                "owner": st.integers(0, 2),
                "initiative": st.none() | st.integers(0, 1),
                "plan": st.none() | st.integers(0, 1),
                "title": st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join),
                "error": st.just("") | st.sampled_from(WORDS).map("Error: {}".format),
                "repo": st.sampled_from(REPOS),
                "origin": st.sampled_from([Origin.WEB.value, Origin.CLI.value, Origin.AGENT.value]),
                "is_folded": st.booleans(),
                "has_redactions": st.booleans(),
            }
        )

    return st.sampled_from(list(kinds)).flatmap(of_kind)


def picks[T](values: Sequence[T]) -> st.SearchStrategy[Picks[T]]:
    """A few values wanted and others not."""
    return st.permutations(list(values)).flatmap(
        lambda mixed: st.tuples(st.integers(0, 3), st.integers(0, 1)).map(
            lambda cut: Picks(frozenset(mixed[: cut[0]]), frozenset(mixed[cut[0] : sum(cut)]))
        )
    )


def filter_sets(scene: Scene) -> st.SearchStrategy[Filters]:
    """Filters of one to three sorts, whose values occur in the scene."""
    ids: dict[str, list[uuid.UUID]] = {
        "owner": [owner.pk for owner in scene.owners],
        "initiative": [place.pk for place in scene.initiatives],
        "plan": [place.pk for place in scene.plans],
    }
    statuses = sorted({status for kind in KINDS for status in kind.statuses})
    parts: dict[str, st.SearchStrategy[Any]] = {
        **{name: picks(values) for name, values in ids.items()},
        "kind": picks([kind.key for kind in KINDS]),
        "tone": picks([tone.value for tone in Tone]),
        "status": picks(statuses),
        "origin": picks([Origin.WEB.value, Origin.CLI.value]),
        "repo": picks(REPOS[1:]),
        "has": picks(["redaction"]),
        "updated": st.sampled_from(list(UPDATED)),
        "updated_before": st.just(NOW - timedelta(hours=1)),
        "words": st.lists(st.sampled_from(NEEDLES), min_size=1, max_size=2, unique=True).map(tuple),
        "tab": st.sampled_from(list(TABS)),
    }
    chosen = st.lists(st.sampled_from(sorted(parts)), min_size=1, max_size=3, unique=True)
    return chosen.flatmap(lambda names: st.builds(Filters, **{name: parts[name] for name in names}))
