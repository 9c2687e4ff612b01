"""What waits on a member is found by indexes of its own, however much they have left open."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("toy_kind", "0003_redactions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="toy",
            index=models.Index(
                condition=models.Q(("status", "stuck")),
                fields=["tenant", "owner", "is_folded", "-changed_at", "-id"],
                include=("status",),
                name="toy_awaited",
            ),
        ),
    ]
