"""`is_open` stands before the order in the indexes of filters, so that both halves of the list are ranges of them.

The new column rewrites the table under its lock, so building the indexes beside other work would gain nothing.
"""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0002_search_by_name"),
        ("chats", "0003_origin_known"),
        ("workspace", "0003_drop_index_of_secret_creator"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="chat",
            name="chat_owner",
        ),
        migrations.RemoveIndex(
            model_name="chat",
            name="chat_initiative",
        ),
        migrations.RemoveIndex(
            model_name="chat",
            name="chat_plan",
        ),
        migrations.RemoveIndex(
            model_name="chat",
            name="chat_repo",
        ),
        migrations.RemoveIndex(
            model_name="chat",
            name="chat_origin",
        ),
        migrations.AddField(
            model_name="chat",
            name="is_open",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.ExpressionWrapper(
                    models.Q(("status", "ended"), _negated=True), output_field=models.BooleanField()
                ),
                output_field=models.BooleanField(),
            ),
        ),
        migrations.AddIndex(
            model_name="chat",
            index=models.Index(
                fields=["tenant", "owner", "is_folded", "is_open", "-changed_at", "-id"],
                include=("status",),
                name="chat_owner",
            ),
        ),
        migrations.AddIndex(
            model_name="chat",
            index=models.Index(
                condition=models.Q(("initiative__isnull", False)),
                fields=["tenant", "initiative", "is_folded", "is_open", "-changed_at", "-id"],
                include=("status",),
                name="chat_initiative",
            ),
        ),
        migrations.AddIndex(
            model_name="chat",
            index=models.Index(
                condition=models.Q(("plan__isnull", False)),
                fields=["tenant", "plan", "is_folded", "is_open", "-changed_at", "-id"],
                include=("status",),
                name="chat_plan",
            ),
        ),
        migrations.AddIndex(
            model_name="chat",
            index=models.Index(
                condition=models.Q(("repo", ""), _negated=True),
                fields=["tenant", "repo", "is_folded", "is_open", "-changed_at", "-id"],
                include=("status",),
                name="chat_repo",
            ),
        ),
        migrations.AddIndex(
            model_name="chat",
            index=models.Index(
                fields=["tenant", "origin", "is_folded", "is_open", "-changed_at", "-id"],
                include=("status",),
                name="chat_origin",
            ),
        ),
    ]
