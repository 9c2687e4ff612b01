"""Fill the database with sessions as they lie in a large installation: skewed, mostly over, a few live.

Rows go in by COPY, past the services: this is ground to measure on, not something that anybody did.
"""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from django.db import connection
from django.db.models import GeneratedField, Model

from chats.models import Chat
from flows.models import Flow, FlowRun
from sessions_app.kinds import Origin, SessionModel
from tasks.models import BackgroundTask
from workspace.models import Initiative, Membership, Plan, Tenant, User

SPAN = timedelta(days=180)
VERBS = ("Fix", "Add", "Review", "Migrate", "Explain", "Refactor", "Speed up", "Document", "Test", "Remove")
REPOS = [f"example/repo-{n}" for n in range(50)]
LEAST_AGE = timedelta(hours=2)
#: The statuses that leave an error.
FAILED = frozenset({"failed", "rejected", "blocked"})
ORIGINS = {
    Origin.CLI: 40,
    Origin.WEB: 30,
    Origin.AGENT: 15,
    Origin.API: 8,
    Origin.VSCODE: 5,
    Origin.SCHEDULE: 2,
}


@dataclass(frozen=True)
class Shape:
    """How the sessions of one kind lie: their share of all, what is folded, statuses by weight.

    `columns` gives the columns that a status brings with it.
    """

    model: type[SessionModel]
    share: float
    folded: float
    live: Mapping[str, float]
    rest: Mapping[str, float]
    columns: Callable[[str, datetime], dict[str, Any]] = lambda status, changed_at: {}


def run_columns(status: str, changed_at: datetime) -> dict[str, Any]:
    paused = status == "paused"
    return {
        "step_position": 5 if status == "completed" else 2,
        "step_count": 5,
        "flow_version": 1,
        "snapshot": "{}",
        "checkpoint_hash": "0" * 64 if paused else "",
        "waiting_since": changed_at if paused else None,
    }


def task_columns(status: str, changed_at: datetime) -> dict[str, Any]:
    waiting = status == "waiting"
    return {"waiting_on": "review" if waiting else "", "waiting_since": changed_at if waiting else None}


def chat_columns(status: str, changed_at: datetime) -> dict[str, Any]:
    return {"last_message_at": changed_at, "ended_at": changed_at if status == "ended" else None}


SHAPES = (
    Shape(
        model=FlowRun,
        share=0.3,
        folded=0.05,
        live={"pending": 1, "running": 6, "paused": 3},
        rest={
            "completed": 850,
            "failed": 80,
            "rejected": 10,
            "cancelled": 50,
            "blocked": 6,
            "interrupted": 4,
        },
        columns=run_columns,
    ),
    Shape(
        model=BackgroundTask,
        share=0.2,
        folded=0.3,
        live={"queued": 2, "provisioning": 1, "running": 5, "waiting": 2},
        rest={"completed": 880, "failed": 70, "cancelled": 30, "dismissed": 15, "unknown": 5},
        columns=task_columns,
    ),
    Shape(
        model=Chat,
        share=0.5,
        folded=0.0,
        live={"responding": 3, "idle": 5, "awaiting_you": 1, "awaiting_approval": 1},
        rest={
            "ended": 600,
            "idle": 370,
            "failed": 20,
            "awaiting_you": 6,
            "awaiting_approval": 3,
            "responding": 1,
        },
        columns=chat_columns,
    ),
)


@dataclass
class Place:
    """One tenant and what its sessions belong to, the most used first."""

    tenant: Tenant
    owners: list[User]
    initiatives: list[Initiative]
    plans: list[Plan]
    repos: list[str]
    flow: Flow
    rows: int = 0

    @classmethod
    def find(cls, number: int) -> Self:
        """The place that was made as this one of its seed, out of a database that holds only one."""
        tenant = Tenant.objects.get(slug__startswith=f"seed-{number}-")

        def named(rows: Any) -> list[Any]:
            return sorted(rows, key=lambda row: int(row.name.rpartition(" ")[2]))

        return cls(
            tenant=tenant,
            owners=named(User.objects.filter(memberships__tenant=tenant)),
            initiatives=named(Initiative.objects.for_tenant(tenant.pk)),
            plans=named(Plan.objects.for_tenant(tenant.pk)),
            repos=list(REPOS),
            flow=Flow.objects.for_tenant(tenant.pk).get(),
        )


