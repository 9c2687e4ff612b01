"""Whether anything has a profile is looked up by an index, also by the database, before one is deleted."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("tasks", "0010_what_is_to_approve")]

    operations = [
        AddIndexConcurrently(
            model_name="backgroundtask",
            index=models.Index(
                fields=["profile"], condition=models.Q(profile__isnull=False), name="task_by_profile"
            ),
        ),
    ]
