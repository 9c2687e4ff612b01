import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workspace", "0003_drop_index_of_secret_creator"),
    ]

    operations = [
        migrations.CreateModel(
            name="EarlierValue",
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
                ("sealed", models.BinaryField()),
                ("key_id", models.CharField(max_length=16)),
                ("digest", models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="RotationCheck",
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
                (
                    "step",
                    models.CharField(
                        choices=[
                            ("vendor", "Make a new one where it was issued, and revoke the old one there"),
                            ("value", "Set the new value here"),
                            ("sweep", "Wait for the sweep that replaces it in what was stored before"),
                            ("tell", "Tell the owners of the sessions below"),
                        ],
                        max_length=10,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TenantKey",
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
                ("sealed", models.BinaryField()),
                ("key_id", models.CharField(max_length=16)),
            ],
        ),
        migrations.AddField(
            model_name="secret",
            name="digest",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="secret",
            name="note",
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name="secret",
            name="rotated_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="secret",
            constraint=models.UniqueConstraint(
                condition=models.Q(("digest", ""), _negated=True),
                fields=("tenant", "digest"),
                name="secret_value_once",
            ),
        ),
        migrations.AddField(
            model_name="earliervalue",
            name="secret",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="earlier_values",
                to="workspace.secret",
            ),
        ),
        migrations.AddField(
            model_name="earliervalue",
            name="tenant",
            field=models.ForeignKey(
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="workspace.tenant",
            ),
        ),
        migrations.AddField(
            model_name="rotationcheck",
            name="checked_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="rotationcheck",
            name="secret",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="checks",
                to="workspace.secret",
            ),
        ),
        migrations.AddField(
            model_name="rotationcheck",
            name="tenant",
            field=models.ForeignKey(
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="workspace.tenant",
            ),
        ),
        migrations.AddField(
            model_name="tenantkey",
            name="tenant",
            field=models.ForeignKey(
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="workspace.tenant",
            ),
        ),
        migrations.AddConstraint(
            model_name="earliervalue",
            constraint=models.UniqueConstraint(
                fields=("tenant", "secret", "digest"), name="earliervalue_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="rotationcheck",
            constraint=models.UniqueConstraint(
                fields=("tenant", "secret", "step"), name="rotationcheck_once_per_step"
            ),
        ),
        migrations.AddConstraint(
            model_name="rotationcheck",
            constraint=models.CheckConstraint(
                condition=models.Q(("step__in", ["vendor", "value", "sweep", "tell"])),
                name="rotationcheck_step_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="tenantkey",
            constraint=models.UniqueConstraint(fields=("tenant",), name="tenantkey_once_per_tenant"),
        ),
    ]
