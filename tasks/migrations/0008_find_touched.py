"""What was written of late is a range of an index."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("tasks", "0007_touched")]

    operations = [
        AddIndexConcurrently(
            model_name="backgroundtask",
            index=models.Index(fields=["tenant", "touched_at"], name="task_touched"),
        ),
    ]
