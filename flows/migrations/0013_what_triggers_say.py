"""A trigger knows the run that it started last and what there is to say of it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("flows", "0012_find_touched")]

    operations = [
        migrations.AddField(
            "flowtrigger",
            "last_run",
            models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="flows.flowrun",
            ),
        ),
        migrations.AddField("flowtrigger", "skips_overlap", models.BooleanField(default=False)),
        migrations.AddField("flowtrigger", "note", models.CharField(blank=True, max_length=500)),
    ]
