"""Where the demo plays: its workspace with people, goals, profiles, skills and one secret."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.models import Profile, Skill
from agents.services import create_profile, create_skill
from audit.entries import RunFacts
from config.demo.script import Clock, Player
from workspace.actors import Actor
from workspace.models import Initiative, Plan, Role, Tenant, User
from workspace.placement import Placement
from workspace.services import (
    create_initiative,
    create_plan,
    create_tenant,
    create_user,
    set_member_role,
    set_secret,
)

__all__ = ["OWNER", "SECRET_NAME", "SLUG", "Stage", "set_stage"]

SLUG = "demo"
OWNER = "owner@example.com"
SECRET_NAME = "PAYMENTS_API_KEY"  # noqa: S105 - the name of a secret, not its value
OPUS = "claude-opus-4-5"
CODEX = "gpt-5.1-codex"

PEOPLE = {
    "owner": (OWNER, "Robin Vale", Role.ADMIN),
    "teammate": ("teammate@example.com", "Noor Haddad", Role.MEMBER),
    "viewer": ("viewer@example.com", "Ines Duarte", Role.VIEWER),
}

INITIATIVES = {
    "checkout": (
        "Checkout that never loses a cart",
        "Four in a hundred carts vanish at sign-in. None should.",
    ),
    "ledger": ("A ledger of its own", "Bookings leave the shop's database and get partitions by month."),
    "builds": ("Builds under five minutes", "From 19 minutes to 5, without buying a bigger runner."),
}

PLANS = {
    "carts": (
        "checkout",
        "Server-side carts",
        "Carts live on the server, keyed by visitor; sign-in merges them.",
    ),
    "partitions": (
        "ledger",
        "Monthly ledger partitions",
        "Write to both, backfill, compare, switch reads, drop.",
    ),
    "cache": ("builds", "Remote build cache", "Content-addressed, read by all, written by the main branch."),
    "webhooks": (
        None,
        "Retire the old webhook gateway",
        "Move 14 partners to signed webhooks, then turn it off.",
    ),
}

PROFILES = {
    "workstation": ("Workstation", "claude_code", "container", OPUS),
    "cloud": ("Cloud runner", "codex", "microvm", CODEX),
    "shell": ("CI shell", "shell", "container", ""),
}

SKILLS = {
    "survey": (
        "Survey the code",
        "claude_code",
        "Read what {ticket} touches. List files, risks and open questions.",
    ),
    "implement": (
        "Implement",
        "claude_code",
        "Make the change as planned. Small commits, tests beside the code.",
    ),
    "test": ("Run the tests", "shell", "make test"),
    "review": ("Review the diff", "codex", "Read the diff as a stranger would. Name what could break."),
    "deploy": ("Deploy", "shell", 'make deploy ENVIRONMENT="$ENVIRONMENT"'),
    "update": (
        "Update dependencies",
        "codex",
        "Raise every pin that has a newer minor version; read changelogs.",
    ),
    "pull-request": ("Open a pull request", "shell", "gh pr create --fill"),
    "logs": ("Gather logs", "shell", 'bin/logs --since "$SINCE" --service "$SERVICE"'),
    "timeline": ("Write a timeline", "claude_code", "From the logs, say what happened when, without blame."),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """The workspace, and the moment that counts as now. What is told happened before it."""

    tenant: Tenant
    now: datetime
    people: dict[str, User]
    initiatives: dict[str, Initiative]
    plans: dict[str, Plan]
    profiles: dict[str, Profile]
    skills: dict[str, Skill]
    secret: str

    @property
    def tenant_id(self) -> uuid.UUID:
        return self.tenant.pk

    def actor(self, who: str) -> Actor:
        return Actor.member(self.people[who])

    def place(self, who: str, serves: str = "") -> Placement:
        """Whose a session is, and the plan (with its initiative) or the initiative that it serves."""
        plan, initiative = self.plans.get(serves), self.initiatives.get(serves)
        return Placement(
            owner_id=self.people[who].pk,
            plan_id=plan.pk if plan else None,
            initiative_id=plan.initiative_id if plan else initiative.pk if initiative else None,
        )

    def clock(self, minutes_ago: float) -> Clock:
        return Clock(self.now - timedelta(minutes=minutes_ago), self.now)

    def player(self, key: str, profile: str, clock: Clock) -> Player:
        return Player(key, self.profiles[profile].model, clock, self.secret)

    def facts(self, profile: str, *, origin: str, repo: str, branch: str = "main") -> RunFacts:
        chosen = self.profiles[profile]
        return RunFacts(
            origin=origin,
            runtime=chosen.runtime,
            model=chosen.model,
            sandbox=chosen.sandbox,
            profile=chosen.name,
            repo=repo,
            branch=branch,
            cwd=f"/src/{repo.rpartition('/')[2]}" if repo else "",
            commit=uuid.uuid5(uuid.NAMESPACE_URL, f"{repo}#{branch}").hex[:12],
        )


def set_stage(now: datetime) -> Stage:
    """Make the demo's workspace. Raises ValidationError if there is one of that name."""
    people = {key: _find_or_create(email, name) for key, (email, name, _) in PEOPLE.items()}
    tenant = create_tenant(slug=SLUG, name="Demo", owner=people["owner"])
    actor = Actor.member(people["owner"])
    for key, (_, _, role) in PEOPLE.items():
        if key != "owner":
            set_member_role(tenant_id=tenant.pk, user=people[key], role=role, actor=actor)
    initiatives = {
        key: create_initiative(tenant_id=tenant.pk, name=name, summary=summary, actor=actor)
        for key, (name, summary) in INITIATIVES.items()
    }
    plans = {
        key: create_plan(
            tenant_id=tenant.pk,
            name=name,
            body=body,
            initiative=initiatives[under] if under else None,
            actor=actor,
        )
        for key, (under, name, body) in PLANS.items()
    }
    secret = "_".join(["sk", "live", secrets.token_hex(16)])  # looks like a credential, opens nothing
    set_secret(tenant_id=tenant.pk, name=SECRET_NAME, value=secret, actor=actor)
    profiles = {
        key: create_profile(
            tenant_id=tenant.pk, actor=actor, name=name, runtime=runtime, sandbox=sandbox, model=model
        )
        for key, (name, runtime, sandbox, model) in PROFILES.items()
    }
    skills = {
        key: create_skill(tenant_id=tenant.pk, actor=actor, name=name, runtime=runtime, body=body)
        for key, (name, runtime, body) in SKILLS.items()
    }
    return Stage(tenant, now, people, initiatives, plans, profiles, skills, secret)


def _find_or_create(email: str, name: str) -> User:
    found = User.objects.filter(email=email).first()
    return found or create_user(email=email, name=name)
