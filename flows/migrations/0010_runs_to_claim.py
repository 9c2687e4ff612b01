"""Runs that no worker holds are found by an index of their own."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("flows", "0009_what_the_engine_keeps")]

    operations = [
        AddIndexConcurrently(
            model_name="flowrun",
            index=models.Index(
                condition=models.Q(("status__in", ["pending", "running"])),
                fields=["lease_expires_at", "id"],
                include=("tenant",),
                name="flowrun_to_claim",
            ),
        )
    ]
