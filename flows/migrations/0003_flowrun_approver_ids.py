"""Who may decide a run's checkpoints stands on the run itself: a list of sessions needs no join for it."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("flows", "0002_tune_autovacuum")]

    operations = [
        migrations.AddField(
            model_name="flowrun",
            name="approver_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(), blank=True, default=list
            ),
        ),
    ]
