"""Fill the database with sessions as they lie in a large installation: skewed, mostly over, a few live.

Rows go in by COPY, past the services: this is ground to measure on, not something that anybody did.
"""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import GeneratedField, Model

from chats.models import Chat
from flows.models import Flow, FlowRun
from sessions_app.kinds import Origin, SessionModel
from tasks.models import BackgroundTask
from workspace.models import Initiative, Membership, Plan, Tenant, User

SPAN = timedelta(days=180)
VERBS = ("Fix", "Add", "Review", "Migrate", "Explain", "Refactor", "Speed up", "Document", "Test", "Remove")
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
) -> Seeded:
    """Make `tenants` workspaces with `rows` sessions between them, half of them in the first."""
    rng = random.Random(random_seed)
    seeded = Seeded(now or datetime.now(UTC))
    seeded.places = [_make_place(number) for number in range(tenants)]
    for place, share in zip(seeded.places, _tenant_shares(tenants), strict=True):
        place.rows = round(rows * share)
    words = [f"{a}{b}{c}" for a, b, c in itertools.product(_SYLLABLES, repeat=3)]
    rng.shuffle(words)
    for shape in SHAPES:
        lines = _lines(rng, shape, seeded, rows, live_share, _Lexicon(rng, words))
        _copy(shape.model, lines)
    return seeded


def analyze() -> None:
    """Fresh statistics and visibility maps, as autovacuum leaves them; outside any transaction."""
    models = [shape.model for shape in SHAPES] + [User, Membership, Initiative, Plan]
    tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in models)
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM (ANALYZE) {tables}")


_SYLLABLES = ("ba", "chi", "dor", "fen", "gul", "hem", "jat", "kir", "lom", "nus", "pra", "quo", "rit", "sel")


class _Lexicon:
    """Titles of skewed words: the first word is in every tenth title, most are rare."""

    def __init__(self, rng: random.Random, words: Sequence[str]) -> None:
        self.rng, self.words = rng, words
        self.weights = list(itertools.accumulate(zipf(len(words))))

    def title(self) -> str:
        verb = self.rng.choice(VERBS)
        picked = self.rng.choices(self.words, cum_weights=self.weights, k=4)
        return f"{verb} the {' '.join(picked)}"


def _tenant_shares(tenants: int) -> list[float]:
    weights = zipf(tenants)
    if tenants == 1:
        return [1.0]
    others = sum(weights[1:])
    return [0.5, *(0.5 * weight / others for weight in weights[1:])]


def _make_place(number: int) -> Place:
    """A workspace of 30 people; the rarest of them own a session in a thousand or fewer."""
    tag = f"{number}-{uuid.uuid4().hex[:12]}"
    tenant = Tenant.objects.create(slug=f"seed-{tag}", name=f"Seed {number}")
    owners = User.objects.bulk_create(
        User(email=f"seed-{tag}-{n}@example.com", name=f"Person {n}") for n in range(30)
    )
    Membership.objects.bulk_create(Membership(tenant=tenant, user=owner) for owner in owners)
    initiatives = Initiative.objects.bulk_create(
        Initiative(tenant=tenant, name=f"Initiative {n}") for n in range(40)
    )
    plans = Plan.objects.bulk_create(Plan(tenant=tenant, name=f"Plan {n}") for n in range(200))
    return Place(
        tenant=tenant,
        owners=owners,
        initiatives=initiatives,
        plans=plans,
        repos=[f"example/repo-{n}" for n in range(50)],
        flow=Flow.objects.create(tenant=tenant, name="Release"),
    )


def _lines(
    rng: random.Random, shape: Shape, seeded: Seeded, rows: int, live_share: float, lexicon: _Lexicon
) -> Iterator[dict[str, Any]]:
    """The rows of one kind, oldest first as they would have come in."""
    count = round(rows * shape.share)
    live_from = count - max(1, round(count * live_share))
    places = rng.choices(seeded.places, weights=[place.rows for place in seeded.places], k=count)
    for number, place in enumerate(places):
        is_live = number >= live_from
        weights = shape.live if is_live else shape.rest
        status = rng.choices(list(weights), weights=list(weights.values()))[0]
        age = SPAN * (1 - number / count) * rng.uniform(0.9, 1.1) + timedelta(hours=2)
        changed_at = seeded.now - (timedelta(seconds=rng.uniform(1, 1500)) if is_live else age)
        failed = status in {"failed", "rejected", "blocked"}
        yield {
            "id": _uuid7(rng, changed_at - timedelta(hours=1)),
            "tenant_id": place.tenant.pk,
            "owner_id": _skewed(rng, place.owners).pk,
            "initiative_id": _skewed(rng, place.initiatives).pk if rng.random() < 0.6 else None,
            "plan_id": _skewed(rng, place.plans).pk if rng.random() < 0.4 else None,
            "title": lexicon.title(),
            "error": f"Error: {lexicon.title().lower()} failed" if failed else "",
            "repo": _skewed(rng, place.repos) if rng.random() < 0.8 else "",
            "origin": rng.choices(list(ORIGINS), weights=list(ORIGINS.values()))[0].value,
            "status": status,
            "changed_at": changed_at,
            "is_folded": rng.random() < shape.folded,
            **({"flow_id": place.flow.pk} if shape.model is FlowRun else {}),
            **shape.columns(status, changed_at),
        }


def _skewed[T](rng: random.Random, things: Sequence[T]) -> T:
    """One of the things: the first in about one draw of four, the last in one of some hundreds."""
    return things[min(int(len(things) * rng.random() ** 3), len(things) - 1)]


def _uuid7(rng: random.Random, at: datetime) -> uuid.UUID:
    milliseconds = int(at.timestamp() * 1000)
    return uuid.UUID(
        int=milliseconds << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
    )


def _copy(model: type[Model], lines: Iterator[dict[str, Any]]) -> None:
    """COPY what varies into a table of its own, then insert it beside the defaults that Django would give."""
    quote = connection.ops.quote_name
    first = next(lines)
    varying = list(first)
    fields = [f for f in model._meta.concrete_fields if not isinstance(f, GeneratedField)]
    constant = {
        f.column: f.get_db_prep_save(f.get_default(), connection) for f in fields if _is_constant(f, first)
    }
    table, columns = quote(model._meta.db_table), ", ".join(map(quote, varying))
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE seed_stage AS SELECT {columns} FROM {table} WITH NO DATA")
        with cursor.copy(f"COPY seed_stage ({columns}) FROM STDIN") as copy:
            for line in itertools.chain([first], lines):
                copy.write_row([line[name] for name in varying])
        cursor.execute(
            f"INSERT INTO {table} ({columns}, {', '.join(map(quote, constant))})"
            f" SELECT {columns}, {', '.join(['%s'] * len(constant))} FROM seed_stage",
            list(constant.values()),
        )
        cursor.execute("DROP TABLE seed_stage")


def _is_constant(field: Any, line: Mapping[str, Any]) -> bool:
    return field.column not in line and not field.has_db_default()
