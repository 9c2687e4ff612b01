from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workspace", "0005_seen_sessions")]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="end_chats_after_minutes",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="tenant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("end_chats_after_minutes__isnull", True),
                    models.Q(("end_chats_after_minutes__gte", 1), ("end_chats_after_minutes__lte", 525600)),
                    _connector="OR",
                ),
                name="tenant_end_chats_within_a_year",
            ),
        ),
    ]
