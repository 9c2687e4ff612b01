import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0002_raw_record_by_native_id"),
        ("workspace", "0004_sealed_rows"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RedactionSweep",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("reason", models.CharField(max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Waiting"),
                            ("running", "Running"),
                            ("completed", "Done"),
                            ("failed", "Failed"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("targets", models.JSONField(default=list)),
                ("fence", models.PositiveIntegerField(default=0)),
                ("lease_expires_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, max_length=200)),
                (
                    "started_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="workspace.tenant",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["tenant", "-created_at"], name="sweep_newest")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["pending", "running", "completed", "failed"])),
                        name="sweep_status_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status", "pending")), fields=("tenant",), name="sweep_one_waits"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status", "running")), fields=("tenant",), name="sweep_one_runs"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Surfacing",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("session_kind", models.CharField(max_length=40)),
                ("session_id", models.UUIDField()),
                ("is_known", models.BooleanField()),
                ("name", models.CharField(max_length=100)),
                ("digest", models.CharField(blank=True, max_length=64)),
                ("count", models.PositiveIntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="workspace.tenant",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["tenant", "is_known", "name", "-last_at", "-id"], name="surfacing_by_name"
                    ),
                    models.Index(
                        condition=models.Q(("digest", ""), _negated=True),
                        fields=["tenant", "digest"],
                        name="surfacing_by_digest",
                    ),
                    models.Index(
                        condition=models.Q(("digest", "")), fields=["tenant"], name="surfacing_withheld"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "session_kind", "session_id", "is_known", "name", "digest"),
                        name="surfacing_once",
                    )
                ],
            },
        ),
    ]
