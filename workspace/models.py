"""What a tenant is made of: people and their roles, initiatives and plans, tokens and secrets."""

from __future__ import annotations

import zoneinfo
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower, Now
from uuid_utils.compat import uuid7

from workspace.tenancy import TenantOwned, TenantQuerySet, name_index


class Tenant(models.Model):
    """One workspace: the wall around everything that its members see.

    `quiet_after_minutes`: a chat whose last message is at least this old is no longer live.
    `end_chats_after_minutes`: one in which nothing has happened for this long is ended; None for never.
    A suspended tenant's pages answer 404 to all its members.
    `rows_outdated_at`: when what many sessions show at once was last changed (the name of an initiative, a
    plan or a member, `quiet_after_minutes`); triggers keep it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    quiet_after_minutes = models.PositiveSmallIntegerField(default=30)
    end_chats_after_minutes = models.PositiveIntegerField(null=True, blank=True)
    suspended_at = models.DateTimeField(null=True, blank=True)
    rows_outdated_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(end_chats_after_minutes__isnull=True)
                | models.Q(end_chats_after_minutes__gte=1, end_chats_after_minutes__lte=525_600),
                name="tenant_end_chats_within_a_year",
            ),
            models.CheckConstraint(
                condition=models.Q(quiet_after_minutes__gte=1, quiet_after_minutes__lte=1440),
                name="tenant_quiet_after_1_to_1440_minutes",
            ),
        ]
        indexes = [name_index("tenant_by_name")]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: object) -> User:
        """A user who signs in by link, and by password once one is set."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person. A superuser operates the installation through the admin; a member works in tenants."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="user_email_is_lower_case")
        ]
        indexes = [name_index("user_by_name")]

    def __str__(self) -> str:
        return self.display_name

    def clean(self) -> None:
        super().clean()
        if self.time_zone not in zoneinfo.available_timezones():
            raise ValidationError({"time_zone": f"{self.time_zone!r} is no time zone such as Europe/Berlin"})

    @property
    def display_name(self) -> str:
        return self.name or self.email.partition("@")[0]

    def get_full_name(self) -> str:
        return self.display_name


