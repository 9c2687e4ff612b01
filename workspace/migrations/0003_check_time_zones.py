"""A time zone is one that the machine knows."""

from django.db import migrations, models

import workspace.models


class Migration(migrations.Migration):
    dependencies = [
        ("workspace", "0002_search_by_name"),
    ]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="time_zone",
            field=models.CharField(
                default="UTC", max_length=64, validators=[workspace.models.validate_time_zone]
            ),
        ),
    ]
