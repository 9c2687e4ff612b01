"""What waits on a member is found by indexes of its own, however much they have left open."""

from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("tasks", "0005_redactions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="backgroundtask",
            index=models.Index(
                condition=models.Q(("status", "waiting")),
                fields=["tenant", "owner", "is_folded", "-changed_at", "-id"],
                include=("status",),
                name="task_awaited",
            ),
        ),
        AddIndexConcurrently(
            model_name="backgroundtask",
            index=models.Index(
                condition=models.Q(("waiting_on", "review")),
                fields=["tenant", "is_folded", "-changed_at", "-id"],
                name="task_in_review",
            ),
        ),
    ]