@dataclass
class Seeded:
    """What was made: places by size, and the instant that counts as now."""

    now: datetime
    places: list[Place] = field(default_factory=list)


def zipf(count: int, exponent: float = 1.05) -> list[float]:
    return [1 / rank**exponent for rank in range(1, count + 1)]


def seed(
    *,
    rows: int,
    tenants: int = 20,
    live_share: float = 0.003,
    now: datetime | None = None,
    random_seed: int = 7,
    is_bulk: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Seeded:
    """Make `tenants` workspaces with `rows` sessions between them, half of them in the first.

    `is_bulk` drops the indexes meanwhile, which pays from some 100,000 rows on and needs a database of one's
    own, as its superuser.
    """
    rng = random.Random(random_seed)
    seeded = Seeded(now or datetime.now(UTC))
    sizes = [round(rows * share) for share in _tenant_shares(tenants)]
    seeded.places = _make_places(sizes)
    words = [f"{a}{b}{c}" for a, b, c in itertools.product(_SYLLABLES, repeat=3)]
    rng.shuffle(words)
    for shape in SHAPES:
        count = round(rows * shape.share)
        tell(f"{count:,} rows of {shape.model._meta.verbose_name}")
        lines = _lines(rng, shape, seeded, count, live_share, words)
        with _without_indexes(shape.model, tell) if is_bulk else _as_it_is():
            _copy(shape.model, lines)
    return seeded


def analyze() -> None:
    """Fresh statistics and visibility maps, as autovacuum leaves them; outside any transaction."""
    models = [shape.model for shape in SHAPES] + [User, Membership, Initiative, Plan]
    tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in models)
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM (ANALYZE) {tables}")


_SYLLABLES = ("ba", "chi", "dor", "fen", "gul", "hem", "jat", "kir", "lom", "nus", "pra", "quo", "rit", "sel")


def _tenant_shares(tenants: int) -> list[float]:
    weights = zipf(tenants)
    if tenants == 1:
        return [1.0]
    others = sum(weights[1:])
    return [0.5, *(0.5 * weight / others for weight in weights[1:])]


