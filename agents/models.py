"""Who does the work: profiles (where and with what an agent runs) and skills (what it is told)."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower

from agents.skills import find_body_problems
from workspace.tenancy import TenantOwned, TenantQuerySet, name_index


class Runtime(models.TextChoices):
    SHELL = "shell"
    MODEL = "model"
    CLAUDE_CODE = "claude_code", "Claude Code"
    CODEX = "codex", "Codex"


def profile_index(prefix: str) -> models.Index:
    """What has a profile, for whoever deletes one.

    It does not begin with the tenant: the database's own check of the foreign key asks without one.
    """
    return models.Index(
        fields=["profile"], condition=models.Q(profile__isnull=False), name=f"{prefix}_by_profile"
    )


class Profile(TenantOwned):
    """Where an agent runs, with which environment (secrets by name only) and within which limits.

    `max_output_kb` limits what a command may print. `version` moves with each change. No step is newly given
    one that is archived; those that name it go on with it.
    """

    name = models.CharField(max_length=100)
    runtime = models.CharField(max_length=20, choices=Runtime)
    sandbox = models.CharField(max_length=50, blank=True)
    model = models.CharField(max_length=100, blank=True)
    env_secret_names = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    max_turns = models.PositiveIntegerField(null=True, blank=True)
    max_minutes = models.PositiveIntegerField(null=True, blank=True)
    max_memory_mb = models.PositiveIntegerField(null=True, blank=True)
    max_output_kb = models.PositiveIntegerField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = TenantQuerySet["Profile"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("tenant", Lower("name"), name="profile_name_once"),
            models.CheckConstraint(
                condition=models.Q(runtime__in=Runtime.values), name="profile_runtime_known"
            ),
        ]
        indexes = [name_index("profile_by_name")]

    def __str__(self) -> str:
        return self.name


class Skill(TenantOwned):
    """Named instructions: a runtime and a body (a command, or a prompt template).

    `version` and `archived_at` are as those of a profile.
    """

    name = models.CharField(max_length=100)
    description = models.TextField(blank=True)
    runtime = models.CharField(max_length=20, choices=Runtime)
    body = models.TextField()
    version = models.PositiveIntegerField(default=1, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = TenantQuerySet["Skill"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("tenant", Lower("name"), name="skill_name_once"),
            models.CheckConstraint(
                condition=models.Q(runtime__in=Runtime.values), name="skill_runtime_known"
            ),
        ]
        indexes = [name_index("skill_by_name")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if problems := list(find_body_problems(self.runtime, self.body)):
            raise ValidationError({"body": problems})
