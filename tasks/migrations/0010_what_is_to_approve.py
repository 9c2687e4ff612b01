"""What a member may approve is found by an index of its own."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tasks", "0009_who_approves")]

    operations = [
        AddIndexConcurrently(
            model_name="backgroundtask",
            index=models.Index(
                condition=models.Q(("approver_ids__isnull", False), ("waiting_on", "approval")),
                fields=["tenant", "is_folded", "-changed_at", "-id"],
                include=("approver_ids",),
                name="task_to_approve",
            ),
        )
    ]