class SignInLink(models.Model):
    """A link that signs one person in, once, within ten minutes. Only the SHA-256 of its token is kept.

    States: fresh -> used (POST) | expired (time).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_in_links")
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return f"sign-in link for {self.user_id}"


class Role(models.TextChoices):
    """Viewer reads; member runs and decides; admin also manages the workspace."""

    VIEWER = "viewer"
    MEMBER = "member"
    ADMIN = "admin"


class Membership(TenantOwned):
    """A person's role in a tenant.

    What changed up to `seen_until` counts as seen by them; None: nothing before they came.
    """

    # Indexed by person alone: signing in asks for somebody's workspaces before it knows any of them.
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    seen_until = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["Membership"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user"], name="membership_once_per_tenant"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} is {self.role}"

    @property
    def can_run(self) -> bool:
        return self.role != Role.VIEWER

    @property
    def can_manage(self) -> bool:
        return self.role == Role.ADMIN


class SeenSession(TenantOwned):
    """A session that a member has looked at since `seen_until`, and the version of it that they saw.

    `workspace.seeing` writes these and keeps no more than a bounded number for each member.
    """

    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, db_index=False, related_name="seen_sessions"
    )
    session_kind = models.CharField(max_length=40)
    session_id = models.UUIDField()
    version = models.PositiveIntegerField()
    seen_at = models.DateTimeField()

    objects = TenantQuerySet["SeenSession"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "membership", "session_kind", "session_id"], name="seen_once_per_member"
            )
        ]

    def __str__(self) -> str:
        return f"{self.session_kind} {self.session_id} as of version {self.version}"


class Initiative(TenantOwned):
    """A lasting goal that plans and sessions serve."""

    name = models.CharField(max_length=200)
    summary = models.TextField(blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["Initiative"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("tenant", Lower("name"), name="initiative_name_once")]
        indexes = [name_index("initiative_by_name")]

    def __str__(self) -> str:
        return self.name


class Plan(TenantOwned):
    """A written plan of work, alone or under an initiative."""

    initiative = models.ForeignKey(
        Initiative, on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="plans"
    )
    name = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["Plan"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("tenant", Lower("name"), name="plan_name_once")]
        indexes = [
            models.Index(fields=["tenant", "initiative"], name="plan_by_initiative"),
            name_index("plan_by_name"),
        ]

    def __str__(self) -> str:
        return self.name


class ApiToken(TenantOwned):
    """A member's key to the HTTP API. Only its hash is kept; the prefix tells tokens apart in lists.

    States: valid -> revoked (at once) | expired (time).
    """

    # Indexed by person alone: whoever is deleted takes their tokens in all workspaces along.
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16)
    token_hash = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=50), default=list)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["ApiToken"].as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "user"], name="apitoken_by_user"),
            models.Index(OpClass("prefix", name="varchar_pattern_ops"), name="apitoken_by_prefix"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class SealedRow(TenantOwned):
    """A value at rest: AES-GCM with the tenant and `sealed_as` as associated data (`workspace.sealing`).

    `key_id` names the key that sealed it. `manage.py rotate_keys` seals each row of each subclass anew.
    """

    sealed = models.BinaryField()
    key_id = models.CharField(max_length=16)

    class Meta:
        abstract = True

    @property
    def sealed_as(self) -> str:
        """What the value belongs to within its tenant: it can be opened as nothing else.

        The row itself, unless it has a name that says so as well.
        """
        return f"{self._meta.model_name} {self.pk}"


class TenantKey(SealedRow):
    """The random key of a tenant that the keys of its marks and digests are made from. It never changes."""

    objects = TenantQuerySet["TenantKey"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="tenantkey_once_per_tenant")]

    def __str__(self) -> str:
        return f"key of {self.tenant_id}"

    @property
    def sealed_as(self) -> str:
        return "tenant key"


class Secret(SealedRow):
    """A credential known by name, so that its value can be replaced by that name wherever it shows up.

    The value is write-only: no page or command shows it. `digest` is its HMAC by the tenant's key, the same
    that findings of it have. `note` says what it is for.
    """

    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, blank=True)
    note = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, db_index=False, related_name="+"
    )
    rotated_at = models.DateTimeField(null=True, blank=True)
    rotated_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )

    objects = TenantQuerySet["Secret"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="secret_name_once"),
            models.UniqueConstraint(
                fields=["tenant", "digest"], condition=~models.Q(digest=""), name="secret_value_once"
            ),
            models.CheckConstraint(
                condition=models.Q(name__regex=r"^[A-Za-z_][A-Za-z0-9_]*$"),
                name="secret_name_is_a_variable_name",
            ),
        ]
        indexes = [name_index("secret_by_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def sealed_as(self) -> str:
        return self.name


class EarlierValue(SealedRow):
    """A value that a secret had before: still replaced by its name, until an admin has it forgotten."""

    secret = models.ForeignKey(
        Secret, on_delete=models.CASCADE, db_index=False, related_name="earlier_values"
    )
    digest = models.CharField(max_length=64)

    objects = TenantQuerySet["EarlierValue"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "secret", "digest"], name="earliervalue_once")
        ]

    def __str__(self) -> str:
        return f"earlier value of {self.secret_id}"

    @property
    def sealed_as(self) -> str:
        return self.secret.name


class RotationStep(models.TextChoices):
    """What is to be done, in this order, once a secret has leaked."""

    VENDOR = "vendor", "Make a new one where it was issued, and revoke the old one there"
    VALUE = "value", "Set the new value here"
    SWEEP = "sweep", "Wait for the sweep that replaces it in what was stored before"
    TELL = "tell", "Tell the owners of the sessions below"


class RotationCheck(TenantOwned):
    """One step of a rotation that somebody has ticked off."""

    secret = models.ForeignKey(Secret, on_delete=models.CASCADE, db_index=False, related_name="checks")
    step = models.CharField(max_length=10, choices=RotationStep)
    checked_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, db_index=False, related_name="+"
    )

    objects = TenantQuerySet["RotationCheck"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "secret", "step"], name="rotationcheck_once_per_step"),
            models.CheckConstraint(
                condition=models.Q(step__in=RotationStep.values), name="rotationcheck_step_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.step} of {self.secret_id}"
