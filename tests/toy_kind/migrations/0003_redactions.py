from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("toy_kind", "0002_halves_by_is_open"),
        ("workspace", "0004_sealed_rows"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="toy",
            name="has_redactions",
            field=models.BooleanField(default=False, editable=False),
        ),
        migrations.AddIndex(
            model_name="toy",
            index=models.Index(
                condition=models.Q(("has_redactions", True)),
                fields=["tenant", "is_folded", "is_open", "-changed_at", "-id"],
                include=("status",),
                name="toy_redacted",
            ),
        ),
    ]
