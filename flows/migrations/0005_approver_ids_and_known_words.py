"""Approvers stand on their flow, in a table that has a tenant; a run's mode and origin are known words."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0004_search_by_name"),
        ("workspace", "0003_drop_index_of_secret_creator"),
    ]

    operations = [
        migrations.RemoveField(
            model_name="flow",
            name="approvers",
        ),
        migrations.AddField(
            model_name="flow",
            name="approver_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(), blank=True, default=list
            ),
        ),
        migrations.AlterField(
            model_name="flowstep",
            name="name",
            field=models.SlugField(db_index=False, max_length=100),
        ),
        migrations.AddConstraint(
            model_name="flowrun",
            constraint=models.CheckConstraint(
                condition=models.Q(("run_mode__in", ["interactive", "background"])),
                name="flowrun_run_mode_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="flowrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("origin__in", ["web", "vscode", "cli", "api", "schedule", "flow", "agent", "desktop"])
                ),
                name="flowrun_origin_known",
            ),
        ),
    ]
