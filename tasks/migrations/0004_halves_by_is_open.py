"""`is_open` stands before the order in the indexes of filters, so that both halves of the list are ranges of them.

The new column rewrites the table under its lock, so building the indexes beside other work would gain nothing.
"""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0002_search_by_name"),
        ("tasks", "0003_origin_known"),
        ("workspace", "0003_drop_index_of_secret_creator"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="backgroundtask",
            name="task_live",
        ),
        migrations.RemoveIndex(
            model_name="backgroundtask",
            name="task_owner",
        ),
        migrations.RemoveIndex(
            model_name="backgroundtask",
            name="task_initiative",
        ),
        migrations.RemoveIndex(
            model_name="backgroundtask",
            name="task_plan",
        ),
        migrations.RemoveIndex(
            model_name="backgroundtask",
            name="task_repo",
        ),
        migrations.RemoveIndex(
            model_name="backgroundtask",
            name="task_origin",
        ),
        migrations.AddField(
            model_name="backgroundtask",
            name="is_open",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.ExpressionWrapper(
                    models.Q(("status__in", ["provisioning", "queued", "running", "waiting"])),
                    output_field=models.BooleanField(),
                ),
                output_field=models.BooleanField(),
            ),
        ),
        migrations.AddIndex(
            model_name="backgroundtask",
            index=models.Index(
                condition=models.Q(("status__in", ["provisioning", "queued", "running", "waiting"])),
                fields=["tenant", "is_folded", "-changed_at", "-id"],
                include=("status",),
                name="task_live",
            ),
        ),
        migrations.AddIndex(
            model_name="backgroundtask",
            index=models.Index(
                fields=["tenant", "owner", "is_folded", "is_open", "-changed_at", "-id"],
                include=("status",),
                name="task_owner",
            ),
        ),
        migrations.AddIndex(
            model_name="backgroundtask",
            index=models.Index(
                condition=models.Q(("initiative__isnull", False)),
                fields=["tenant", "initiative", "is_folded", "is_open", "-changed_at", "-id"],
                include=("status",),
                name="task_initiative",
            ),
        ),
        migrations.AddIndex(
            model_name="backgroundtask",
            index=models.Index(
                condition=models.Q(("plan__isnull", False)),
                fields=["tenant", "plan", "is_folded", "is_open", "-changed_at", "-id"],
                include=("status",),
                name="task_plan",
            ),
        ),
        migrations.AddIndex(
            model_name="backgroundtask",
            index=models.Index(
                condition=models.Q(("repo", ""), _negated=True),
                fields=["tenant", "repo", "is_folded", "is_open", "-changed_at", "-id"],
                include=("status",),
                name="task_repo",
            ),
        ),
        migrations.AddIndex(
            model_name="backgroundtask",
            index=models.Index(
                fields=["tenant", "origin", "is_folded", "is_open", "-changed_at", "-id"],
                include=("status",),
                name="task_origin",
            ),
        ),
    ]
