"""Limits of memory and of output."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0002_search_by_name"),
    ]

    operations = [
        migrations.AddField(
            model_name="profile",
            name="max_memory_mb",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="profile",
            name="max_output_kb",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
    ]
