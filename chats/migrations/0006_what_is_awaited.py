"""What waits on a member is found by indexes of its own, however much they have left open."""

from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("chats", "0005_redactions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="chat",
            index=models.Index(
                condition=models.Q(("status__in", ["awaiting_approval", "awaiting_you"])),
                fields=["tenant", "owner", "is_folded", "-changed_at", "-id"],
                include=("status",),
                name="chat_awaited",
            ),
        ),
    ]
