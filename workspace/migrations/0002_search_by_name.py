"""Names are found by any part of them, over all tenants."""

import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("workspace", "0001_initial"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="apitoken",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass("prefix", name="varchar_pattern_ops"),
                name="apitoken_by_prefix",
            ),
        ),
        migrations.AddIndex(
            model_name="initiative",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("name"), name="gin_trgm_ops"
                ),
                name="initiative_by_name",
            ),
        ),
        migrations.AddIndex(
            model_name="plan",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("name"), name="gin_trgm_ops"
                ),
                name="plan_by_name",
            ),
        ),
        migrations.AddIndex(
            model_name="secret",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("name"), name="gin_trgm_ops"
                ),
                name="secret_by_name",
            ),
        ),
        migrations.AddIndex(
            model_name="tenant",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("name"), name="gin_trgm_ops"
                ),
                name="tenant_by_name",
            ),
        ),
        migrations.AddIndex(
            model_name="user",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("name"), name="gin_trgm_ops"
                ),
                name="user_by_name",
            ),
        ),
    ]
