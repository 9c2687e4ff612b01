"""A task that carries a run at a checkpoint waits on those who may decide there, and names them."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0008_find_touched")]

    operations = [
        migrations.AddField(
            model_name="backgroundtask",
            name="approver_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(), blank=True, null=True, size=None
            ),
        )
    ]