def _make_places(sizes: Sequence[int]) -> list[Place]:
    """Workspaces with as many people, initiatives and plans as their size suggests, up to 200 of each.

    The rarest of 200 owns one session in 600.
    """
    tags = [f"{number}-{uuid.uuid4().hex[:12]}" for number in range(len(sizes))]
    tenants = Tenant.objects.bulk_create(
        Tenant(slug=f"seed-{tag}", name=f"Seed {number}") for number, tag in enumerate(tags)
    )
    places = []
    for tenant, tag, rows in zip(tenants, tags, sizes, strict=True):
        many, few = min(max(rows // 100, 2), 200), min(max(rows // 200, 2), 40)
        owners = [User(email=f"seed-{tag}-{n}@example.com", name=f"Person {n}") for n in range(many)]
        initiatives = [Initiative(tenant=tenant, name=f"Initiative {n}") for n in range(few)]
        plans = [Plan(tenant=tenant, name=f"Plan {n}") for n in range(many)]
        flow = Flow(tenant=tenant, name="Release")
        places.append(Place(tenant, owners, initiatives, plans, list(REPOS), flow, rows))
    User.objects.bulk_create((o for p in places for o in p.owners), batch_size=2000)
    members = (Membership(tenant=p.tenant, user=o) for p in places for o in p.owners)
    Membership.objects.bulk_create(members, batch_size=2000)
    Initiative.objects.bulk_create((i for p in places for i in p.initiatives), batch_size=2000)
    Plan.objects.bulk_create((i for p in places for i in p.plans), batch_size=2000)
    Flow.objects.bulk_create(p.flow for p in places)
    return places


def _lines(
    rng: random.Random,
    shape: Shape,
    seeded: Seeded,
    count: int,
    live_share: float,
    words: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """The rows of one kind, oldest first as they would have come in."""
    live_from = count - max(1, round(count * live_share))
    draw = _Draws(rng, shape, seeded.places, words)
    for number in range(count):
        is_live = number >= live_from
        place = next(draw.places)
        status = next(draw.live if is_live else draw.rest)
        age = SPAN * ((1 - number / count) * rng.uniform(0.9, 1.1)) + LEAST_AGE
        changed_at = seeded.now - (timedelta(seconds=rng.uniform(1, 1500)) if is_live else age)
        line = {
            "id": _uuid7(rng, changed_at),
            "tenant_id": place.tenant.pk,
            "owner_id": _skewed(rng, place.owners).pk,
            "initiative_id": _skewed(rng, place.initiatives).pk if rng.random() < 0.6 else None,
            "plan_id": _skewed(rng, place.plans).pk if rng.random() < 0.4 else None,
            "title": draw.title(),
            "error": f"Error: {draw.title().lower()} failed" if status in FAILED else "",
            "repo": _skewed(rng, place.repos) if rng.random() < 0.8 else "",
            "origin": next(draw.origins),
            "status": status,
            "changed_at": changed_at,
            "touched_at": changed_at,
            "is_folded": rng.random() < shape.folded,
            "has_redactions": number % 40 == 0,
        }
        if shape.model is FlowRun:
            line["flow_id"] = place.flow.pk
        yield line | shape.columns(status, changed_at)


class _Draws:
    """Endless draws by weight, many at a time. The first word is in every tenth title, most are rare."""

    def __init__(
        self, rng: random.Random, shape: Shape, places: Sequence[Place], words: Sequence[str]
    ) -> None:
        self.places = self._draw(rng, places, [place.rows for place in places])
        self.live = self._draw(rng, list(shape.live), list(shape.live.values()))
        self.rest = self._draw(rng, list(shape.rest), list(shape.rest.values()))
        self.origins = self._draw(rng, [origin.value for origin in ORIGINS], list(ORIGINS.values()))
        self.verbs = self._draw(rng, VERBS, [1] * len(VERBS))
        self.words = self._draw(rng, words, zipf(len(words)))

    @staticmethod
    def _draw[T](rng: random.Random, things: Sequence[T], weights: Sequence[float]) -> Iterator[T]:
        sums = list(itertools.accumulate(weights))
        while True:
            yield from rng.choices(things, cum_weights=sums, k=5_000)

    def title(self) -> str:
        word = self.words
        return f"{next(self.verbs)} the {next(word)} {next(word)} {next(word)} {next(word)}"


def _skewed[T](rng: random.Random, things: Sequence[T]) -> T:
    """One of the things: the first of 40 in about one draw of four, the last in one of a hundred."""
    return things[int(len(things) * rng.random() ** 3)]


def _uuid7(rng: random.Random, at: datetime) -> uuid.UUID:
    milliseconds = int(at.timestamp() * 1000) - 3_600_000
    return uuid.UUID(
        int=milliseconds << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
    )


def _copy(model: type[Model], lines: Iterator[dict[str, Any]]) -> None:
    """COPY what varies; the table gives the defaults that Django would, for as long as this lasts."""
    quote = connection.ops.quote_name
    first = next(lines)
    fields = [f for f in model._meta.concrete_fields if not isinstance(f, GeneratedField)]
    constant = {
        f.column: f.get_db_prep_save(f.get_default(), connection) for f in fields if _is_constant(f, first)
    }
    table, columns = quote(model._meta.db_table), ", ".join(map(quote, first))
    with connection.cursor() as cursor:
        for name, value in constant.items():
            cursor.execute(f"ALTER TABLE {table} ALTER {quote(name)} SET DEFAULT %s", [value])
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for line in itertools.chain([first], lines):
                copy.write_row(list(line.values()))
        for name in constant:
            cursor.execute(f"ALTER TABLE {table} ALTER {quote(name)} DROP DEFAULT")


def _is_constant(field: Any, line: Mapping[str, Any]) -> bool:
    return field.column not in line and not field.has_db_default()


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def _without_indexes(model: type[Model], tell: Callable[[str], None]) -> Iterator[None]:
    """Without the model's indexes and foreign keys until the rows are in; then indexes one by one.

    Rows that refer to nothing would stay unseen: whoever fills the table has made what it refers to.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = %s::regclass AND NOT indisunique",
            [model._meta.db_table],
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '1GB'")
        for name, definition in indexes:
            tell(f"index {name}")
            cursor.execute(definition)
        cursor.execute("RESET maintenance_work_mem")
        cursor.execute("RESET session_replication_role")
