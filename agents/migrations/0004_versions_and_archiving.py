"""Skills and profiles count their changes and can be put away."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0003_profile_limits"),
    ]

    operations = [
        operation
        for model in ("profile", "skill")
        for operation in (
            migrations.AddField(
                model_name=model,
                name="version",
                field=models.PositiveIntegerField(default=1, editable=False),
            ),
            migrations.AddField(
                model_name=model,
                name="archived_at",
                field=models.DateTimeField(blank=True, editable=False, null=True),
            ),
        )
    ]
