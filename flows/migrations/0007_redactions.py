"""Sessions that hold redactions are found by an index of their own."""

from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("flows", "0006_halves_by_is_open"),
        ("workspace", "0004_sealed_rows"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="flowrun",
            name="has_redactions",
            field=models.BooleanField(default=False, editable=False),
        ),
        AddIndexConcurrently(
            model_name="flowrun",
            index=models.Index(
                condition=models.Q(("has_redactions", True)),
                fields=["tenant", "is_folded", "is_open", "-changed_at", "-id"],
                include=("status",),
                name="flowrun_redacted",
            ),
        ),
    ]
