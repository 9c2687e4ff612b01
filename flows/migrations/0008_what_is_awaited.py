"""What waits on a member is found by indexes of its own, however much they have left open."""

from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("flows", "0007_redactions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="flowrun",
            index=models.Index(
                condition=models.Q(("status__in", ["blocked", "interrupted", "paused"])),
                fields=["tenant", "owner", "is_folded", "-changed_at", "-id"],
                include=("status",),
                name="flowrun_awaited",
            ),
        ),
        AddIndexConcurrently(
            model_name="flowrun",
            index=models.Index(
                condition=models.Q(("status", "paused")),
                fields=["tenant", "is_folded", "-changed_at", "-id"],
                include=("approver_ids",),
                name="flowrun_paused",
            ),
        ),
    ]
