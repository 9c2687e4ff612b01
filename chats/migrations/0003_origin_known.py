"""A chat's origin is one of the known words."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0002_search_by_name"),
        ("chats", "0002_tune_autovacuum"),
        ("workspace", "0003_drop_index_of_secret_creator"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="chat",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("origin__in", ["web", "vscode", "cli", "api", "schedule", "flow", "agent", "desktop"])
                ),
                name="chat_origin_known",
            ),
        ),
    ]
